//! What `task.toml` says of a task.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::PlacedSegment;
use crate::terminology::SegmentDescription;

/// A task: named segments and the references that show them. Kept as `task.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its name, the one rules use.
    pub name: String,
    /// Whether a voxel belongs to one segment at most (organs), or to several (an organ and its lesion).
    pub exclusive: bool,
    /// When it was added.
    pub created: chrono::DateTime<chrono::Utc>,
    /// Whether it was taught over DICOM and approved: rules that say `*taught` run it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taught: bool,
    /// Its segments in order; the first has number 1.
    #[serde(rename = "segment")]
    pub segments: Vec<TaskSegment>,
    /// Its references in the order they were added.
    #[serde(rename = "reference")]
    pub references: Vec<TaskReference>,
}

/// A segment of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskSegment {
    /// The label value it had in the file it was taught from.
    pub source_value: u16,
    /// Name, codes and colour, as results carry them; may be edited by hand.
    #[serde(flatten)]
    pub description: SegmentDescription,
}

/// A reference of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskReference {
    /// SHA-256 of grid, modality, voxels and labels, in hexadecimal. Its folder is named by the first 16.
    pub hash: String,
    /// DICOM Modality of the image.
    pub modality: String,
    /// When it was added.
    pub added: chrono::DateTime<chrono::Utc>,
    /// Columns, rows, slices.
    pub size: [usize; 3],
    /// Voxel spacing, mm.
    pub spacing: [f64; 3],
    /// Voxels of each segment of the task; 0 where the reference does not show it.
    pub voxels: Vec<u64>,
    /// Whether each segment reaches the edge of the scan, so that a part of it may be missing; empty when the
    /// reference was added before this was noted, which counts as no.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<bool>,
    /// Whether each segment is one connected piece, strays apart; empty when the reference was added before this was
    /// noted, which counts as no.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_piece: Vec<bool>,
    /// Where each segment is that it shows; empty when the reference was added before this was noted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<PlacedSegment>,
}

impl Task {
    /// Changes whenever a result of the task could change: hexadecimal, 16 digits.
    ///
    /// Covers the segments with their codes and colours, how they exclude one another, and the references'
    /// content; not the name, not the dates.
    pub fn version(&self) -> String {
        let mut hasher = Sha256::new();
        let mut part = |text: &str| {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text);
        };
        part(if self.exclusive {
            "exclusive"
        } else {
            "overlapping"
        });
        for segment in &self.segments {
            // Serialisation of plain strings and numbers does not fail; the fallback keeps the version total.
            part(&serde_json::to_string(&segment.description).unwrap_or_default());
        }
        for reference in &self.references {
            part(&reference.hash);
        }
        hex(&hasher.finalize())[..16].to_owned()
    }

    /// Whether each segment is one piece in the patient.
    ///
    /// That takes a structure of the body (SNOMED CT 91723000, Anatomical Structure, as its category): of a lesion there
    /// may be two in the next patient, and what is called mere tissue may be anything. And every reference that shows
    /// it must show it in one piece. That may reach the edge of the scan: pieces that are joined beyond it in the next
    /// patient reach its edge too, and are kept.
    pub fn in_one_piece(&self) -> Vec<bool> {
        let of = |(at, segment): (usize, &TaskSegment)| {
            let mut showing = self
                .references
                .iter()
                .filter(|reference| reference.voxels.get(at).is_some_and(|&voxels| voxels > 0))
                .peekable();
            segment.description.is_anatomical()
                && showing.peek().is_some()
                && showing.all(|reference| reference.one_piece.get(at).copied().unwrap_or(false))
        };
        self.segments.iter().enumerate().map(of).collect()
    }

    /// Whether one of its references is of that Modality (0008,0060).
    pub fn is_of_modality(&self, modality: &str) -> bool {
        self.references
            .iter()
            .any(|reference| reference.modality == modality)
    }

    /// Position of the segment of that name, ignoring case and the difference of space, `-` and `_`.
    pub fn segment_named(&self, name: &str) -> Option<usize> {
        let wanted = plain(name);
        self.segments
            .iter()
            .position(|segment| plain(&segment.description.label) == wanted)
    }
}

impl TaskReference {
    /// The name of its folder.
    pub fn folder(&self) -> &str {
        self.hash.get(..16).unwrap_or(&self.hash)
    }

    /// Volume of each segment that it shows as a whole, ml.
    pub fn whole_ml(&self) -> Vec<Option<f64>> {
        let cut = self.cut.iter().copied().chain(std::iter::repeat(false));
        self.volumes_ml()
            .into_iter()
            .zip(cut)
            .map(|(ml, cut)| (ml > 0.0 && !cut).then_some(ml))
            .collect()
    }

    /// Volume of each segment, ml.
    pub fn volumes_ml(&self) -> Vec<f64> {
        let voxel_ml = self.spacing.iter().product::<f64>() / 1000.0;
        self.voxels
            .iter()
            .map(|&voxels| voxels as f64 * voxel_ml)
            .collect()
    }
}

/// Whether two names mean the same, but for case and `_`, `-` or space between words.
pub fn same_name(one: &str, other: &str) -> bool {
    plain(one) == plain(other)
}

/// A name as people mean it: without case, and with `_`, `-` and space alike.
pub(super) fn plain(name: &str) -> String {
    name.split(|c: char| c.is_whitespace() || c == '_' || c == '-')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
