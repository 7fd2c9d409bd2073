//! What an instance says of itself, read without trusting its lengths.
//!
//! dicom-object allocates what a length field claims before it reads the value,
//! so a few bytes could ask for gigabytes. Here the elements before the pixel
//! data are walked lazily: a value is only ever allocated when it is short and
//! wanted, and one that claims more bytes than the file has ends the reading.

use super::columns::{INSTANCE, SERIES, STUDY};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_encoding::TransferSyntaxIndex;
use dicom_encoding::transfer_syntax::Codec;
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_parser::stateful::decode::StatefulDecode;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Bytes inflated of a deflated data set; what we want stands at its beginning.
const MOST_INFLATED: u64 = 16 << 20;
/// No UID, modality or code string we want is longer.
const LONGEST_VALUE: u32 = 256;
/// No text of the catalogue is longer: a name has three groups of 64 characters, of up to four bytes.
const LONGEST_TEXT: u32 = 1024;
/// Bytes of a value as it is kept, in UTF-8. More is no text: numbers are written out, and one of eight bytes may have
/// three hundred digits.
const LONGEST_KEPT: usize = 4 * LONGEST_TEXT as usize;
/// Sequences within sequences; deeper ones are an attack on the stack of whoever reads them.
const DEEPEST: usize = 32;

/// Attributes of the top level that say what an instance is, and first in which letters: the decoder takes to the
/// character set when its value is read, and texts after it would be other words without.
const IDENTITY: [Tag; 6] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::MODALITY,
];

/// How long a value of the attribute may be to be kept; `None` where it is not wanted.
fn longest(tag: Tag) -> Option<u32> {
    if IDENTITY.contains(&tag) {
        return Some(LONGEST_VALUE);
    }
    let catalogued = [STUDY.as_slice(), &SERIES, &INSTANCE];
    let mut columns = catalogued.into_iter().flatten();
    columns
        .any(|(wanted, _)| *wanted == tag)
        .then_some(LONGEST_TEXT)
}

/// The attributes found, without padding. `Err` says what is wrong with the data set.
///
/// The parser panics where an item stands in no sequence: that is a data set that cannot be read, and no more.
pub fn read_header(
    path: &Path,
    offset: u64,
    transfer_syntax: &str,
) -> Result<BTreeMap<Tag, String>, String> {
    catch_unwind(AssertUnwindSafe(|| read(path, offset, transfer_syntax)))
        .unwrap_or_else(|_| Err("its elements and items contradict each other".into()))
}

fn read(path: &Path, offset: u64, transfer_syntax: &str) -> Result<BTreeMap<Tag, String>, String> {
    let syntax = TransferSyntaxRegistry
        .get(transfer_syntax)
        .ok_or("its transfer syntax is unknown")?;
    let unreadable = |_| "it cannot be read back".to_owned();
    let mut file = File::open(path).map_err(unreadable)?;
    let end = file.metadata().map_err(unreadable)?.len();
    file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
    match syntax.codec() {
        Codec::Dataset(Some(adapter)) => {
            let mut inflated = Vec::new();
            adapter
                .adapt_reader(Box::new(BufReader::new(file)))
                .take(MOST_INFLATED)
                .read_to_end(&mut inflated)
                .map_err(|_| "it cannot be inflated".to_owned())?;
            // Of what was not inflated nobody knows how long it is.
            let end = match inflated.len() as u64 {
                MOST_INFLATED => u64::MAX,
                end => end,
            };
            let reader = LazyDataSetReader::new_with_ts(Cursor::new(inflated), syntax);
            walk(reader.map_err(|e| e.to_string())?, end)
        }
        Codec::Dataset(None) => Err("its transfer syntax cannot be read".into()),
        _ => {
            let reader = LazyDataSetReader::new_with_ts(BufReader::new(file), syntax);
            walk(reader.map_err(|e| e.to_string())?, end)
        }
    }
}

/// Walks a data set that ends at position `end` of its source up to its pixel data.
///
/// Skipping past the end is no error to the reader, so each length is held
/// against what is left: a data set cut short must not pass for a whole one.
fn walk<S>(mut reader: LazyDataSetReader<S>, end: u64) -> Result<BTreeMap<Tag, String>, String>
where
    S: StatefulDecode,
    for<'s> &'s mut S: StatefulDecode,
{
    let broken = || "it is no data set in the negotiated transfer syntax".to_owned();
    let mut found = BTreeMap::new();
    let mut depth = 0usize;
    let mut last = Tag(0, 0);
    while let Some(token) = reader.advance() {
        match token.map_err(|_| broken())? {
            LazyDataToken::SequenceStart { tag, .. } => {
                depth += 1;
                if depth > DEEPEST {
                    return Err(format!("its sequences are nested more than {DEEPEST} deep"));
                }
                if depth == 1 {
                    last = in_order(last, tag).ok_or_else(broken)?;
                }
            }
            LazyDataToken::SequenceEnd => depth = depth.saturating_sub(1),
            LazyDataToken::PixelSequenceStart => break,
            LazyDataToken::ElementHeader(header) if depth == 0 => {
                last = in_order(last, header.tag).ok_or_else(broken)?;
                let has_value = header.len.get().is_some_and(|length| length > 0);
                if last >= tags::PIXEL_DATA && !has_value {
                    return Ok(found);
                }
            }
            LazyDataToken::LazyValue { header, decoder } => {
                let claimed = header.len.get().ok_or_else(broken)?;
                let is_cut = decoder.position().saturating_add(claimed.into()) > end;
                if depth == 0 && header.tag >= tags::PIXEL_DATA {
                    return match is_cut {
                        true => Err("its pixel data is cut short".into()),
                        false => Ok(found),
                    };
                }
                if is_cut {
                    return Err("a value claims more bytes than came".into());
                }
                if depth == 0 && longest(header.tag).is_some_and(|most| claimed <= most) {
                    let value = LazyDataToken::LazyValue { header, decoder }
                        .into_value()
                        .map_err(|_| broken())?;
                    let text = value.to_str().trim_matches(['\0', ' ']).to_owned();
                    if !text.is_empty() && text.len() <= LONGEST_KEPT {
                        found.insert(header.tag, text);
                    }
                } else {
                    LazyDataToken::LazyValue { header, decoder }
                        .skip()
                        .map_err(|_| broken())?;
                }
            }
            LazyDataToken::LazyItemValue { len, decoder } => {
                if decoder.position().saturating_add(len.into()) > end {
                    return Err("an item claims more bytes than came".into());
                }
                LazyDataToken::LazyItemValue { len, decoder }
                    .skip()
                    .map_err(|_| broken())?;
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Elements stand in ascending order (PS3.5 section 7.1); text taken for a data set does not.
fn in_order(last: Tag, tag: Tag) -> Option<Tag> {
    (tag > last).then_some(tag)
}
