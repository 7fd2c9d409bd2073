//! The reference library: image-label pairs and the task embeddings computed from them, once.

mod embeddings;
mod error;
mod library;
mod reference;
mod storage;
mod task;
mod tuned;

pub use embeddings::{EmbeddingState, LoadedTask};
pub use error::TaskError;
pub use library::TaskLibrary;
pub use reference::{Reference, Selection, masks};
pub use task::{Task, TaskReference, TaskSegment, same_name};
