//! Why a volume could not be segmented.

use crate::iris::{EmbeddingError, InferenceError};
use crate::preprocess::PreprocessError;

/// Why a volume could not be segmented.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// No task was asked for.
    #[error("no task was given; name at least one")]
    NoTask,
    /// More segments than label numbers.
    #[error("the tasks have {0} segments together; at most 65535 fit into one result")]
    TooManySegments(usize),
    /// The volume cannot be brought to the network's grid.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// The network failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// The tasks' embeddings do not go together.
    #[error("tasks {tasks} cannot run in one pass: {source}")]
    Embedding {
        /// Names of the tasks.
        tasks: String,
        /// Why.
        source: EmbeddingError,
    },
    /// libtorch failed outside the network.
    #[error("libtorch failed: {0}")]
    Torch(#[from] tch::TchError),
}
