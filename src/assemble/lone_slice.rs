//! One slice by itself, before anybody knows the series that it is of.

use std::path::Path;

use super::AssembleError;
use super::dicom_file::{read_header, transfer_syntax};
use super::image::Image;
use super::slice_header::{SliceHeader, slices_of};
use super::stacking::right_handed;
use crate::volume::Geometry;

/// Most voxels of such a slice: 4096 × 4096. It is decoded before anybody knows whether its series is one that can be.
const MOST_VOXELS: usize = 1 << 24;

/// A file that is one slice, whose voxels hang on nothing but the file.
pub struct LoneSlice<'f> {
    path: &'f Path,
    header: SliceHeader,
    transfer_syntax: String,
    geometry: Geometry,
}

impl<'f> LoneSlice<'f> {
    /// Looks at the header of a file. `None` where it is not one slice, or a very large one, or of PET: whether its voxels
    /// are SUV hangs on every other slice of the series.
    ///
    /// # Errors
    /// When the file cannot be read, or its header says of no slice where it lies.
    pub fn of(path: &'f Path) -> Result<Option<Self>, AssembleError> {
        let Some(object) = read_header(path)? else {
            return Ok(None);
        };
        let mut slices = slices_of(0, &object)?;
        let header = match (slices.pop(), slices.is_empty()) {
            (Some(header), true) if header.suv.is_none() => header,
            _ => return Ok(None),
        };
        let [columns, rows] = header.size;
        let axes = right_handed(header.orientation);
        let Some(direction) = axes.filter(|_| columns * rows <= MOST_VOXELS) else {
            return Ok(None);
        };
        let geometry = Geometry {
            size: [columns, rows, 1],
            spacing: [header.spacing[0], header.spacing[1], 1.0],
            direction,
            origin: header.position,
        };
        let is_believable = geometry.beyond_patients().is_none();
        Ok(is_believable.then(|| Self {
            path,
            transfer_syntax: transfer_syntax(&object),
            header,
            geometry,
        }))
    }

    /// Where its voxels lie, as a grid of one slice; how thick it is nobody knows, and 1 mm is said.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Its voxels in modality values, what is padding no number: those that [`super::OpenSeries::each_slice`] has for it.
    ///
    /// # Errors
    /// When the pixels cannot be decoded.
    pub fn voxels(&self) -> Result<Vec<f32>, AssembleError> {
        let image = Image::open(self.path, &self.transfer_syntax, self.header.size, 1)?;
        let mut voxels = Vec::new();
        image.decode(&self.header, || {
            voxels.resize(self.geometry.len(), 0.0);
            &mut voxels
        })?;
        Ok(voxels)
    }
}
