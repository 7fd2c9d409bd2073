//! Pixels that lie in a file as they are, which most scanners send: read a frame at a time, with no copy of the others.

use super::pixel_data::{Extent, PixelData, find};
use dicom_dictionary_std::{tags, uids};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The pixel data of a file, one value in little endian.
pub(super) struct NativePixels {
    file: File,
    extent: Extent,
}

impl NativePixels {
    /// `None` where the pixels are not such, or not found: whoever reads the whole file says what is wrong with it.
    pub(super) fn open(path: &Path, transfer_syntax: &str) -> Option<Self> {
        let native = [
            uids::IMPLICIT_VR_LITTLE_ENDIAN,
            uids::EXPLICIT_VR_LITTLE_ENDIAN,
        ];
        if !native.contains(&transfer_syntax) {
            return None;
        }
        match find(path, transfer_syntax, &[tags::PIXEL_DATA]) {
            Ok(PixelData::Native(extent)) => Some(Self {
                file: File::open(path).ok()?,
                extent,
            }),
            _ => None,
        }
    }

    /// Makes `bytes` the frame (from 0), of so many; the sentence says why it cannot. Of a frame that is not there no
    /// memory is taken.
    pub(super) fn frame(
        &self,
        frame: u32,
        expected: usize,
        bytes: &mut Vec<u8>,
    ) -> Result<(), String> {
        let (at, length) = self.extent;
        let begins = u64::from(frame).saturating_mul(expected as u64);
        let there = length.saturating_sub(begins).min(expected as u64);
        if there < expected as u64 {
            return Err(format!("{there} bytes of pixels instead of {expected}"));
        }
        bytes.resize(expected, 0);
        self.file
            .read_exact_at(bytes, at + begins)
            .map_err(|error| error.to_string())
    }
}
