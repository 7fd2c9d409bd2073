//! Why a segmentation cannot be written.

use crate::volume::UnevenLayer;

/// Why a segmentation cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// No segment has a voxel: there is nothing to send.
    #[error("none of the segments was found in the series ({}): no DICOM-SEG is written", labels.join(", "))]
    NothingFound {
        /// Labels of the segments looked for.
        labels: Vec<String>,
    },
    /// The label map is not on the grid of the source series.
    #[error("the label map does not fit the source series: {0}")]
    Grid(String),
    /// A layer of the label map is too short or too long.
    #[error(transparent)]
    UnevenLayer(#[from] UnevenLayer),
    /// The list of segments does not say what the label map holds.
    #[error("the list of segments does not fit the label map: {0}")]
    Segments(String),
    /// The source lacks an attribute that no result can do without.
    #[error(
        "the source series has no {0}, without which a result has no place in the archive; have the sender fill it in"
    )]
    Source(&'static str),
    /// A label map has one segment a pixel.
    #[error("segments overlap, and a LABELMAP has one segment a pixel; write BINARY or FRACTIONAL")]
    Overlap,
    /// More pixels than one DICOM object can hold.
    #[error(
        "the segmentation would have {frames} frames and {bytes} bytes of pixels, more than one DICOM object can hold; name fewer segments in the task"
    )]
    TooLarge {
        /// Frames needed.
        frames: usize,
        /// Bytes needed.
        bytes: u64,
    },
    /// The DICOM writer failed.
    #[error("the DICOM-SEG cannot be encoded: {0}")]
    Write(String),
}
