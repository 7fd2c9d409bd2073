//! Tuned task embeddings: what `irisnode task tune` found, kept beside the references' own.

use sha2::{Digest, Sha256};

use super::embeddings::{embedding_name, kept, reference_input, shown, untuned};
use super::storage::TaskFolder;
use super::task::hex;
use super::{LoadedTask, Task, TaskError, TaskLibrary};
use crate::iris::{Iris, TaskEmbedding, TuneOptions, TuningPair};

impl TaskLibrary {
    /// Tunes a task's embedding on its own references (in-context tuning), keeps it, and gives the task as it
    /// will be loaded from now on with these weights.
    ///
    /// The network does not change, and neither do other tasks. A further reference puts the tuned embedding out
    /// of use, since it was tuned without it.
    ///
    /// # Errors
    /// As [`TaskLibrary::load`], and when the embedding cannot be written.
    pub fn tune(
        &self,
        name: &str,
        iris: &Iris,
        options: &TuneOptions,
        progress: &mut dyn FnMut(u64, u64, f64),
    ) -> Result<LoadedTask, TaskError> {
        let folder = self.existing(name)?;
        let task = folder.read()?;
        let start = untuned(&folder, &task, iris)?;
        let pairs = task
            .references
            .iter()
            .map(|reference| {
                let classes = shown(reference);
                let (input, masks) = reference_input(&folder, reference, &classes, iris)?;
                Ok(TuningPair {
                    image: input.image,
                    masks,
                    classes: classes.iter().map(|&n| i64::from(n) - 1).collect(),
                })
            })
            .collect::<Result<Vec<_>, TaskError>>()?;
        let embedding = iris
            .tune(&start.embedding, &pairs, options, progress)
            .map_err(|source| TaskError::Inference {
                task: name.into(),
                reference: "all".into(),
                source,
            })?;
        let bytes = embedding
            .to_bytes()
            .map_err(|source| TaskError::Embedding {
                task: name.into(),
                source,
            })?;
        folder.write_embedding(&tuned_name(&task, iris.weights_hash()), &bytes)?;
        Ok(with_tuned(start, embedding, &bytes))
    }

    /// Whether a tuned embedding is in use for the weights of that hash.
    ///
    /// # Errors
    /// When the task is unknown or damaged.
    pub fn is_tuned(&self, name: &str, weights_hash: &str) -> Result<bool, TaskError> {
        let folder = self.existing(name)?;
        let task = folder.read()?;
        let path = folder.embedding_path(&tuned_name(&task, weights_hash));
        Ok(path.is_file())
    }

    /// Takes a tuned embedding out of use; `false` when there was none.
    ///
    /// # Errors
    /// When the task is unknown or damaged, or the file cannot be removed.
    pub fn untune(&self, name: &str, weights_hash: &str) -> Result<bool, TaskError> {
        let folder = self.existing(name)?;
        let task = folder.read()?;
        let path = folder.embedding_path(&tuned_name(&task, weights_hash));
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(super::storage::file(&path)(error)),
        }
    }
}

/// The task with its tuned embedding in place of the mean of its references', where there is one.
pub(super) fn tuned(
    loaded: LoadedTask,
    folder: &TaskFolder,
    task: &Task,
    iris: &Iris,
) -> Result<LoadedTask, TaskError> {
    let name = tuned_name(task, iris.weights_hash());
    let Some(embedding) = kept(folder, &name, loaded.segments.len(), iris) else {
        return Ok(loaded);
    };
    let bytes = embedding
        .to_bytes()
        .map_err(|source| TaskError::Embedding {
            task: loaded.name.clone(),
            source,
        })?;
    Ok(with_tuned(loaded, embedding, &bytes))
}

/// The tuned task has a version of its own: its results are other results, with other UIDs.
fn with_tuned(task: LoadedTask, embedding: TaskEmbedding, bytes: &[u8]) -> LoadedTask {
    let mut hasher = Sha256::new();
    hasher.update(&task.version);
    hasher.update(bytes);
    LoadedTask {
        version: hex(&hasher.finalize())[..16].to_owned(),
        embedding,
        ..task
    }
}

/// Names the references it was tuned on, in order, so that another set finds none.
fn tuned_name(task: &Task, weights_hash: &str) -> String {
    let mut hasher = Sha256::new();
    for reference in &task.references {
        hasher.update(&reference.hash);
    }
    let references = hex(&hasher.finalize());
    embedding_name(&format!("tuned-{}", &references[..16]), weights_hash)
}
