//! Whether a file can be read by a library that believes it.
//!
//! dicom-object allocates what a length field claims before it reads the value, builds sequences by recursion, and
//! inflates what comes: a few bytes could take all memory, or the stack. So every file is walked once without keeping
//! anything, and refused where its lengths, its depth or its number of parts are not those of an image.

use super::dicom_file::Beginning;
use dicom_core::{Length, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::TransferSyntaxIndex;
use dicom_encoding::transfer_syntax::{Codec, TransferSyntax};
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_parser::stateful::decode::{DynStatefulDecoder, StatefulDecode};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::cell::Cell;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::rc::Rc;

/// Sequences within sequences.
const DEEPEST: usize = 32;
/// Elements and items; each takes some 200 bytes of memory, be it empty. An enhanced image of 20,000 frames has two
/// million.
const MOST_PARTS: u64 = 4_000_000;
/// Bytes of all values that are split into texts, which take up to 24 times that.
const MOST_TEXT: u64 = 64 << 20;
/// Bytes of a data set that is deflated as a whole, up to its pixel data.
const MOST_INFLATED_HEADER: u64 = 64 << 20;
/// Group of file meta information (PS3.10 section 7.1).
const FILE_META: u16 = 2;
/// File meta information is some hundred bytes.
const LARGEST_META: u32 = 1 << 20;
/// (0002,0000) UL of four bytes (PS3.10 section 7.1).
const GROUP_LENGTH: [u8; 8] = [2, 0, 0, 0, b'U', b'L', 4, 0];

const CUT_SHORT: &str = "it ends within a value, or a value claims more bytes than there are";

/// How much of a file is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Extent {
    /// Up to this element.
    Until(Tag),
    /// All of it; where the data set is deflated as a whole, no more than this many bytes of it.
    Whole { most_inflated: u64 },
}

/// Walks a file that begins so; the sentence says why it must not be read.
pub(super) fn check(file: &File, begins: &Beginning, extent: Extent) -> Result<(), String> {
    let unreadable = |error: std::io::Error| error.to_string();
    let end = file.metadata().map_err(unreadable)?.len();
    let mut file = BufReader::new(file);
    let meta_at = match begins {
        Beginning::Standard => 132,
        Beginning::NoPreamble => 4,
        Beginning::NoMagic | Beginning::Bare { .. } | Beginning::Other => 0,
    };
    file.seek(SeekFrom::Start(meta_at)).map_err(unreadable)?;
    let syntax = match begins {
        Beginning::Bare { explicit: true } => uids::EXPLICIT_VR_LITTLE_ENDIAN.to_owned(),
        Beginning::Bare { explicit: false } => uids::IMPLICIT_VR_LITTLE_ENDIAN.to_owned(),
        _ => transfer_syntax(&mut file)?,
    };
    let syntax = TransferSyntaxRegistry
        .get(&syntax)
        .ok_or("its transfer syntax is unknown")?;
    match syntax.codec() {
        Codec::Dataset(Some(adapter)) => {
            let most = match extent {
                Extent::Until(_) => MOST_INFLATED_HEADER,
                Extent::Whole { most_inflated } => most_inflated,
            };
            let inflated = Forward {
                source: adapter.adapt_reader(Box::new(file)),
                position: 0,
                most,
            };
            walk(open(inflated, syntax)?, most, extent)
        }
        // The reader says so itself.
        Codec::Dataset(None) => Ok(()),
        _ => walk(open(file, syntax)?, end, extent),
    }
}

/// Inflated bytes as they come: nothing is kept, and nobody can go back.
struct Forward<R> {
    source: R,
    position: u64,
    most: u64,
}

impl<R: Read> Read for Forward<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.position += read as u64;
        if self.position > self.most {
            let reason = format!("it inflates to more than {} MiB", self.most >> 20);
            return Err(std::io::Error::new(ErrorKind::FileTooLarge, reason));
        }
        Ok(read)
    }
}

impl<R> Seek for Forward<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        match to {
            SeekFrom::Current(0) => Ok(self.position),
            _ => Err(ErrorKind::Unsupported.into()),
        }
    }
}

/// What a source has given.
#[derive(Default)]
struct Seen {
    /// The last bytes that were read of it.
    last: Cell<[u8; 8]>,
    /// More was asked for than there is.
    has_ended: Cell<bool>,
}

/// A source, and what was seen of it.
struct Watched<R> {
    source: R,
    seen: Rc<Seen>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            self.seen.has_ended.set(true);
        }
        let mut last = self.seen.last.get();
        let new = &buffer[read.saturating_sub(last.len())..read];
        last.rotate_left(new.len());
        let kept = last.len() - new.len();
        last[kept..].copy_from_slice(new);
        self.seen.last.set(last);
        Ok(read)
    }
}

impl<R: Seek> Seek for Watched<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.source.seek(to)
    }
}

/// Whether the bytes are a delimiter of an item or a sequence that claims a length. The walk passes over it; the reader
/// takes it for an element with a value, and reads what follows out of step.
fn is_delimiter_with_length([a, b, c, d, length @ ..]: [u8; 8]) -> bool {
    let little = [a, b, c, d];
    let delimiters = [
        [0xFE, 0xFF, 0x0D, 0xE0],
        [0xFE, 0xFF, 0xDD, 0xE0],
        [0xFF, 0xFE, 0xE0, 0x0D],
        [0xFF, 0xFE, 0xE0, 0xDD],
    ];
    delimiters.contains(&little) && length != [0; 4]
}

type Walked<S> = LazyDataSetReader<DynStatefulDecoder<Watched<S>>>;

fn open<S: Read + Seek>(
    source: S,
    syntax: &TransferSyntax,
) -> Result<(Walked<S>, Rc<Seen>), String> {
    let seen = Rc::new(Seen::default());
    let watched = Watched {
        source,
        seen: Rc::clone(&seen),
    };
    let reader = LazyDataSetReader::new_with_ts(watched, syntax);
    Ok((reader.map_err(|error| error.to_string())?, seen))
}

/// Reads past the file meta information, which is as long as it says; gives the Transfer Syntax UID in it.
fn transfer_syntax(file: &mut impl Read) -> Result<String, String> {
    let no_meta = || "it has no file meta information".to_owned();
    let mut head = [0; 12];
    file.read_exact(&mut head).map_err(|_| no_meta())?;
    let (tag, length) = head.split_at(8);
    if tag != GROUP_LENGTH {
        return Err(no_meta());
    }
    let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
    if length > LARGEST_META {
        return Err(format!("its file meta information claims {length} bytes"));
    }
    let mut meta = Vec::new();
    let read = file.take(length.into()).read_to_end(&mut meta);
    if read.map_err(|_| no_meta())? < length as usize {
        return Err("it ends within its file meta information".into());
    }
    let mut found = None;
    let mut rest = meta.as_slice();
    while !rest.is_empty() {
        // The library goes on to the end of the element that the group ends in, and reads all that follows out of step.
        let (element, head_length, length) = meta_element(rest)
            .filter(|(element, ..)| element.group() == FILE_META)
            .ok_or("its file meta information does not end where it says")?;
        let value = head_length
            .checked_add(length)
            .and_then(|end| rest.get(head_length..end))
            .ok_or("its file meta information has a value longer than itself")?;
        if element == tags::TRANSFER_SYNTAX_UID {
            let text = String::from_utf8_lossy(value);
            found = Some(text.trim_end_matches(['\0', ' ']).to_owned());
        }
        rest = &rest[head_length + length..];
    }
    found.ok_or_else(|| "its file meta information names no transfer syntax".into())
}

/// Tag, length of the head, and length of the value of an element in Explicit VR Little Endian (PS3.5 section 7.1.2).
fn meta_element(bytes: &[u8]) -> Option<(Tag, usize, usize)> {
    let head = bytes.first_chunk::<8>()?;
    let tag = Tag(
        u16::from_le_bytes([head[0], head[1]]),
        u16::from_le_bytes([head[2], head[3]]),
    );
    let vr = VR::from_binary([head[4], head[5]]).unwrap_or(VR::UN);
    if is_binary(vr) || matches!(vr, VR::SQ | VR::UT | VR::UC | VR::UR) {
        let long = bytes.get(8..12)?;
        let length = u32::from_le_bytes([long[0], long[1], long[2], long[3]]);
        return Some((tag, 12, length as usize));
    }
    let length = u16::from_le_bytes([head[6], head[7]]);
    Some((tag, 8, length.into()))
}

/// Bytes of one number of a VR. The library reads whole numbers, and goes on right after the last of them, so that a
/// length between two numbers shifts all that follows.
fn unit(vr: VR) -> u32 {
    match vr {
        VR::US | VR::SS | VR::OW => 2,
        VR::AT | VR::UL | VR::SL | VR::FL | VR::OF | VR::OL => 4,
        VR::FD | VR::OD | VR::SV | VR::UV | VR::OV => 8,
        _ => 1,
    }
}

/// Whether a value is kept as the bytes it is.
fn is_binary(vr: VR) -> bool {
    matches!(
        vr,
        VR::OB | VR::OW | VR::OF | VR::OD | VR::OL | VR::OV | VR::UN
    )
}

fn walk<S>(
    (mut reader, seen): (LazyDataSetReader<S>, Rc<Seen>),
    end: u64,
    extent: Extent,
) -> Result<(), String>
where
    S: StatefulDecode,
    for<'s> &'s mut S: StatefulDecode,
{
    let (mut open, mut parts, mut text) = (Vec::new(), 0u64, 0u64);
    // The first item of pixel data holds numbers of four bytes (PS3.5 annex A.4).
    let mut in_offset_table = false;
    let broken = |error: &dyn std::error::Error| super::dicom_file::with_causes(error);
    let stops = |open: &[Part], tag: Tag| {
        open.is_empty() && matches!(extent, Extent::Until(until) if tag >= until)
    };
    while let Some(token) = reader.advance() {
        parts += 1;
        if parts > MOST_PARTS {
            return Err(format!("it has more than {MOST_PARTS} elements and items"));
        }
        match token.map_err(|error| broken(&error))? {
            LazyDataToken::SequenceStart { tag, .. } => {
                if stops(&open, tag) {
                    return Ok(());
                }
                open.push(Part::Sequence);
                if open.len() > 2 * DEEPEST {
                    return Err(format!("its sequences are nested more than {DEEPEST} deep"));
                }
            }
            LazyDataToken::PixelSequenceStart => {
                if stops(&open, tags::PIXEL_DATA) {
                    return Ok(());
                }
                open.push(Part::Sequence);
                in_offset_table = true;
            }
            LazyDataToken::ItemEnd | LazyDataToken::SequenceEnd
                if is_delimiter_with_length(seen.last.get()) =>
            {
                return Err("a delimiter claims a length".into());
            }
            LazyDataToken::ItemStart { .. } => open.push(Part::Item),
            LazyDataToken::ItemEnd => {
                in_offset_table = false;
                close(&mut open, Part::Item)?;
            }
            LazyDataToken::SequenceEnd => close(&mut open, Part::Sequence)?,
            LazyDataToken::ElementHeader(header) if stops(&open, header.tag) => return Ok(()),
            LazyDataToken::LazyValue { header, decoder } => {
                let claimed = known(header.len)?;
                let value_end = fits(decoder.position(), claimed, end)?;
                if !is_binary(header.vr) {
                    text += u64::from(claimed);
                    if text > MOST_TEXT {
                        return Err("it has more than 64 MiB of text".into());
                    }
                }
                if open.is_empty() && value_end == end {
                    // Most often the pixel data, which need not be read to be passed over.
                    return Ok(());
                }
                if !claimed.is_multiple_of(unit(header.vr)) {
                    return Err("a value ends within a number".into());
                }
                LazyDataToken::LazyValue { header, decoder }
                    .skip()
                    .map_err(|error| broken(&error))?;
                is_whole(&seen)?;
            }
            LazyDataToken::LazyItemValue { len, decoder } => {
                fits(decoder.position(), len, end)?;
                if in_offset_table && !len.is_multiple_of(4) {
                    return Err("its table of offsets ends within a number".into());
                }
                LazyDataToken::LazyItemValue { len, decoder }
                    .skip()
                    .map_err(|error| broken(&error))?;
                is_whole(&seen)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// What is open while a file is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Sequence,
    Item,
}

/// Ends what was opened last. The reader goes down at each beginning and comes up at each end, whatever it is an end of:
/// where they do not match, it is elsewhere than the walk.
fn close(open: &mut Vec<Part>, part: Part) -> Result<(), String> {
    match open.pop() {
        Some(last) if last == part => Ok(()),
        _ => Err("an item or a sequence ends that has not begun".into()),
    }
}

fn known(length: Length) -> Result<u32, String> {
    length
        .get()
        .ok_or_else(|| "a value has no length and is no sequence".into())
}

/// Whether a value that was passed over was all there. Of an inflated source only its end tells; the library passes over
/// what is not there without a word, and takes memory for it when it reads.
fn is_whole(seen: &Seen) -> Result<(), String> {
    match seen.has_ended.get() {
        true => Err(CUT_SHORT.to_owned()),
        false => Ok(()),
    }
}

/// Where a value ends.
fn fits(position: u64, claimed: u32, end: u64) -> Result<u64, String> {
    let value_end = position.saturating_add(claimed.into());
    if value_end > end {
        return Err(CUT_SHORT.to_owned());
    }
    Ok(value_end)
}
