//! The reference library: image-label pairs and the task embeddings computed from them, once.

mod embeddings;
mod error;
mod library;
mod loaded;
mod place;
mod reference;
mod rehearsal;
mod storage;
mod task;
mod tuned;

pub use embeddings::EmbeddingState;
pub use error::TaskError;
pub use library::TaskLibrary;
pub use loaded::{EmbeddedReference, LoadedTask};
pub use place::{Place, PlacedSegment, Sums};
pub use reference::{Reference, Selection, body, masks};
pub use rehearsal::{Fold, Rehearsal};
pub use task::{Task, TaskReference, TaskSegment, same_name};
