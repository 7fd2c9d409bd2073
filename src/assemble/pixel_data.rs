//! Where the pixel data of a file lies, so that one frame can be read of it and not all.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_encoding::TransferSyntaxIndex;
use dicom_encoding::transfer_syntax::Codec;
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_parser::stateful::decode::StatefulDecode;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Elements that hold pixel data (PS3.3 section C.7.6.24).
pub(super) const PIXEL_DATA: [Tag; 3] = [
    tags::PIXEL_DATA,
    tags::FLOAT_PIXEL_DATA,
    tags::DOUBLE_FLOAT_PIXEL_DATA,
];

/// Bytes of an offset table: that of four million frames.
const LONGEST_TABLE: u32 = 16 << 20;

/// A part of a file: where it begins, and its length.
pub(super) type Extent = (u64, u64);

/// Where pixel data lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PixelData {
    /// One value.
    Native(Extent),
    /// Offset table and fragments (PS3.5 annex A.4); an offset counts from the first fragment's item.
    Encapsulated {
        offsets: Vec<u64>,
        fragments: Vec<Extent>,
    },
    /// In a data set that is deflated as a whole: nowhere in the file.
    Deflated,
    /// There is none.
    Absent,
}

/// Finds the pixel data, in one of some elements, of a file with preamble and file meta; the sentence says why not.
pub(super) fn find(
    path: &Path,
    transfer_syntax: &str,
    elements: &[Tag],
) -> Result<PixelData, String> {
    // The parser trusts what it reads, and panics where that contradicts itself.
    catch_unwind(AssertUnwindSafe(|| {
        find_trusting(path, transfer_syntax, elements)
    }))
    .unwrap_or_else(|_| Err("its elements and items contradict each other".into()))
}

fn find_trusting(
    path: &Path,
    transfer_syntax: &str,
    elements: &[Tag],
) -> Result<PixelData, String> {
    let syntax = TransferSyntaxRegistry
        .get(transfer_syntax)
        .ok_or("its transfer syntax is unknown")?;
    if matches!(syntax.codec(), Codec::Dataset(_)) {
        return Ok(PixelData::Deflated);
    }
    let unreadable = |error: std::io::Error| error.to_string();
    let mut file = File::open(path).map_err(unreadable)?;
    let end = file.metadata().map_err(unreadable)?.len();
    let mut length = [0; 4];
    file.read_exact_at(&mut length, 140).map_err(unreadable)?;
    let data_set = 144 + u64::from(u32::from_le_bytes(length));
    file.seek(SeekFrom::Start(data_set)).map_err(unreadable)?;
    let reader = LazyDataSetReader::new_with_ts(BufReader::new(file), syntax);
    let mut reader = reader.map_err(|error| error.to_string())?;
    let broken = |error: &dyn std::error::Error| super::dicom_file::with_causes(error);
    let (mut depth, mut is_encapsulated) = (0usize, false);
    let (mut items, mut table) = (0usize, Vec::new());
    let mut fragments = Vec::new();
    while let Some(token) = reader.advance() {
        match token.map_err(|error| broken(&error))? {
            LazyDataToken::SequenceStart { .. } => depth += 1,
            LazyDataToken::PixelSequenceStart if depth == 0 => is_encapsulated = true,
            LazyDataToken::PixelSequenceStart => depth += 1,
            LazyDataToken::SequenceEnd if depth == 0 && is_encapsulated => break,
            LazyDataToken::SequenceEnd => depth = depth.saturating_sub(1),
            LazyDataToken::ItemStart { .. } if is_encapsulated => items += 1,
            LazyDataToken::LazyValue { header, decoder } => {
                let length = header.len.get().ok_or("a value has no length")?;
                let at = decoder.position();
                if at.saturating_add(length.into()) > end {
                    return Err("a value claims more bytes than there are".into());
                }
                if depth == 0 && elements.contains(&header.tag) {
                    return Ok(PixelData::Native((at, length.into())));
                }
                LazyDataToken::LazyValue { header, decoder }
                    .skip()
                    .map_err(|error| broken(&error))?;
            }
            LazyDataToken::LazyItemValue { len, decoder } => {
                let at = decoder.position();
                if at.saturating_add(len.into()) > end {
                    return Err("an item claims more bytes than there are".into());
                }
                if is_encapsulated && items == 1 {
                    table = offsets(path, at, len).map_err(unreadable)?;
                } else if is_encapsulated {
                    fragments.push((at, u64::from(len)));
                }
                LazyDataToken::LazyItemValue { len, decoder }
                    .skip()
                    .map_err(|error| broken(&error))?;
            }
            _ => {}
        }
    }
    Ok(match is_encapsulated {
        true => PixelData::Encapsulated {
            offsets: table,
            fragments,
        },
        false => PixelData::Absent,
    })
}

/// The offset table at a place in a file; none where it is longer than any should be.
fn offsets(path: &Path, at: u64, length: u32) -> std::io::Result<Vec<u64>> {
    if length > LONGEST_TABLE {
        return Ok(Vec::new());
    }
    let mut table = vec![0; length as usize];
    File::open(path)?.read_exact_at(&mut table, at)?;
    let number = |bytes: &[u8]| Some(u64::from(u32::from_le_bytes(bytes.try_into().ok()?)));
    Ok(table.chunks_exact(4).filter_map(number).collect())
}

/// The fragments of each frame; `None` where nothing tells them apart.
pub(super) fn frames_of_fragments(
    offsets: &[u64],
    fragments: &[Extent],
    frames: usize,
) -> Option<Vec<Vec<Extent>>> {
    if frames == 1 {
        return Some(vec![fragments.to_vec()]);
    }
    if fragments.len() == frames {
        return Some(fragments.iter().map(|one| vec![*one]).collect());
    }
    if offsets.len() != frames || fragments.is_empty() {
        return None;
    }
    // An offset is that of an item, whose head is of eight bytes.
    let first = fragments.first()?.0;
    let mut of_frames = vec![Vec::new(); frames];
    let mut frame = 0;
    for (at, length) in fragments {
        while frame + 1 < frames && at - first >= offsets[frame + 1] {
            frame += 1;
        }
        of_frames[frame].push((*at, *length));
    }
    of_frames.iter().all(|f| !f.is_empty()).then_some(of_frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_told_apart_by_their_number_or_by_the_table() {
        let fragments = [(100, 10), (118, 10), (136, 10)];
        let all = |offsets: &[u64], frames| frames_of_fragments(offsets, &fragments, frames);
        assert_eq!(all(&[], 1), Some(vec![fragments.to_vec()]));
        assert_eq!(all(&[], 3).unwrap()[2], [(136, 10)]);
        assert_eq!(
            all(&[0, 36], 2),
            Some(vec![fragments[..2].to_vec(), fragments[2..].to_vec()])
        );
        assert_eq!(all(&[], 2), None);
        assert_eq!(all(&[0, 9999], 2), None, "a frame without a fragment");
    }
}
