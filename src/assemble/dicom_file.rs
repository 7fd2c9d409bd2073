//! Opening what may be a DICOM file, with or without preamble and file meta.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use dicom_core::Tag;
use dicom_dictionary_std::uids;
use dicom_encoding::TransferSyntaxIndex;
use dicom_object::file::ReadPreamble;
use dicom_object::{DefaultDicomObject, FileMetaTableBuilder, InMemDicomObject, OpenFileOptions};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use super::AssembleError;
use super::soundness::{self, Extent};

/// Everything from here on is pixel data.
const PIXEL_DATA_GROUP: Tag = Tag(0x7FE0, 0x0000);

/// Bytes of a data set that is deflated as a whole, when nobody knows how large it should be: a segmentation of many
/// segments has so many.
const MOST_INFLATED: u64 = 512 << 20;
/// Bytes of a header, private elements and per-frame groups included.
const LARGE_HEADER: u64 = 64 << 20;
/// Bytes of a pixel: 64 bits.
const WIDEST_PIXEL: u64 = 8;

/// How a file begins.
pub(super) enum Beginning {
    /// Preamble, `DICM`, file meta (PS3.10).
    Standard,
    /// `DICM` and file meta.
    NoPreamble,
    /// File meta at once.
    NoMagic,
    /// A data set without file meta, in explicit or implicit VR little endian.
    Bare { explicit: bool },
    /// Something else.
    Other,
}

fn beginning(bytes: &[u8]) -> Beginning {
    if bytes.get(128..132) == Some(b"DICM") {
        return Beginning::Standard;
    }
    if bytes.starts_with(b"DICM") {
        return Beginning::NoPreamble;
    }
    let Some(&[group, 0, element, 0, vr0, vr1, ..]) = bytes.get(..8) else {
        return Beginning::Other;
    };
    let explicit = vr0.is_ascii_uppercase() && vr1.is_ascii_uppercase();
    match (group, element) {
        (2, 0..=3) if explicit => Beginning::NoMagic,
        // Group length to Instance Creator: what a data set can begin with.
        (8, 0..=0x20) => Beginning::Bare { explicit },
        _ => Beginning::Other,
    }
}

/// Reads all of a file but its pixel data. `None` when it is not DICOM at all.
pub(super) fn read_header(path: &Path) -> Result<Option<DefaultDicomObject>, AssembleError> {
    read(path, Extent::Until(PIXEL_DATA_GROUP))
}

/// The data set of a DICOM file up to its pixel data, for looking at attributes.
///
/// # Errors
/// When the file cannot be read, or is not DICOM.
pub fn read_attributes(path: &Path) -> Result<InMemDicomObject, AssembleError> {
    read_header(path)?
        .map(DefaultDicomObject::into_inner)
        .ok_or_else(|| AssembleError::NotDicom { path: path.into() })
}

/// Reads a whole file, with or without preamble and file meta.
///
/// # Errors
/// When the file cannot be read, or is not DICOM.
pub fn read_object(path: &Path) -> Result<DefaultDicomObject, AssembleError> {
    read_whole(path, MOST_INFLATED)
}

/// [`read_object`] of an image: one that is deflated as a whole has no more bytes than its pixels and a large header.
pub(super) fn read_image(path: &Path, pixels: u64) -> Result<DefaultDicomObject, AssembleError> {
    read_whole(
        path,
        pixels
            .saturating_mul(WIDEST_PIXEL)
            .saturating_add(LARGE_HEADER),
    )
}

fn read_whole(path: &Path, most_inflated: u64) -> Result<DefaultDicomObject, AssembleError> {
    read(path, Extent::Whole { most_inflated })?
        .ok_or_else(|| AssembleError::NotDicom { path: path.into() })
}

/// Reads what can be read. The parser trusts that items stand in sequences, and panics where they do not: that is a file
/// that cannot be read, and no more.
fn read(path: &Path, extent: Extent) -> Result<Option<DefaultDicomObject>, AssembleError> {
    catch_unwind(AssertUnwindSafe(|| read_trusting(path, extent))).unwrap_or_else(|_| {
        Err(AssembleError::Unreadable {
            path: path.into(),
            reason: "its elements and items contradict each other".into(),
        })
    })
}

fn read_trusting(path: &Path, extent: Extent) -> Result<Option<DefaultDicomObject>, AssembleError> {
    let unreadable = |reason: String| AssembleError::Unreadable {
        path: path.into(),
        reason,
    };
    let mut file = File::open(path).map_err(|e| unreadable(e.to_string()))?;
    let mut start = Vec::with_capacity(132);
    let begun = file.by_ref().take(132).read_to_end(&mut start);
    begun
        .and_then(|_| file.rewind())
        .map_err(|e| unreadable(e.to_string()))?;
    let options = |preamble| {
        let options = OpenFileOptions::new().read_preamble(preamble);
        match extent {
            Extent::Until(tag) => options.read_until(tag),
            Extent::Whole { .. } => options,
        }
    };
    let begins = beginning(&start);
    if matches!(begins, Beginning::Other) {
        return Ok(None);
    }
    soundness::check(&file, &begins, extent).map_err(unreadable)?;
    file.rewind().map_err(|e| unreadable(e.to_string()))?;
    let object = match begins {
        Beginning::Other => return Ok(None),
        Beginning::Standard => options(ReadPreamble::Always).from_reader(BufReader::new(file)),
        Beginning::NoPreamble => options(ReadPreamble::Never).from_reader(BufReader::new(file)),
        Beginning::NoMagic => {
            let with_magic = Cursor::new(b"DICM").chain(BufReader::new(file));
            options(ReadPreamble::Never).from_reader(with_magic)
        }
        Beginning::Bare { explicit } => {
            let uid = if explicit {
                uids::EXPLICIT_VR_LITTLE_ENDIAN
            } else {
                uids::IMPLICIT_VR_LITTLE_ENDIAN
            };
            return bare(file, uid).map(Some).map_err(unreadable);
        }
    };
    object.map(Some).map_err(|e| unreadable(with_causes(&e)))
}

fn bare(file: File, transfer_syntax: &str) -> Result<DefaultDicomObject, String> {
    let syntax = TransferSyntaxRegistry
        .get(transfer_syntax)
        .ok_or("its transfer syntax is unknown")?;
    let object = InMemDicomObject::read_dataset_with_ts(BufReader::new(file), syntax)
        .map_err(|e| with_causes(&e))?;
    object
        .with_meta(FileMetaTableBuilder::new().transfer_syntax(transfer_syntax))
        .map_err(|e| with_causes(&e))
}

/// Transfer Syntax UID of a file, without its padding.
pub(super) fn transfer_syntax(object: &DefaultDicomObject) -> String {
    let uid = object.meta().transfer_syntax();
    uid.trim_end_matches(['\0', ' ']).to_owned()
}

/// An error and what it came from, in one sentence.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        sentence = format!("{sentence}: {error}");
        cause = error.source();
    }
    sentence
}
