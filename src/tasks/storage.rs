//! The library's folders: private, written whole or not at all.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::reference::Chosen;
use super::{Task, TaskError};
use crate::volume::{LabelVolume, Volume};

const TASK_FILE: &str = "task.toml";
const REFERENCES: &str = "references";
const EMBEDDINGS: &str = "embeddings";
const IMAGE_FILE: &str = "image.nii.gz";

/// The folder of one task.
#[derive(Debug, Clone)]
pub(super) struct TaskFolder(pub(super) PathBuf);

impl TaskFolder {
    pub(super) fn exists(&self) -> bool {
        self.0.join(TASK_FILE).is_file()
    }

    pub(super) fn read(&self) -> Result<Task, TaskError> {
        let path = self.0.join(TASK_FILE);
        let text = fs::read_to_string(&path).map_err(file(&path))?;
        let task: Task = toml::from_str(&text).map_err(|error| TaskError::Damaged {
            path: path.clone(),
            message: error.to_string(),
        })?;
        let uneven = task
            .references
            .iter()
            .any(|r| r.voxels.len() != task.segments.len());
        if task.segments.is_empty() || uneven {
            return Err(TaskError::Damaged {
                path,
                message:
                    "segments and references do not match; restore the file or add the task anew"
                        .into(),
            });
        }
        Ok(task)
    }

    pub(super) fn write(&self, task: &Task) -> Result<(), TaskError> {
        let path = self.0.join(TASK_FILE);
        let text = toml::to_string_pretty(task).map_err(|error| TaskError::Damaged {
            path: path.clone(),
            message: error.to_string(),
        })?;
        let text = format!(
            "# Kept by `irisnode task`. Names, codes and colours may be edited by hand.\n\n{text}"
        );
        write_whole(&path, text.as_bytes())
    }

    /// Copies a reference in, under the first digits of its hash; what lies there already is replaced.
    pub(super) fn write_reference(&self, folder: &str, chosen: &Chosen) -> Result<(), TaskError> {
        let references = self.0.join(REFERENCES);
        private_folder(&references)?;
        let temporary = new_folder_in(&references)?;
        let at = |name: &str| temporary.path().join(name);
        let nifti = |path: &Path| {
            let path = path.to_owned();
            move |source| TaskError::Nifti { path, source }
        };
        chosen
            .image
            .write_nifti(&at(IMAGE_FILE))
            .map_err(nifti(&at(IMAGE_FILE)))?;
        for (layer, labels) in chosen.labels.layers.iter().enumerate() {
            let path = at(&label_file(layer));
            let layer = LabelVolume::exclusive(chosen.labels.geometry.clone(), labels.clone());
            layer.write_nifti(&path).map_err(nifti(&path))?;
        }
        let end = references.join(folder);
        if end.exists() {
            fs::remove_dir_all(&end).map_err(file(&end))?;
        }
        let made = temporary.keep();
        fs::rename(&made, &end).map_err(file(&end))
    }

    /// Image and labels of a reference.
    pub(super) fn read_reference(&self, folder: &str) -> Result<(Volume, LabelVolume), TaskError> {
        let folder = self.0.join(REFERENCES).join(folder);
        let nifti = |path: PathBuf| move |source| TaskError::Nifti { path, source };
        let path = folder.join(IMAGE_FILE);
        let image = Volume::read_nifti(&path).map_err(nifti(path))?;
        let path = folder.join(label_file(0));
        let mut labels = LabelVolume::read_nifti(&path).map_err(nifti(path))?;
        for layer in 1.. {
            let path = folder.join(label_file(layer));
            if !path.is_file() {
                break;
            }
            let further = LabelVolume::read_nifti(&path).map_err(nifti(path))?;
            labels.layers.extend(further.layers);
        }
        Ok((image, labels))
    }

    pub(super) fn embedding_path(&self, name: &str) -> PathBuf {
        self.0.join(EMBEDDINGS).join(name)
    }

    pub(super) fn write_embedding(&self, name: &str, bytes: &[u8]) -> Result<(), TaskError> {
        private_folder(&self.0.join(EMBEDDINGS))?;
        write_whole(&self.embedding_path(name), bytes)
    }
}

/// One file for each layer, so that any viewer opens them: `labels.nii.gz`, `labels-2.nii.gz`, ...
fn label_file(layer: usize) -> String {
    match layer {
        0 => "labels.nii.gz".into(),
        layer => format!("labels-{}.nii.gz", layer + 1),
    }
}

pub(super) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> TaskError {
    let path = path.to_owned();
    move |source| TaskError::File { path, source }
}

/// A folder that only its owner reads: references are patients' images.
pub(super) fn private_folder(path: &Path) -> Result<(), TaskError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(file(path))
}

/// A new private folder beside its final place, removed again unless it is kept.
pub(super) fn new_folder_in(parent: &Path) -> Result<tempfile::TempDir, TaskError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".new-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir_in(parent).map_err(file(parent))
}

/// Writes a file so that a reader sees the old or the new one, and a crash leaves one of them.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), TaskError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(parent)
        .map_err(file(path))?;
    temporary.write_all(bytes).map_err(file(path))?;
    temporary.as_file().sync_all().map_err(file(path))?;
    temporary
        .persist(path)
        .map_err(|error| file(path)(error.error))?;
    Ok(())
}
