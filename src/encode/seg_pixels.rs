//! Pixel Data of a segmentation, whatever it is compressed by.

use super::read::{Kind, Plane};
use super::read_error::ReadSegError;
use dicom_dictionary_std::{tags, uids};
use dicom_object::DefaultDicomObject;
use dicom_pixeldata::PixelDecoder;

/// Most pixels of all frames together: 2 GiB of 8-bit pixels.
const MOST_PIXELS: u64 = 1 << 31;

/// The pixels as the object holds them, decompressed; at least as many as the frames need.
pub(super) fn pixels(
    object: &DefaultDicomObject,
    kind: Kind,
    plane: &Plane,
    frames: usize,
) -> Result<Vec<u8>, ReadSegError> {
    let count = (plane.columns as u64)
        .checked_mul(plane.rows as u64)
        .and_then(|n| n.checked_mul(frames as u64))
        .filter(|&n| n <= MOST_PIXELS)
        .ok_or_else(|| ReadSegError::Unsupported("more than 2^31 pixels".into()))?;
    let needed = match kind {
        Kind::Bits => count.div_ceil(8),
        Kind::Fraction(_) | Kind::Labels8 => count,
        Kind::Labels16 => count * 2,
    };
    let element = object
        .element(tags::PIXEL_DATA)
        .map_err(|_| ReadSegError::Malformed("it has no Pixel Data".into()))?;
    let pixels = if element.fragments().is_none() {
        element
            .to_bytes()
            .map_err(|e| ReadSegError::Malformed(format!("its Pixel Data: {e}")))?
            .into_owned()
    } else if kind == Kind::Bits {
        packed_bits(object, frames, plane.columns * plane.rows)?
    } else {
        object
            .decode_pixel_data()
            .map_err(|e| ReadSegError::Malformed(format!("its compressed Pixel Data: {e}")))?
            .data()
            .to_vec()
    };
    if (pixels.len() as u64) < needed {
        return Err(ReadSegError::Malformed(format!(
            "its {frames} frames need {needed} bytes of pixels and it has {}",
            pixels.len()
        )));
    }
    Ok(pixels)
}

/// The bits of compressed frames, one after another without a gap, as uncompressed Pixel Data has them (PS3.5 8.2).
fn packed_bits(
    object: &DefaultDicomObject,
    frames: usize,
    per_frame: usize,
) -> Result<Vec<u8>, ReadSegError> {
    if object.meta().transfer_syntax() != uids::DEFLATED_IMAGE_FRAME_COMPRESSION {
        return Err(ReadSegError::Unsupported(
            "BINARY with compressed pixels; export it as Explicit VR Little Endian".into(),
        ));
    }
    let mut bits = vec![0u8; (frames * per_frame).div_ceil(8)];
    for frame in 0..frames {
        let damaged =
            |why: String| ReadSegError::Malformed(format!("its frame {}: {why}", frame + 1));
        let decoded = object
            .decode_pixel_data_frame(frame as u32)
            .map_err(|e| damaged(e.to_string()))?;
        let data = decoded.data();
        if data.len() < per_frame.div_ceil(8) {
            return Err(damaged("it ends before its last pixel".into()));
        }
        for pixel in (0..per_frame).filter(|pixel| data[pixel / 8] >> (pixel % 8) & 1 == 1) {
            let at = frame * per_frame + pixel;
            bits[at / 8] |= 1 << (at % 8);
        }
    }
    Ok(bits)
}
