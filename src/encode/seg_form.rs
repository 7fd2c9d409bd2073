//! How a segmentation is written: one of the three Segmentation Types (PS3.3 C.8.20.2.3).

use std::fmt;

use dicom_dictionary_std::uids;
use serde::{Deserialize, Serialize};

/// Segmentation Type (0062,0001).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentationType {
    /// A bit a pixel, a frame for each segment on each slice: what every viewer reads.
    #[default]
    Binary,
    /// How likely each pixel is in the segment, 0 to 255; frames as of BINARY.
    Fractional,
    /// The number of its segment for each pixel, a frame a slice (Supplement 243); segments cannot overlap.
    Labelmap,
}

impl SegmentationType {
    /// The word of a rule and of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Fractional => "fractional",
            Self::Labelmap => "labelmap",
        }
    }
}

impl SegmentationType {
    /// SOP Class UID of such an object.
    pub fn sop_class_uid(self) -> &'static str {
        match self {
            Self::Binary | Self::Fractional => uids::SEGMENTATION_STORAGE,
            Self::Labelmap => uids::LABEL_MAP_SEGMENTATION_STORAGE,
        }
    }
}

impl fmt::Display for SegmentationType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Fills a slice with the probability of a segment: called with the segment's number in the label volume, the slice
/// `k`, and one value a pixel to fill in, 255 for certain, column index fastest.
pub type Fractions<'f> = &'f (dyn Fn(u16, usize, &mut [u8]) + Sync);

/// What goes into the pixels.
#[derive(Clone, Copy)]
pub enum SegForm<'f> {
    /// Whether a pixel is in.
    Binary,
    /// How likely it is in.
    Fractional(Fractions<'f>),
    /// Which segment it is in.
    Labelmap,
}

impl fmt::Debug for SegForm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.segmentation_type().name())
    }
}

impl SegForm<'_> {
    /// Its Segmentation Type.
    pub fn segmentation_type(&self) -> SegmentationType {
        match self {
            Self::Binary => SegmentationType::Binary,
            Self::Fractional(_) => SegmentationType::Fractional,
            Self::Labelmap => SegmentationType::Labelmap,
        }
    }
}
