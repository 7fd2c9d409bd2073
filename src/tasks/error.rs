//! What can be wrong with a task or its reference.

use std::path::PathBuf;

use crate::iris::{EmbeddingError, InferenceError};
use crate::preprocess::PreprocessError;
use crate::volume::UnevenLayer;

/// What can be wrong with a task or its reference, in words for the person who adds it.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// A name that cannot be a folder and a rule's word.
    #[error(
        "`{0}` cannot be the name of a task: use 1 to 64 letters, digits, `-`, `_` or `.`, beginning with a letter or digit"
    )]
    BadName(String),
    /// There is such a task already.
    #[error(
        "there is a task `{0}` already; remove it, choose another name, or add a further reference to it"
    )]
    NameTaken(String),
    /// There is no such task.
    #[error("there is no task `{name}` in {}{}", folder.display(), known_tasks(.known))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The library's folder.
        folder: PathBuf,
        /// The tasks there are.
        known: Vec<String>,
    },
    /// No segment was selected.
    #[error("a task needs at least one segment")]
    NoSegment,
    /// The same label value or name was selected twice.
    #[error("segment `{0}` is named twice")]
    SegmentTwice(String),
    /// The label map holds nothing.
    #[error("the label is empty: no voxel of it is above 0")]
    LabelEmpty,
    /// A selected value does not occur.
    #[error("no voxel of the label has the value {value} (wanted as `{name}`); it has {}", values_in_words(.present))]
    ValueAbsent {
        /// The value asked for.
        value: u16,
        /// The segment it was to be.
        name: String,
        /// The values that occur.
        present: Vec<u16>,
    },
    /// Image and label lie in different places.
    #[error(
        "image and label do not overlap in the patient: the image spans {image}, the label {label} (mm, LPS); are they of one series?"
    )]
    NoOverlap {
        /// Box of the image.
        image: String,
        /// Box of the label.
        label: String,
    },
    /// The labels are no label map of their grid.
    #[error(transparent)]
    UnevenLayer(#[from] UnevenLayer),
    /// A segment lies beside the image.
    #[error("segment `{name}` lies wholly outside the image")]
    OutsideImage {
        /// The segment.
        name: String,
    },
    /// Segments of an exclusive task share voxels.
    #[error("segments `{one}` and `{other}` share {voxels} voxels: add the task as overlapping")]
    SegmentsOverlap {
        /// A segment.
        one: String,
        /// Another.
        other: String,
        /// How many voxels they share.
        voxels: usize,
    },
    /// The same reference was added before.
    #[error("task `{task}` has this very reference already")]
    ReferenceTwice {
        /// The task.
        task: String,
    },
    /// A further reference names a segment that the task does not have.
    #[error("task `{task}` has no segment `{name}`; it has {}", .known.join(", "))]
    SegmentUnknown {
        /// The task.
        task: String,
        /// The segment asked for.
        name: String,
        /// The task's segments.
        known: Vec<String>,
    },
    /// A segment has no reference.
    #[error(
        "segment `{segment}` of task `{task}` is in none of its references; add one that shows it"
    )]
    NoReference {
        /// The task.
        task: String,
        /// The segment.
        segment: String,
    },
    /// A file of the library cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A `task.toml` cannot be understood.
    #[error("{}: {message}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// An image file of the library cannot be read or written.
    #[error("{}: {source}", path.display())]
    Nifti {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: crate::volume::NiftiError,
    },
    /// The reference cannot be brought to the network's grid.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// The network could not embed the reference.
    #[error("reference {reference} of task `{task}` cannot be embedded: {source}")]
    Inference {
        /// The task.
        task: String,
        /// The reference's hash.
        reference: String,
        /// What the network said.
        source: InferenceError,
    },
    /// An embedding does not fit.
    #[error("task `{task}`: {source}")]
    Embedding {
        /// The task.
        task: String,
        /// Why.
        source: EmbeddingError,
    },
    /// libtorch failed.
    #[error("libtorch failed: {0}")]
    Torch(#[from] tch::TchError),
}

fn known_tasks(names: &[String]) -> String {
    if names.is_empty() {
        "; it is empty".into()
    } else {
        format!("; there are {}", names.join(", "))
    }
}

fn values_in_words(present: &[u16]) -> String {
    const SHOWN: usize = 40;
    let mut words: Vec<String> = present.iter().take(SHOWN).map(u16::to_string).collect();
    if present.len() > SHOWN {
        words.push(format!("and {} more", present.len() - SHOWN));
    }
    words.join(", ")
}
