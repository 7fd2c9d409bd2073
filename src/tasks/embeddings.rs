//! Task embeddings: computed once for a reference and a set of weights, then read.

use tch::Tensor;

use super::reference::masks;
use super::storage::TaskFolder;
use super::tuned::tuned;
use super::{Task, TaskError, TaskLibrary, TaskReference};
use crate::iris::{Iris, TaskEmbedding};
use crate::preprocess::{self, NetworkInput};
use crate::terminology::SegmentDescription;

/// The hash of weights that were never saved; embeddings of them cannot be told apart, so none is kept.
const UNTRAINED: &str = "untrained";

/// A task ready to be run.
#[derive(Debug)]
pub struct LoadedTask {
    /// Its name.
    pub name: String,
    /// [`Task::version`].
    pub version: String,
    /// Whether a voxel belongs to one of its segments at most.
    pub exclusive: bool,
    /// Its segments, one for each class of the embedding.
    pub segments: Vec<SegmentDescription>,
    /// The mean of its references' embeddings (the paper's context ensemble), class by class, or what tuning
    /// made of it.
    pub embedding: TaskEmbedding,
}

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
    let mut of_class: Vec<Vec<Tensor>> = task.segments.iter().map(|_| Vec::new()).collect();
    for reference in &task.references {
        let shown = shown(reference);
        let embedding = reference_embedding(folder, task, reference, &shown, iris)?;
        for (row, &number) in shown.iter().enumerate() {
            of_class[usize::from(number) - 1].push(embedding.tensor().f_get(row as i64)?);
        }
    }
    let mut classes = Vec::with_capacity(of_class.len());
    for (tensors, segment) in of_class.iter().zip(&task.segments) {
        if tensors.is_empty() {
            return Err(TaskError::NoReference {
                task: task.name.clone(),
                segment: segment.description.label.clone(),
            });
        }
        let all = Tensor::f_stack(tensors, 0)?;
        classes.push(all.f_mean_dim([0i64].as_slice(), false, None)?);
    }
    let embedding = TaskEmbedding::new(&Tensor::f_stack(&classes, 0)?, iris.weights_hash())
        .map_err(|source| TaskError::Embedding {
            task: task.name.clone(),
            source,
        })?;
    Ok(LoadedTask {
        version: task.version(),
        name: task.name.clone(),
        exclusive: task.exclusive,
        segments: task
            .segments
            .iter()
            .map(|segment| segment.description.clone())
            .collect(),
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
    let (image, labels) = folder.read_reference(reference.folder())?;
    let input = preprocess::network_input(&image, &reference.modality, iris.config().spacing_mm)?;
    let masks = masks(&labels, shown, &input.geometry)?;
    Ok((input, masks))
}

fn reference_embedding(
    folder: &TaskFolder,
    task: &Task,
    reference: &TaskReference,
    shown: &[u16],
    iris: &Iris,
) -> Result<TaskEmbedding, TaskError> {
    let name = file_name(reference, iris.weights_hash());
    let keep = iris.weights_hash() != UNTRAINED;
    if keep && let Some(kept) = kept(folder, &name, shown.len(), iris) {
        return Ok(kept);
    }
    let (input, masks) = reference_input(folder, reference, shown, iris)?;
    let embedding = iris
        .embed_reference(&input.image, &masks)
        .map_err(|source| TaskError::Inference {
            task: task.name.clone(),
            reference: reference.folder().to_owned(),
            source,
        })?;
    if keep {
        let bytes = embedding
            .to_bytes()
            .map_err(|source| TaskError::Embedding {
                task: task.name.clone(),
                source,
            })?;
        folder.write_embedding(&name, &bytes)?;
    }
    Ok(embedding)
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
