//! A file whose slices are decoded.

use std::path::Path;

use dicom_object::DefaultDicomObject;

use super::AssembleError;
use super::dicom_file::read_image;
use super::native::NativePixels;
use super::pixels;
use super::slice_header::SliceHeader;

/// A file's pixels, to be decoded slice by slice.
pub(super) enum Image<'f> {
    /// They lie in it as they are; and its transfer syntax.
    Native(NativePixels, &'f str),
    /// All of the file, in memory.
    Whole(Box<DefaultDicomObject>),
}

impl<'f> Image<'f> {
    /// Opens a file of so many frames of that size (columns, rows).
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn open(
        path: &Path,
        transfer_syntax: &'f str,
        [columns, rows]: [usize; 2],
        frames: usize,
    ) -> Result<Self, AssembleError> {
        if let Some(pixels) = NativePixels::open(path, transfer_syntax) {
            return Ok(Self::Native(pixels, transfer_syntax));
        }
        let pixels = (columns * rows).saturating_mul(frames);
        let object = read_image(path, pixels as u64)?;
        Ok(Self::Whole(Box::new(object)))
    }

    /// Fills the `room` for a slice.
    ///
    /// # Errors
    /// When its pixels are not there, or cannot be decoded.
    pub(super) fn decode<'v>(
        &self,
        slice: &SliceHeader,
        room: impl FnOnce() -> &'v mut [f32],
    ) -> Result<(), AssembleError> {
        match self {
            Self::Native(pixels, syntax) => pixels::read(pixels, syntax, slice, room),
            Self::Whole(object) => pixels::decode(object, slice, room),
        }
    }
}
