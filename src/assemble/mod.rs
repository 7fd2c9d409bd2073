//! From the instances of a series to a [`Volume`] in Hounsfield units (or the
//! modality's own), or a sentence why not.

mod alike;
mod codestream;
mod dicom_file;
mod error;
mod frames;
mod image;
mod lone_slice;
mod modality_lut;
mod native;
mod pixel_data;
mod pixels;
mod read_series;
mod real_world_value;
mod series_files;
mod slice_header;
mod soundness;
mod stacking;
mod suv;
mod tell_apart;
mod traits;
mod volume_choice;
mod volumes;

use crate::volume::{Geometry, Volume};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

pub use dicom_file::{read_attributes, read_object};
pub use error::AssembleError;
pub use frames::{FrameError, StoredFrames};
pub use lone_slice::LoneSlice;
pub use read_series::{
    MOST_VOXELS, OpenSeries, read_grid, read_series, read_series_within, read_volume,
};
pub use series_files::{SeriesFiles, SeriesGroups, group_by_series};
pub use volume_choice::VolumeChoice;

/// A series that is one consistent stack of slices.
#[derive(Debug, Clone)]
pub struct Series {
    /// The voxels, slices ordered by their projection on the slice normal.
    pub volume: Volume,
    /// The instances the voxels came from, for referencing them in results.
    pub source: SourceSeries,
    /// What the values are: `HU`, `SUVbw`, Rescale Type, Units, or `none`.
    pub unit: String,
    /// What a person should know of how the series was read: volumes and localisers left out, tilt, units. In
    /// sentences without a word of the patient.
    pub notes: Vec<String>,
}

/// A series without its voxels: what labels of it need.
#[derive(Debug, Clone)]
pub struct SeriesGrid {
    /// Where the voxels lie.
    pub geometry: Geometry,
    /// The instances they are in.
    pub source: SourceSeries,
    /// As [`Series::notes`].
    pub notes: Vec<String>,
}

/// What a result must know of the instances it was made from.
#[derive(Debug, Clone)]
pub struct SourceSeries {
    /// Data set of the first slice without its pixel data: patient, study, frame of reference, equipment.
    pub attributes: InMemDicomObject,
    /// Instance of each slice `k` of the volume, in the volume's slice order.
    pub slices: Vec<SourceSlice>,
}

impl SourceSeries {
    /// Modality (0008,0060); empty when the source does not say.
    pub fn modality(&self) -> String {
        slice_header::text(&self.attributes, tags::MODALITY)
    }

    /// Frame of Reference UID (0020,0052); empty when the source does not say.
    pub fn frame_of_reference_uid(&self) -> String {
        slice_header::text(&self.attributes, tags::FRAME_OF_REFERENCE_UID)
    }
}

/// Where one slice of a volume came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSlice {
    /// SOP Class UID (0008,0016).
    pub sop_class_uid: String,
    /// SOP Instance UID (0008,0018).
    pub sop_instance_uid: String,
    /// Frame number (from 1) when the instance is multi-frame.
    pub frame: Option<u32>,
}
