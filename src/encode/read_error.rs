//! Why a segmentation cannot be read, or not be laid over an image.

use std::path::PathBuf;

/// Why a DICOM-SEG cannot be read, or not be laid over an image.
#[derive(Debug, thiserror::Error)]
pub enum ReadSegError {
    /// The file cannot be opened or is no DICOM file.
    #[error("{} cannot be read as DICOM: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another kind of DICOM object.
    #[error(
        "not a DICOM-SEG: its SOP class is {0}; give the segmentation, not the images it was made from"
    )]
    OtherClass(String),
    /// A kind of segmentation that is not read.
    #[error("this DICOM-SEG is of a kind that is not read: {0}")]
    Unsupported(String),
    /// The object contradicts itself or the standard.
    #[error("the DICOM-SEG is damaged: {0}")]
    Malformed(String),
    /// The frames do not say where in the patient they lie.
    #[error(
        "frame {frame} of the DICOM-SEG does not say where in the patient it lies ({missing} is missing)"
    )]
    NoPlace {
        /// Frame number, from 1.
        frame: usize,
        /// What is missing.
        missing: &'static str,
    },
    /// Nothing of the segmentation lies in the image.
    #[error("no voxel of the DICOM-SEG lies in the image: is it of another series?")]
    Outside,
    /// More segments lie over one another than are kept.
    #[error("more than {most} segments of the DICOM-SEG lie over one another")]
    TooManyLayers {
        /// The most that are kept.
        most: usize,
    },
}
