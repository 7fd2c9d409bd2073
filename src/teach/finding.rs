//! What was found of a proposal, for the person who decides; kept as JSON.

use super::{Material, Part};
use crate::archive::Proposal;
use crate::terminology::Code;
use serde::{Deserialize, Serialize};

/// What was found of a proposal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The task is there, and would get a further reference.
    pub is_further: bool,
    /// Why this task.
    pub why: String,
    /// Modality of the images.
    pub modality: String,
    /// Columns, rows, slices.
    pub size: [usize; 3],
    /// Voxel spacing, mm.
    pub spacing: [f64; 3],
    /// What it would be taught.
    pub segments: Vec<FoundSegment>,
    /// How many references the task would have.
    pub references: usize,
    /// How well references are found by the others; none where there are no others.
    pub left_out: Vec<LeftOut>,
    /// What else a person should know.
    pub notes: Vec<String>,
}

/// A segment that would be taught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundSegment {
    /// Its numbers in the labels.
    pub values: Vec<u16>,
    /// What the labels call it.
    pub label: String,
    /// What the task calls it.
    pub task_segment: String,
    /// Its property type.
    pub code: Code,
    /// Its colour.
    pub color: [u8; 3],
    /// Its voxels.
    pub voxels: usize,
    /// Its volume, ml.
    pub ml: f64,
}

/// A reference, found by the others of its task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its number, from 1; the last is the proposed one.
    pub reference: usize,
    /// The Dice coefficient of each of its segments, by the task's name for it.
    pub dice: Vec<(String, f64)>,
}

impl Finding {
    /// What is known before the network was asked.
    pub fn of(part: &Part, material: &Material) -> Self {
        let segments = part.structures.iter().map(|structure| {
            let voxels = structure.values.iter();
            let voxels = voxels.map(|&v| material.labels.voxel_count(v)).sum();
            FoundSegment {
                values: structure.values.clone(),
                label: structure.description.label.clone(),
                task_segment: structure.task_segment.clone(),
                code: structure.description.property_type.clone(),
                color: structure.description.color,
                voxels,
                ml: voxels as f64 * material.image.geometry.voxel_mm3() / 1000.0,
            }
        });
        Self {
            is_further: part.is_further,
            why: part.why.clone(),
            modality: material.modality.clone(),
            size: material.image.geometry.size,
            spacing: material.image.geometry.spacing,
            segments: segments.collect(),
            references: 1,
            left_out: Vec::new(),
            notes: material.notes.clone(),
        }
    }

    /// As it was kept with a proposal.
    pub fn kept_with(proposal: &Proposal) -> Option<Self> {
        serde_json::from_str(proposal.finding.as_deref()?).ok()
    }

    /// As text to keep.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The numbers of a proposal's segments in its labels; none where they were not understood yet.
    pub fn numbers_of(proposal: &Proposal) -> Vec<u16> {
        let numbers = proposal.segments.as_deref();
        numbers
            .and_then(|numbers| serde_json::from_str(numbers).ok())
            .unwrap_or_default()
    }

    /// The mean Dice coefficient over segments and references left out.
    pub fn mean_dice(&self) -> Option<f64> {
        let all: Vec<f64> = self
            .left_out
            .iter()
            .flat_map(|one| one.dice.iter().map(|(_, dice)| *dice))
            .collect();
        (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
    }

    /// What is proposed, in a few words, such as ``reference 2 of `abdomen` ``.
    pub fn in_words(&self, task: &str) -> String {
        match self.is_further {
            true => format!("reference {} of `{task}`", self.references),
            false => format!("new task `{task}`"),
        }
    }
}
