//! A task with a further reference that it does not have yet, and with each of its references left out in turn.

use super::embeddings::{loaded, of_task, shown, untuned};
use super::library::further;
use super::reference::{Reference, Selection, body, masks};
use super::storage::TaskFolder;
use super::{EmbeddedReference, LoadedTask, Task, TaskError, TaskLibrary, TaskReference};
use crate::iris::{Iris, TaskEmbedding};
use crate::preprocess::network_input;
use crate::volume::{LabelVolume, Volume};

/// A task as it would be with a further reference. Nothing of it is written into the library.
#[derive(Debug)]
pub struct Rehearsal {
    folder: TaskFolder,
    task: Task,
    /// The task's references, the further one last.
    references: Vec<EmbeddedReference>,
    further: (Volume, LabelVolume, TaskReference),
}

/// A reference left out, and the task of all others.
#[derive(Debug)]
pub struct Fold {
    /// The task without it.
    pub task: LoadedTask,
    /// Its image.
    pub image: Volume,
    /// Modality of the image.
    pub modality: String,
    /// Its labels, on the image's grid, numbered as the task's segments.
    pub labels: LabelVolume,
    /// Numbers of the segments that it shows, and another reference too.
    pub segments: Vec<u16>,
}

impl TaskLibrary {
    /// A task as it would be with a further reference.
    ///
    /// # Errors
    /// As [`TaskLibrary::add_reference`], and when the network fails.
    pub fn rehearse(
        &self,
        name: &str,
        selections: &[Selection],
        reference: Reference,
        iris: &Iris,
    ) -> Result<Rehearsal, TaskError> {
        let folder = self.existing(name)?;
        let task = folder.read()?;
        let (chosen, entry) = further(&task, selections, reference)?;
        let mut references = untuned(&folder, &task, iris)?.references;
        let shown = shown(&entry);
        let input = network_input(&chosen.image, &chosen.modality, iris.config().spacing_mm)?;
        let embed = |masks: &tch::Tensor| {
            iris.embed_reference(&input.image, masks)
                .map_err(|source| TaskError::Inference {
                    task: task.name.clone(),
                    reference: entry.folder().to_owned(),
                    source,
                })
        };
        references.push(EmbeddedReference {
            hash: entry.hash.clone(),
            embedding: embed(&masks(&chosen.labels, &shown, &input.geometry)?)?,
            body: embed(&body(&input.image)?)?,
            whole_ml: entry.whole_ml(),
            places: entry.places.clone(),
            shown,
        });
        Ok(Rehearsal {
            folder,
            task,
            references,
            further: (chosen.image, chosen.labels, entry),
        })
    }
}

impl Rehearsal {
    /// How many references the task would have.
    pub fn references(&self) -> usize {
        self.references.len()
    }

    /// What the segments of the task are called, the first has number 1.
    pub fn segment_labels(&self) -> Vec<String> {
        let segments = self.task.segments.iter();
        segments.map(|s| s.description.label.clone()).collect()
    }

    /// Leaves out the reference at a position (from 0; the further one is the last). `None` where no other shows any
    /// of its segments.
    ///
    /// # Errors
    /// When the reference cannot be read.
    pub fn without(&self, left_out: usize) -> Result<Option<Fold>, TaskError> {
        let Some(out) = self.references.get(left_out) else {
            return Ok(None);
        };
        let others = || {
            let all = self.references.iter().enumerate();
            all.filter(move |(at, _)| *at != left_out).map(|(_, r)| r)
        };
        let (segments, only_here): (Vec<u16>, Vec<u16>) = out
            .shown
            .iter()
            .partition(|number| others().any(|other| other.shown.contains(number)));
        if segments.is_empty() {
            return Ok(None);
        }
        let mut references = others()
            .map(|other| self.of(other, &other.shown))
            .collect::<Result<Vec<_>, _>>()?;
        if !only_here.is_empty() {
            // The task needs every segment; those that nothing else shows are not judged.
            references.push(self.of(out, &only_here)?);
        }
        let (image, labels, modality) = match self.task.references.get(left_out) {
            Some(entry) => {
                let (image, labels) = self.folder.read_reference(entry.folder())?;
                (image, labels, entry.modality.clone())
            }
            None => {
                let (image, labels, entry) = &self.further;
                (image.clone(), labels.clone(), entry.modality.clone())
            }
        };
        Ok(Some(Fold {
            task: loaded(&self.task, references)?,
            image,
            modality,
            labels,
            segments,
        }))
    }

    /// A reference as if it showed these of its segments only.
    fn of(
        &self,
        reference: &EmbeddedReference,
        numbers: &[u16],
    ) -> Result<EmbeddedReference, TaskError> {
        let rows: Vec<tch::Tensor> = numbers
            .iter()
            .filter_map(|number| reference.of_segment(*number))
            .collect();
        let embedding = |rows: &tch::Tensor, of: &TaskEmbedding| {
            TaskEmbedding::new(rows, of.weights_hash()).map_err(of_task(&self.task))
        };
        Ok(EmbeddedReference {
            hash: reference.hash.clone(),
            shown: numbers.to_vec(),
            embedding: embedding(&tch::Tensor::f_stack(&rows, 0)?, &reference.embedding)?,
            body: embedding(reference.body.tensor(), &reference.body)?,
            whole_ml: reference.whole_ml.clone(),
            places: reference.places.clone(),
        })
    }
}
