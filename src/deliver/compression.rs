//! Segmentations compressed without loss on their way, as far as their kind and the peer allow.

use super::instance::Instance;
use super::rle;
use crate::config::Compression;
use dicom_core::value::{PixelFragmentSequence, Value};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::TransferSyntaxIndex;
use dicom_object::{FileDicomObject, InMemDicomObject, OpenFileOptions};
use dicom_pixeldata::Transcode;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use flate2::write::DeflateEncoder;
use std::io::{Read, Seek, SeekFrom, Write};

/// UID of the transfer syntax.
fn transfer_syntax(compression: Compression) -> &'static str {
    match compression {
        Compression::Deflated => uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        Compression::Rle => uids::RLE_LOSSLESS,
        Compression::JpegLs => uids::JPEGLS_LOSSLESS,
    }
}

/// The transfer syntaxes a file may be compressed to, of those wanted and in their order. Only segmentations that are
/// not compressed yet; a frame of single bits has no compression of its own (PS3.5 section 8.2).
pub(super) fn targets(instance: &Instance, wanted: &[Compression]) -> Vec<String> {
    let segmentation = [
        uids::SEGMENTATION_STORAGE,
        uids::LABEL_MAP_SEGMENTATION_STORAGE,
    ];
    if wanted.is_empty()
        || !segmentation.contains(&instance.sop_class.as_str())
        || instance.transfer_syntax != uids::EXPLICIT_VR_LITTLE_ENDIAN
    {
        return Vec::new();
    }
    let whole_cells = wanted.iter().any(|&c| c != Compression::Deflated)
        && bits_allocated(instance).is_some_and(|bits| bits == 8 || bits == 16);
    wanted
        .iter()
        .filter(|&&compression| compression == Compression::Deflated || whole_cells)
        .map(|&compression| transfer_syntax(compression).to_owned())
        .collect()
}

fn bits_allocated(instance: &Instance) -> Option<u16> {
    let object = OpenFileOptions::new()
        .read_until(tags::BITS_STORED)
        .open_file(&instance.path)
        .ok()?;
    object.element(tags::BITS_ALLOCATED).ok()?.to_int().ok()
}

/// The data set of a file in a transfer syntax of [`targets`]; the error is a sentence.
pub(super) fn compressed(instance: &Instance, target: &str) -> Result<Vec<u8>, String> {
    if target == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        return deflated(instance).map_err(|error| error.to_string());
    }
    let syntax = TransferSyntaxRegistry
        .get(target)
        .ok_or("the transfer syntax is unknown")?;
    let mut object = dicom_object::open_file(&instance.path).map_err(|e| e.to_string())?;
    if target == uids::RLE_LOSSLESS {
        run_lengths(&mut object)?;
    } else {
        object.transcode(syntax).map_err(|e| e.to_string())?;
        even_fragments(&mut object);
        // An optional attribute (PS3.3 C.7.6.3) of a kind that older readers do not know; dciodvfy aborts at it.
        object.remove_element(tags::ENCAPSULATED_PIXEL_DATA_VALUE_TOTAL_LENGTH);
    }
    let mut bytes = Vec::new();
    object
        .write_dataset_with_ts(&mut bytes, syntax)
        .map_err(|e| e.to_string())?;
    Ok(bytes)
}

/// The bytes of the data set as they are, deflated (PS3.5 A.5), without reading more than a piece at a time.
fn deflated(instance: &Instance) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(&instance.path)?;
    file.seek(SeekFrom::Start(instance.data_set_offset))?;
    let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::copy(&mut file.take(instance.data_set_length), &mut encoder)?;
    encoder.flush()?;
    let mut bytes = encoder.finish()?;
    if bytes.len() % 2 == 1 {
        bytes.push(0);
    }
    Ok(bytes)
}

/// Puts the pixels of every frame into a fragment of its own.
fn run_lengths(object: &mut FileDicomObject<InMemDicomObject>) -> Result<(), String> {
    let number = |tag| -> Result<usize, String> {
        let element = object.element(tag).map_err(|e| e.to_string())?;
        element.to_int::<usize>().map_err(|e| e.to_string())
    };
    let (columns, rows) = (number(tags::COLUMNS)?, number(tags::ROWS)?);
    let (frames, cell) = (
        number(tags::NUMBER_OF_FRAMES)?,
        number(tags::BITS_ALLOCATED)? / 8,
    );
    let pixels = object
        .element(tags::PIXEL_DATA)
        .map_err(|e| e.to_string())?;
    let pixels = pixels.to_bytes().map_err(|e| e.to_string())?;
    let length = columns * rows * cell;
    if length == 0 || pixels.len() < length * frames {
        return Err("its pixels are not as many as it says".into());
    }
    let fragments: Vec<Vec<u8>> = pixels
        .chunks_exact(length)
        .take(frames)
        .map(|frame| rle::encode(frame, columns, cell))
        .collect();
    put_fragments(object, fragments);
    Ok(())
}

/// Code streams may have any length, fragments an even one (PS3.5 A.4): the transcoder leaves that undone.
fn even_fragments(object: &mut FileDicomObject<InMemDicomObject>) {
    let fragments = object.element(tags::PIXEL_DATA).ok();
    let Some(fragments) = fragments.and_then(|element| element.fragments()) else {
        return;
    };
    let even = |fragment: &Vec<u8>| {
        let mut fragment = fragment.clone();
        fragment.resize(fragment.len().next_multiple_of(2), 0);
        fragment
    };
    let fragments = fragments.iter().map(even).collect();
    put_fragments(object, fragments);
}

/// One fragment a frame, and an offset table without entries, which says just that.
fn put_fragments(object: &mut FileDicomObject<InMemDicomObject>, fragments: Vec<Vec<u8>>) {
    object.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OB,
        Value::PixelSequence(PixelFragmentSequence::new(Vec::<u32>::new(), fragments)),
    ));
}
