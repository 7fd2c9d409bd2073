//! A task as the network uses it: the embedding of each reference, and what they make together.

use tch::Tensor;

use super::{Place, PlacedSegment};
use crate::iris::{EmbeddingError, TaskEmbedding};
use crate::terminology::SegmentDescription;

/// A task ready to be run.
#[derive(Debug)]
pub struct LoadedTask {
    /// Its name.
    pub name: String,
    /// Version of `embedding`: that of the task, or one of its own where the task was tuned.
    pub version: String,
    /// [`Task::version`](super::Task::version): the version of whatever tuning has no part in.
    pub untuned_version: String,
    /// Whether a voxel belongs to one of its segments at most.
    pub exclusive: bool,
    /// Its segments, one for each class of the embedding.
    pub segments: Vec<SegmentDescription>,
    /// Whether each segment is one piece in the patient ([`Task::in_one_piece`](super::Task::in_one_piece)). A result
    /// keeps one part of it.
    pub in_one_piece: Vec<bool>,
    /// Its references, in the order they were added; every segment is in one at least.
    pub references: Vec<EmbeddedReference>,
    /// What tuning made of the references' mean, or that mean ([`LoadedTask::ensemble`]) where the task was not
    /// tuned: `[K, m+1, C]`.
    pub embedding: TaskEmbedding,
}

/// A reference as embeddings.
#[derive(Debug)]
pub struct EmbeddedReference {
    /// [`TaskReference::hash`](super::TaskReference::hash).
    pub hash: String,
    /// Numbers (from 1) of the segments that it shows: the rows of `embedding`.
    pub shown: Vec<u16>,
    /// Embeddings of those segments, `[k, m+1, C]`.
    pub embedding: TaskEmbedding,
    /// The embedding of its whole body as one class, `[1, m+1, C]`: what image-level retrieval compares.
    pub body: TaskEmbedding,
    /// Volume of each segment of the task, ml; `None` where it is not shown or reaches the edge of the scan, so
    /// that a part of it may be missing.
    pub whole_ml: Vec<Option<f64>>,
    /// Where each segment is that it shows; empty where that is not known.
    pub places: Vec<PlacedSegment>,
}

impl EmbeddedReference {
    /// Where the segment of that number is, if that is known.
    pub fn place(&self, number: u16) -> Option<Place> {
        let placed = self.places.iter().find(|placed| placed.segment == number)?;
        Some(placed.place)
    }

    /// The embedding `[m+1, C]` of the segment of that number; `None` when the reference does not show it.
    pub fn of_segment(&self, number: u16) -> Option<Tensor> {
        let row = self.shown.iter().position(|&shown| shown == number)?;
        Some(self.embedding.tensor().get(row as i64))
    }
}

impl LoadedTask {
    /// The mean of the references' embeddings (the paper's context ensemble), segment by segment over those that
    /// show it: `[K, m+1, C]`.
    ///
    /// # Errors
    /// When a segment is in no reference, which no task of a library is.
    pub fn ensemble(&self) -> Result<TaskEmbedding, EmbeddingError> {
        mean(&self.references, self.segments.len())
    }
}

/// [`LoadedTask::ensemble`] of `segments` segments.
pub(super) fn mean(
    references: &[EmbeddedReference],
    segments: usize,
) -> Result<TaskEmbedding, EmbeddingError> {
    let weights = references.first().ok_or(EmbeddingError::Empty)?;
    let mut classes = Vec::with_capacity(segments);
    for number in (1u16..).take(segments) {
        let shown: Vec<Tensor> = references
            .iter()
            .filter_map(|reference| reference.of_segment(number))
            .collect();
        if shown.is_empty() {
            return Err(EmbeddingError::Empty);
        }
        classes.push(Tensor::stack(&shown, 0).mean_dim([0i64].as_slice(), false, None));
    }
    TaskEmbedding::new(
        &Tensor::stack(&classes, 0),
        weights.embedding.weights_hash(),
    )
}
