//! Why an RTSTRUCT cannot be read, or not be laid over an image.

use crate::assemble::AssembleError;

/// Why an RT Structure Set cannot be read, or its regions of interest (ROIs) not be laid over an image.
#[derive(Debug, thiserror::Error)]
pub enum ReadRtStructError {
    /// The file cannot be opened or is no DICOM file.
    #[error(transparent)]
    Unreadable(#[from] AssembleError),
    /// Another kind of DICOM object.
    #[error("not an RTSTRUCT: its SOP class is {0}")]
    OtherClass(String),
    /// The object contradicts itself or the standard.
    #[error("the RTSTRUCT is damaged: {0}")]
    Malformed(String),
    /// More than is read.
    #[error("the RTSTRUCT is too large: {0}")]
    TooLarge(String),
    /// There is no area in it.
    #[error("no ROI of the RTSTRUCT has a closed contour, so that none has a volume")]
    NoArea,
    /// A number that was asked for and is not there.
    #[error("the RTSTRUCT has no ROI {number} with a closed contour; it has {there}")]
    NoSuchRoi {
        /// The number.
        number: u16,
        /// Numbers and names of those that are there.
        there: String,
    },
    /// An ROI of other coordinates than the image's.
    #[error(
        "ROI `{roi}` lies in another frame of reference than the image; give the RTSTRUCT of this very series, or of one with the same Frame of Reference UID"
    )]
    OtherFrameOfReference {
        /// Its name.
        roi: String,
    },
    /// A contour that crosses slices.
    #[error(
        "a contour of ROI `{roi}` is not parallel to the image's slices; give the series that it was drawn on"
    )]
    NotParallel {
        /// Its name.
        roi: String,
    },
    /// A contour between two slices.
    #[error(
        "a contour of ROI `{roi}` lies {off:.2} mm from the nearest slice of the image (slices are {spacing:.2} mm apart); give the series that it was drawn on"
    )]
    OffPlane {
        /// Its name.
        roi: String,
        /// Distance from the slice, mm.
        off: f64,
        /// Between slices, mm.
        spacing: f64,
    },
    /// Nothing of it lies in the image.
    #[error("no voxel of the RTSTRUCT lies in the image: is it of another series?")]
    Outside,
    /// More ROIs lie over one another than are kept.
    #[error(
        "more than {most} ROIs of the RTSTRUCT lie over one another; take only some, by --segment NUMBER"
    )]
    TooManyLayers {
        /// The most that are kept.
        most: usize,
    },
}
