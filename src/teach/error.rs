//! Why labels do not teach, in words for the person who sent them.

use crate::archive::ArchiveError;
use crate::assemble::AssembleError;
use crate::encode::LabelsError;
use crate::tasks::TaskError;

/// Why labels do not teach.
#[derive(Debug, thiserror::Error)]
pub enum TeachError {
    /// The labels cannot be read, or do not fit the images.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// The images are no volume.
    #[error("the images cannot be used: {0}")]
    Images(#[from] AssembleError),
    /// The images that the labels name are in no one volume of the series.
    #[error("the images that the labels name are not all in one volume of their series")]
    NotOneVolume,
    /// There is nothing in them.
    #[error("the labels are empty: no voxel of the images is in a segment")]
    Empty,
    /// The labels are not held any more.
    #[error("the labels are not in the archive any more; send them again")]
    LabelsGone,
    /// The images are not held any more, or not yet.
    #[error("the images that the labels were drawn on are not in the archive; send them again")]
    ImagesGone,
    /// There is no proposal of this number.
    #[error("there is no proposal {0}")]
    NoSuchProposal(i64),
    /// A proposal that is not waiting for a decision.
    #[error("proposal {id} is {state}: there is nothing to approve")]
    NotProposed {
        /// Its number.
        id: i64,
        /// Its state.
        state: String,
    },
    /// What was kept of a proposal cannot be read.
    #[error(
        "what was found of proposal {0} cannot be read; `irisnode teach retry` looks at it again"
    )]
    Damaged(i64),
    /// The task library.
    #[error(transparent)]
    Task(#[from] Box<TaskError>),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A thread that read files ended before its time.
    #[error("reading labels and images failed")]
    Failed,
}

impl From<TaskError> for TeachError {
    fn from(error: TaskError) -> Self {
        Self::Task(Box::new(error))
    }
}
