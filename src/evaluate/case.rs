//! One reference, one query: the network and the baselines, segment by segment.

use super::baseline::Baselines;
use crate::iris::Iris;
use crate::segment::{SegmentError, SegmentOptions, dice, segment_volume};
use crate::tasks::{Reference, Selection, TaskError, TaskLibrary};
use crate::volume::{LabelVolume, Volume};

/// The name of the task that a case is taught as, in a library of its own.
const TASK: &str = "evaluate";

/// A reference, and a query of another subject whose labels are known.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is called in the report; no patient's name.
    pub name: String,
    /// What the network is shown.
    pub reference: Reference,
    /// The segments, with their values in the reference's labels. Segment `i` is number `i + 1` of the result.
    pub selections: Vec<Selection>,
    /// The image to be segmented.
    pub query: Volume,
    /// Its DICOM Modality (0008,0060).
    pub modality: String,
    /// What is where in it: on its grid, numbered as the segments.
    pub known: LabelVolume,
}

/// Dice of one segment, by each way of finding it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SegmentScore {
    /// Its label.
    pub segment: String,
    /// The network, shown one reference.
    pub network: f64,
    /// The reference's label copied to the same relative position.
    pub copied: f64,
    /// The intensity threshold.
    pub threshold: f64,
    /// How much of it there is in the query, ml.
    pub known_ml: f64,
    /// How sure the network is of it, without knowing: `ResultSegment::confidence`.
    pub confidence: f64,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct CaseScore {
    /// Name of the case.
    pub case: String,
    /// SHA-256 of the reference: grid, modality, voxels, labels.
    pub reference_hash: String,
    /// Dice of each segment that the query has.
    pub segments: Vec<SegmentScore>,
    /// Segments that the query does not have; they have no Dice.
    pub absent: Vec<String>,
}

/// Why a case cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The reference cannot be taught.
    #[error("{case}: {source}")]
    Task {
        /// The case.
        case: String,
        /// Why.
        source: Box<TaskError>,
    },
    /// The query cannot be segmented.
    #[error("{case}: {source}")]
    Segment {
        /// The case.
        case: String,
        /// Why.
        source: SegmentError,
    },
    /// There is no room for the reference.
    #[error("{case}: the task cannot be kept for the time of the evaluation: {source}")]
    Folder {
        /// The case.
        case: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Teaches the reference, segments the query by it, and measures Dice of the network and of the baselines.
///
/// The task lives in a temporary library, private to its owner, that is gone afterwards.
///
/// # Errors
/// When the reference does not show its segments, or the network fails.
pub fn evaluate_case(case: &Case, iris: &Iris) -> Result<CaseScore, EvaluateError> {
    let name = || case.name.clone();
    let taught = |source| EvaluateError::Task {
        case: name(),
        source: Box::new(source),
    };
    let folder = tempfile::tempdir().map_err(|source| EvaluateError::Folder {
        case: name(),
        source,
    })?;
    let library = TaskLibrary::open(folder.path()).map_err(taught)?;
    let task = library
        .add(TASK, true, &case.selections, case.reference.clone())
        .map_err(taught)?;
    let loaded = library.load(TASK, iris).map_err(taught)?;
    let result = segment_volume(
        &case.query,
        &case.modality,
        &[loaded],
        iris,
        &SegmentOptions::default(),
        &mut |_, _| {},
    )
    .map_err(|source| EvaluateError::Segment {
        case: name(),
        source,
    })?;

    let numbers: Vec<u16> = (1..).take(case.selections.len()).collect();
    let baselines = Baselines::of(
        (&case.reference.image, &case.reference.modality),
        &numbered(&case.reference.labels, &case.selections),
        (&case.query, &case.modality),
        &numbers,
    );
    let (mut segments, mut absent) = (Vec::new(), Vec::new());
    for ((&number, selection), found) in numbers.iter().zip(&case.selections).zip(&result.segments)
    {
        let segment = selection.description.label.clone();
        if case.known.voxel_count(number) == 0 {
            absent.push(segment);
            continue;
        }
        let score = |labels: &LabelVolume| dice(labels, number, &case.known, number).unwrap_or(0.0);
        segments.push(SegmentScore {
            segment,
            network: score(&result.labels),
            copied: score(&baselines.copied),
            threshold: score(&baselines.threshold),
            known_ml: case.known.volume_ml(number),
            confidence: found.confidence,
        });
    }
    Ok(CaseScore {
        case: name(),
        reference_hash: task
            .references
            .first()
            .map_or_else(String::new, |r| r.hash.clone()),
        segments,
        absent,
    })
}

/// The selected labels, numbered as the segments.
fn numbered(labels: &LabelVolume, selections: &[Selection]) -> LabelVolume {
    let mut labels = labels.clone();
    labels.renumber(|label| {
        let at = selections.iter().position(|s| s.value == label);
        at.map_or(0, |at| at as u16 + 1)
    });
    labels
}
