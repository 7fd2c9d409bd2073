//! The library of tasks on disk.

use std::fs;
use std::path::{Path, PathBuf};

use super::reference::{Chosen, Reference, Selection};
use super::storage::{TaskFolder, file, new_folder_in, private_folder};
use super::{Task, TaskError, TaskReference, TaskSegment};

/// Tasks by name, each a folder:
///
/// ```text
/// <name>/task.toml
/// <name>/references/<hash>/image.nii.gz, labels.nii.gz
/// <name>/embeddings/<reference>-<weights>.safetensors
/// ```
///
/// Only its owner can read it. A task is there as a whole or not at all.
#[derive(Debug, Clone)]
pub struct TaskLibrary {
    folder: PathBuf,
}

impl TaskLibrary {
    /// Opens a library. A folder that is missing is an empty library, and is made when the first task is added.
    ///
    /// # Errors
    /// When there is something else than a folder.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, TaskError> {
        let folder = folder.into();
        if folder.exists() && !folder.is_dir() {
            return Err(file(&folder)(std::io::ErrorKind::NotADirectory.into()));
        }
        Ok(Self { folder })
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds a task with its first reference, which must show every segment.
    ///
    /// # Errors
    /// When the name is bad or taken, the label is empty or elsewhere, a value does not occur in it, segments of
    /// an exclusive task overlap, or the files cannot be written. Nothing is left behind then.
    pub fn add(
        &self,
        name: &str,
        exclusive: bool,
        selections: &[Selection],
        reference: Reference,
    ) -> Result<Task, TaskError> {
        self.make(name, false, exclusive, selections, reference)
    }

    /// As [`TaskLibrary::add`], for a task that was taught over DICOM: rules that say `*taught` run it.
    ///
    /// # Errors
    /// As [`TaskLibrary::add`].
    pub fn add_taught(
        &self,
        name: &str,
        exclusive: bool,
        selections: &[Selection],
        reference: Reference,
    ) -> Result<Task, TaskError> {
        self.make(name, true, exclusive, selections, reference)
    }

    fn make(
        &self,
        name: &str,
        taught: bool,
        exclusive: bool,
        selections: &[Selection],
        reference: Reference,
    ) -> Result<Task, TaskError> {
        let folder = self.at(name)?;
        if folder.exists() {
            return Err(TaskError::NameTaken(name.into()));
        }
        let numbers: Vec<u16> = (1..).take(selections.len()).collect();
        let chosen = reference.choose(selections, &numbers, selections.len(), exclusive)?;
        let now = chrono::Utc::now();
        let entry = entry_of(&chosen, now);
        let task = Task {
            name: name.into(),
            exclusive,
            created: now,
            taught,
            segments: selections
                .iter()
                .map(|selection| TaskSegment {
                    source_value: selection.value,
                    description: selection.description.clone(),
                })
                .collect(),
            references: vec![entry],
        };
        private_folder(&self.folder)?;
        let temporary = new_folder_in(&self.folder)?;
        let making = TaskFolder(temporary.path().to_owned());
        making.write_reference(task.references[0].folder(), &chosen)?;
        making.write(&task)?;
        let made = temporary.keep();
        fs::rename(&made, &folder.0).map_err(|error| {
            // Somebody took the name meanwhile; the half of ours goes.
            let _ = fs::remove_dir_all(&made);
            file(&folder.0)(error)
        })?;
        Ok(task)
    }

    /// Adds a further reference to a task; results then follow the mean of the references' embeddings.
    ///
    /// `selections` name segments of the task; segments that this reference does not show are left out.
    ///
    /// # Errors
    /// As [`TaskLibrary::add`], and when the task is unknown, has no segment of that name, or has this very
    /// reference already.
    pub fn add_reference(
        &self,
        name: &str,
        selections: &[Selection],
        reference: Reference,
    ) -> Result<Task, TaskError> {
        let folder = self.existing(name)?;
        let mut task = folder.read()?;
        let (chosen, entry) = further(&task, selections, reference)?;
        folder.write_reference(entry.folder(), &chosen)?;
        task.references.push(entry);
        folder.write(&task)?;
        Ok(task)
    }

    /// All tasks, by name.
    ///
    /// # Errors
    /// When the folder or one of its `task.toml` cannot be read.
    pub fn list(&self) -> Result<Vec<Task>, TaskError> {
        self.names()?.iter().map(|name| self.show(name)).collect()
    }

    /// The tasks that were taught over DICOM, by name.
    ///
    /// # Errors
    /// As [`TaskLibrary::list`].
    pub fn taught(&self) -> Result<Vec<Task>, TaskError> {
        let mut tasks = self.list()?;
        tasks.retain(|task| task.taught);
        Ok(tasks)
    }

    /// One task.
    ///
    /// # Errors
    /// When there is none of that name, or its `task.toml` cannot be read.
    pub fn show(&self, name: &str) -> Result<Task, TaskError> {
        self.existing(name)?.read()
    }

    /// A reference of a task, by its position from 0, as it is kept: its labels are numbered as the task's segments.
    /// `None` where there are not so many.
    ///
    /// # Errors
    /// When the task is unknown, or the files cannot be read.
    pub fn reference(&self, name: &str, at: usize) -> Result<Option<Reference>, TaskError> {
        let folder = self.existing(name)?;
        let task = folder.read()?;
        let Some(entry) = task.references.get(at) else {
            return Ok(None);
        };
        let (image, labels) = folder.read_reference(entry.folder())?;
        Ok(Some(Reference {
            image,
            modality: entry.modality.clone(),
            labels,
        }))
    }

    /// Removes a task with its references and embeddings.
    ///
    /// # Errors
    /// When there is none of that name, or its files cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), TaskError> {
        let folder = self.existing(name)?;
        // Out of sight in one step, then away.
        let grave = new_folder_in(&self.folder)?;
        let end = grave.path().join(name);
        fs::rename(&folder.0, &end).map_err(file(&folder.0))?;
        grave.close().map_err(file(&folder.0))
    }

    /// The folder of a task that exists.
    pub(super) fn existing(&self, name: &str) -> Result<TaskFolder, TaskError> {
        let folder = self.at(name)?;
        if folder.exists() {
            Ok(folder)
        } else {
            Err(TaskError::Unknown {
                name: name.into(),
                folder: self.folder.clone(),
                known: self.names().unwrap_or_default(),
            })
        }
    }

    fn at(&self, name: &str) -> Result<TaskFolder, TaskError> {
        let good = (1..=64).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if good {
            Ok(TaskFolder(self.folder.join(name)))
        } else {
            Err(TaskError::BadName(name.into()))
        }
    }

    fn names(&self) -> Result<Vec<String>, TaskError> {
        let mut names = Vec::new();
        if !self.folder.exists() {
            return Ok(names);
        }
        for entry in fs::read_dir(&self.folder).map_err(file(&self.folder))? {
            let entry = entry.map_err(file(&self.folder))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if self.at(&name).is_ok_and(|folder| folder.exists()) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

/// A further reference of a task, its labels numbered as the task's segments, and what `task.toml` would say of it.
pub(super) fn further(
    task: &Task,
    selections: &[Selection],
    reference: Reference,
) -> Result<(Chosen, TaskReference), TaskError> {
    let mut numbers = Vec::with_capacity(selections.len());
    for selection in selections {
        let label = &selection.description.label;
        let position = task
            .segment_named(label)
            .ok_or_else(|| TaskError::SegmentUnknown {
                task: task.name.clone(),
                name: label.clone(),
                known: task
                    .segments
                    .iter()
                    .map(|s| s.description.label.clone())
                    .collect(),
            })?;
        numbers.push(u16::try_from(position + 1).unwrap_or(u16::MAX));
    }
    let chosen = reference.choose(selections, &numbers, task.segments.len(), task.exclusive)?;
    let entry = entry_of(&chosen, chrono::Utc::now());
    if task.references.iter().any(|known| known.hash == entry.hash) {
        return Err(TaskError::ReferenceTwice {
            task: task.name.clone(),
        });
    }
    Ok((chosen, entry))
}

fn entry_of(chosen: &Chosen, added: chrono::DateTime<chrono::Utc>) -> TaskReference {
    TaskReference {
        hash: chosen.hash(),
        modality: chosen.modality.clone(),
        added,
        size: chosen.image.geometry.size,
        spacing: chosen.image.geometry.spacing,
        voxels: chosen.voxels.clone(),
        cut: chosen.cut.clone(),
        one_piece: chosen.one_piece.clone(),
        places: chosen.places.clone(),
    }
}
