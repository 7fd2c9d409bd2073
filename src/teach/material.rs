//! Labels and the images they were drawn on, read from their files.

use super::assignment::Structure;
use super::{Finding, Images, TeachError, find_images};
use crate::archive::{Archive, Proposal};
use crate::assemble::{Series, VolumeChoice, read_volume};
use crate::encode::{DrawnOn, drawn_on, labels_on};
use crate::tasks::{Reference, Selection};
use crate::terminology::SegmentDescription;
use crate::volume::{LabelVolume, Volume};
use std::path::{Path, PathBuf};

/// An image and what is labelled in it.
#[derive(Debug, Clone)]
pub struct Material {
    /// The image.
    pub image: Volume,
    /// Its Modality (0008,0060).
    pub modality: String,
    /// Labels on its grid.
    pub labels: LabelVolume,
    /// Segments of the labels that have a voxel, with their numbers.
    pub segments: Vec<(u16, SegmentDescription)>,
    /// What a person should know of how it was read, in sentences.
    pub notes: Vec<String>,
}

impl Material {
    /// Reads labels, and the volume among the images that they were drawn on.
    ///
    /// # Errors
    /// Why the labels do not teach.
    pub fn read(
        labels: &Path,
        images: &[PathBuf],
        drawn_on: &DrawnOn,
        wanted: &[u16],
    ) -> Result<Self, TeachError> {
        let series = volume_of(images, drawn_on)?;
        let grid = &series.volume.geometry;
        let read = labels_on(labels, grid, Some(&series.source), wanted)?;
        let present = read.labels.segments();
        let mut notes = series.notes;
        notes.extend(read.notes);
        let (segments, empty): (Vec<_>, Vec<_>) = read
            .segments
            .into_iter()
            .filter(|(number, _)| wanted.is_empty() || wanted.contains(number))
            .partition(|(number, _)| present.contains(number));
        if segments.is_empty() {
            return Err(TeachError::Empty);
        }
        if !empty.is_empty() {
            let labels: Vec<&str> = empty.iter().map(|(_, what)| what.label.as_str()).collect();
            notes.push(format!("without a voxel: {}", labels.join(", ")));
        }
        Ok(Self {
            modality: series.source.modality(),
            image: series.volume,
            labels: read.labels,
            segments,
            notes,
        })
    }

    /// It as a reference that shows these structures, each under the name that its task has for it.
    pub fn reference(mut self, structures: &[Structure]) -> (Vec<Selection>, Reference) {
        let first = |values: &[u16]| values.first().copied().unwrap_or_default();
        // What is drawn as several segments and means the same is one.
        let one = |value: u16| {
            let mut all = structures.iter();
            all.find(|structure| structure.values.contains(&value))
                .map_or(value, |structure| first(&structure.values))
        };
        if structures
            .iter()
            .any(|structure| structure.values.len() > 1)
        {
            self.labels.renumber(one);
        }
        let selections = structures.iter().map(|structure| Selection {
            value: first(&structure.values),
            description: SegmentDescription {
                label: structure.task_segment.clone(),
                ..structure.description.clone()
            },
        });
        (
            selections.collect(),
            Reference {
                image: self.image,
                modality: self.modality,
                labels: self.labels,
            },
        )
    }
}

/// The volume that holds every image which is named; of several such, and where none is named, the fullest.
fn volume_of(images: &[PathBuf], drawn_on: &DrawnOn) -> Result<Series, TeachError> {
    let holds_all = |series: &Series| {
        let mut named = drawn_on.instance_uids.iter();
        named.all(|uid| {
            series
                .source
                .slices
                .iter()
                .any(|s| s.sop_instance_uid == *uid)
        })
    };
    let fullest = read_volume(images, &VolumeChoice::Fullest)?;
    if holds_all(&fullest) {
        return Ok(fullest);
    }
    let mut number = 1;
    while let Ok(series) = read_volume(images, &VolumeChoice::Nth(number)) {
        if holds_all(&series) {
            return Ok(series);
        }
        number += 1;
    }
    Err(TeachError::NotOneVolume)
}

/// The material of a proposal, from the archive; of its own segments, where they are known.
///
/// # Errors
/// When labels or images are not held any more, or cannot be read.
pub async fn material_of(archive: &Archive, proposal: &Proposal) -> Result<Material, TeachError> {
    let labels = archive
        .instance(proposal.series, &proposal.sop_instance_uid)
        .await?
        .ok_or(TeachError::LabelsGone)?;
    let path = labels.clone();
    let drawn_on = blocking(move || Ok(drawn_on(&path)?)).await?;
    let Images::Held(images) = find_images(archive, &drawn_on).await? else {
        return Err(TeachError::ImagesGone);
    };
    let wanted = Finding::numbers_of(proposal);
    blocking(move || Material::read(&labels, &images, &drawn_on, &wanted)).await
}

/// Runs file work off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TeachError> + Send + 'static,
) -> Result<T, TeachError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(TeachError::Failed))
}
