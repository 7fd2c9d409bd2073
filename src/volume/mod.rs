//! Volumes on a regular grid in patient space, resampling, and NIfTI files: no DICOM, no tensors.
//!
//! Positions are millimetres in the DICOM patient coordinate system: +x to the
//! patient's left, +y to posterior, +z to the head (LPS, PS3.3 C.7.6.2.1.1).

#[cfg(test)]
mod any_geometry;
mod axis_weights;
mod components;
mod geometry;
mod in_plane;
mod label_runs;
mod label_volume;
mod nifti;
mod nifti_header;
mod nifti_voxels;
mod resample;
mod slicewise;
mod tally;
mod voxel_map;

#[cfg(test)]
use any_geometry::any_geometry;
pub use components::Components;
pub use geometry::{Geometry, Vec3, cross, dot, norm};
pub use in_plane::{InPlane, Plane};
pub use label_runs::{LabelRuns, UnevenLayer};
pub use label_volume::LabelVolume;
pub use nifti::NiftiError;
pub use resample::{Interpolation, resample_onto, resample_slice};
pub use slicewise::Slicewise;
pub use tally::{Tally, tally};
pub(crate) use voxel_map::VoxelMap;

/// A scalar image on a [`Geometry`]. CT in Hounsfield units, other modalities in their stored output units.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// Where each voxel lies in the patient.
    pub geometry: Geometry,
    /// Voxels, column index fastest: `voxels[i + columns * (j + rows * k)]`, see [`Geometry::index`].
    pub voxels: Vec<f32>,
}
