//! An instance in Explicit VR Little Endian, whatever it is kept in.

use crate::assemble::{FrameError, StoredFrames, read_object};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_object::DefaultDicomObject;
use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;
use std::path::Path;

/// Bytes of decoded pixel data, at most; all of it is in memory.
const MOST_DECODED: usize = 512 << 20;

/// The file of an instance, transcoded; the error is a sentence without a word of the patient.
pub(super) fn explicit_little_endian(path: &Path) -> Result<Vec<u8>, String> {
    let mut object = match StoredFrames::open(path) {
        Ok(frames) if frames.is_encapsulated() => decoded(path, &frames)?,
        Ok(_) | Err(FrameError::NoPixelData) => read(path)?,
        Err(error) => return Err(error.to_string()),
    };
    let meta = object.meta_mut();
    meta.set_transfer_syntax(&EXPLICIT_VR_LITTLE_ENDIAN);
    // The seal is of the file as it is kept.
    (
        meta.private_information_creator_uid,
        meta.private_information,
    ) = (None, None);
    meta.update_information_group_length();
    let mut bytes = Vec::new();
    object
        .write_all(&mut bytes)
        .map_err(|_| "it cannot be written anew".to_owned())?;
    Ok(bytes)
}

fn read(path: &Path) -> Result<DefaultDicomObject, String> {
    read_object(path).map_err(|_| "it cannot be read back".to_owned())
}

fn decoded(path: &Path, frames: &StoredFrames) -> Result<DefaultDicomObject, String> {
    let mut pixels: Vec<u8> = Vec::new();
    for frame in 1..=frames.count() {
        let decoded = frames.decoded(frame).map_err(|error| error.to_string())?;
        if pixels.len() + decoded.len() > MOST_DECODED {
            return Err("decoded it is larger than 512 MiB".into());
        }
        pixels.extend(decoded);
    }
    if !pixels.len().is_multiple_of(2) {
        pixels.push(0);
    }
    let mut object = read(path)?;
    let samples = object
        .get(tags::SAMPLES_PER_PIXEL)
        .and_then(|e| e.to_int::<u16>().ok());
    if samples == Some(3) {
        // What decoders give (PS3.3 section C.7.6.3.1.2).
        object.put(DataElement::new(
            tags::PHOTOMETRIC_INTERPRETATION,
            VR::CS,
            PrimitiveValue::from("RGB"),
        ));
        object.put(DataElement::new(
            tags::PLANAR_CONFIGURATION,
            VR::US,
            PrimitiveValue::from(0u16),
        ));
    }
    for tag in [
        tags::EXTENDED_OFFSET_TABLE,
        tags::EXTENDED_OFFSET_TABLE_LENGTHS,
        tags::ENCAPSULATED_PIXEL_DATA_VALUE_TOTAL_LENGTH,
    ] {
        object.remove_element(tag);
    }
    object.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OW,
        PrimitiveValue::from(pixels),
    ));
    Ok(object)
}
