//! Data sets as files in Explicit VR Little Endian.

use crate::encode::EncodeError;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::uids;
use dicom_object::mem::InMemElement;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;
use std::io::Write;

const ITEM: Tag = Tag(0xFFFE, 0xE000);
const END_OF_ITEM: Tag = Tag(0xFFFE, 0xE00D);
const END_OF_SEQUENCE: Tag = Tag(0xFFFE, 0xE0DD);
/// Length of what ends at a delimiter (PS3.5 section 7.5).
const UNDEFINED: u32 = u32::MAX;

/// Writes a file (PS3.10 section 7): preamble, file meta information, data set.
///
/// # Errors
/// When the data set cannot be encoded or `out` fails.
pub(super) fn write_file(
    out: &mut impl Write,
    data_set: &InMemDicomObject,
    class: &str,
    sop_instance_uid: &str,
) -> Result<(), EncodeError> {
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(class)
        .media_storage_sop_instance_uid(sop_instance_uid)
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .build()
        .map_err(|e| EncodeError::Write(e.to_string()))?;
    let failed = |e: std::io::Error| EncodeError::Write(e.to_string());
    out.write_all(&[0; 128]).map_err(failed)?;
    out.write_all(b"DICM").map_err(failed)?;
    meta.write(&mut *out)
        .map_err(|e| EncodeError::Write(e.to_string()))?;
    data_set
        .write_dataset_with_ts(&mut *out, &EXPLICIT_VR_LITTLE_ENDIAN.erased())
        .map_err(|e| EncodeError::Write(e.to_string()))
}

/// One element, encoded.
///
/// # Errors
/// When it cannot be encoded.
pub(super) fn encoded(element: InMemElement) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = Vec::new();
    InMemDicomObject::from_element_iter([element])
        .write_dataset_with_ts(&mut bytes, &EXPLICIT_VR_LITTLE_ENDIAN.erased())
        .map_err(|e| EncodeError::Write(e.to_string()))?;
    Ok(bytes)
}

/// Begins a sequence, whose items come after it, each by [`write_item`], and then [`write_delimiter`].
///
/// # Errors
/// When `out` fails.
pub(super) fn write_sequence(out: &mut impl Write, tag: Tag) -> Result<(), EncodeError> {
    write_header(out, tag, VR::SQ, UNDEFINED)
}

/// Writes an item of encoded elements.
///
/// # Errors
/// When `out` fails.
pub(super) fn write_item(out: &mut impl Write, elements: &[u8]) -> Result<(), EncodeError> {
    write_marker(out, ITEM, UNDEFINED)?;
    out.write_all(elements)
        .map_err(|e| EncodeError::Write(e.to_string()))?;
    write_marker(out, END_OF_ITEM, 0)
}

/// Ends a sequence.
///
/// # Errors
/// When `out` fails.
pub(super) fn write_delimiter(out: &mut impl Write) -> Result<(), EncodeError> {
    write_marker(out, END_OF_SEQUENCE, 0)
}

fn write_marker(out: &mut impl Write, tag: Tag, length: u32) -> Result<(), EncodeError> {
    let mut marker = [0; 8];
    marker[..2].copy_from_slice(&tag.group().to_le_bytes());
    marker[2..4].copy_from_slice(&tag.element().to_le_bytes());
    marker[4..].copy_from_slice(&length.to_le_bytes());
    out.write_all(&marker)
        .map_err(|e| EncodeError::Write(e.to_string()))
}

/// Writes the header of a sequence or of an element of bytes or words, whose value comes after it (PS3.5 section 7.1.2).
///
/// # Errors
/// When `out` fails.
pub(super) fn write_header(
    out: &mut impl Write,
    tag: Tag,
    vr: VR,
    length: u32,
) -> Result<(), EncodeError> {
    let mut header = Vec::with_capacity(12);
    header.extend(tag.group().to_le_bytes());
    header.extend(tag.element().to_le_bytes());
    header.extend(vr.to_bytes());
    header.extend([0, 0]);
    header.extend(length.to_le_bytes());
    out.write_all(&header)
        .map_err(|e| EncodeError::Write(e.to_string()))
}
