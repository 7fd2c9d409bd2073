//! Task embeddings: computed once for a reference and a set of weights, then read.

use tch::Tensor;

use super::loaded::mean;
use super::reference::{body, masks};
use super::storage::TaskFolder;
use super::tuned::tuned;
use super::{EmbeddedReference, LoadedTask, Task, TaskError, TaskLibrary, TaskReference};
use crate::iris::{EmbeddingError, Iris, TaskEmbedding};
use crate::preprocess::{self, NetworkInput};
use crate::volume::LabelVolume;

/// The hash of weights that were never saved; embeddings of them cannot be told apart, so none is kept.
const UNTRAINED: &str = "untrained";

/// Whether a reference's embedding is at hand for some weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingState {
    /// It is kept and will be read.
    Ready,
    /// It will be computed when the task is first loaded with these weights.
    Missing,
}

impl TaskLibrary {
    /// Loads a task for a network. Embeddings that are not kept for its weights are computed and kept. Where the
    /// task was tuned for these weights and references, its embedding is the tuned one.
    ///
    /// # Errors
    /// When the task is unknown or damaged, a segment is in none of the references, or the network fails.
    pub fn load(&self, name: &str, iris: &Iris) -> Result<LoadedTask, TaskError> {
        let folder = self.existing(name)?;
        let task = folder.read()?;
        tuned(untuned(&folder, &task, iris)?, &folder, &task, iris)
    }

    /// For each reference of a task, whether its embedding by the weights of that hash is kept.
    ///
    /// # Errors
    /// When the task is unknown or damaged.
    pub fn embedding_states(
        &self,
        name: &str,
        weights_hash: &str,
    ) -> Result<Vec<EmbeddingState>, TaskError> {
        let folder = self.existing(name)?;
        let task = folder.read()?;
        let state = |reference: &TaskReference| {
            if folder
                .embedding_path(&file_name(reference, weights_hash))
                .is_file()
            {
                EmbeddingState::Ready
            } else {
                EmbeddingState::Missing
            }
        };
        Ok(task.references.iter().map(state).collect())
    }
}

/// The task with the mean of its references' embeddings.
pub(super) fn untuned(
    folder: &TaskFolder,
    task: &Task,
    iris: &Iris,
) -> Result<LoadedTask, TaskError> {
    let references = task
        .references
        .iter()
        .map(|reference| embedded(folder, task, reference, iris))
        .collect::<Result<Vec<_>, _>>()?;
    loaded(task, references)
}

/// The task with these references in place of its own.
pub(super) fn loaded(
    task: &Task,
    references: Vec<EmbeddedReference>,
) -> Result<LoadedTask, TaskError> {
    for (segment, number) in task.segments.iter().zip(1u16..) {
        if !references.iter().any(|r| r.shown.contains(&number)) {
            return Err(TaskError::NoReference {
                task: task.name.clone(),
                segment: segment.description.label.clone(),
            });
        }
    }
    let embedding = mean(&references, task.segments.len()).map_err(of_task(task))?;
    Ok(LoadedTask {
        version: task.version(),
        untuned_version: task.version(),
        name: task.name.clone(),
        exclusive: task.exclusive,
        segments: task
            .segments
            .iter()
            .map(|segment| segment.description.clone())
            .collect(),
        in_one_piece: task.in_one_piece(),
        references,
        embedding,
    })
}

/// Numbers of the segments that a reference shows.
pub(super) fn shown(reference: &TaskReference) -> Vec<u16> {
    let numbered = reference.voxels.iter().zip(1u16..);
    numbered
        .filter(|(voxels, _)| **voxels > 0)
        .map(|(_, number)| number)
        .collect()
}

fn file_name(reference: &TaskReference, weights_hash: &str) -> String {
    embedding_name(reference.folder(), weights_hash)
}

/// The file of an embedding: what it stands for, the weights and the preprocessing that made it.
pub(super) fn embedding_name(what: &str, weights_hash: &str) -> String {
    let weights = weights_hash.get(..16).unwrap_or(weights_hash);
    format!("{what}-{weights}-p{}.safetensors", preprocess::VERSION)
}

/// A reference as the network sees it: its input, and masks `[k, D, H, W]` of the segments it shows.
pub(super) fn reference_input(
    folder: &TaskFolder,
    reference: &TaskReference,
    shown: &[u16],
    iris: &Iris,
) -> Result<(NetworkInput, Tensor), TaskError> {
    let (input, labels) = network_image(folder, reference, iris)?;
    let masks = masks(&labels, shown, &input.geometry)?;
    Ok((input, masks))
}

/// A reference's image as the network sees it, and its labels as they are kept.
fn network_image(
    folder: &TaskFolder,
    reference: &TaskReference,
    iris: &Iris,
) -> Result<(NetworkInput, LabelVolume), TaskError> {
    let (image, labels) = folder.read_reference(reference.folder())?;
    let input = preprocess::network_input(&image, &reference.modality, iris.config().spacing_mm)?;
    Ok((input, labels))
}

/// A reference with its embeddings: those that are kept are read, others computed and kept.
fn embedded(
    folder: &TaskFolder,
    task: &Task,
    reference: &TaskReference,
    iris: &Iris,
) -> Result<EmbeddedReference, TaskError> {
    let shown = shown(reference);
    let of_segments = file_name(reference, iris.weights_hash());
    let of_body = embedding_name(&format!("{}-body", reference.folder()), iris.weights_hash());
    let keep = iris.weights_hash() != UNTRAINED;
    let found = |name: &str, classes| keep.then(|| kept(folder, name, classes, iris)).flatten();
    let (segments, body) = match (found(&of_segments, shown.len()), found(&of_body, 1)) {
        (Some(segments), Some(body)) => (segments, body),
        (segments, whole) => {
            // Read and resampled once, whichever of the two is missing.
            let (input, labels) = network_image(folder, reference, iris)?;
            let make = |name: &str, masks: &Tensor| {
                made(folder, task, reference, name, &input.image, masks, iris)
            };
            let segments = match segments {
                Some(segments) => segments,
                None => make(&of_segments, &masks(&labels, &shown, &input.geometry)?)?,
            };
            let body = match whole {
                Some(body) => body,
                None => make(&of_body, &body(&input.image)?)?,
            };
            (segments, body)
        }
    };
    Ok(EmbeddedReference {
        hash: reference.hash.clone(),
        shown,
        embedding: segments,
        body,
        whole_ml: reference.whole_ml(),
        places: reference.places.clone(),
    })
}

/// The embedding of a reference's image by masks, kept under that file name.
fn made(
    folder: &TaskFolder,
    task: &Task,
    reference: &TaskReference,
    name: &str,
    image: &Tensor,
    masks: &Tensor,
    iris: &Iris,
) -> Result<TaskEmbedding, TaskError> {
    let embedding = iris
        .embed_reference(image, masks)
        .map_err(|source| TaskError::Inference {
            task: task.name.clone(),
            reference: reference.folder().to_owned(),
            source,
        })?;
    if iris.weights_hash() != UNTRAINED {
        let bytes = embedding.to_bytes().map_err(of_task(task))?;
        folder.write_embedding(name, &bytes)?;
    }
    Ok(embedding)
}

pub(super) fn of_task(task: &Task) -> impl Fn(EmbeddingError) -> TaskError {
    let task = task.name.clone();
    move |source| TaskError::Embedding {
        task: task.clone(),
        source,
    }
}

/// The embedding that is kept, unless it is damaged or another's.
pub(super) fn kept(
    folder: &TaskFolder,
    name: &str,
    classes: usize,
    iris: &Iris,
) -> Option<TaskEmbedding> {
    let path = folder.embedding_path(name);
    let bytes = std::fs::read(&path).ok()?;
    match TaskEmbedding::from_bytes(&bytes) {
        Ok(kept) if kept.weights_hash() == iris.weights_hash() && kept.classes() == classes => {
            Some(kept)
        }
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "a kept embedding is damaged; computing it again");
            None
        }
    }
}
