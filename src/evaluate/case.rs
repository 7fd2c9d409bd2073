//! References and a query whose labels are known; what each method makes of them.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::answer::{Answer, Taught};
use super::cost::Cost;
use super::method::Method;
use super::surface::surface_measures;
use crate::iris::{InferenceError, Iris, TuneOptions};
use crate::segment::{SegmentError, SegmentOptions, dice};
use crate::tasks::{Reference, Selection, TaskError};
use crate::volume::{LabelVolume, Volume};

/// References, and a query of another subject whose labels are known.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is called in the report; no patient's name.
    pub name: String,
    /// What the network is shown; one at least. The first shows every segment.
    pub references: Vec<CaseReference>,
    /// The image to be segmented.
    pub query: Volume,
    /// Its DICOM Modality (0008,0060).
    pub modality: String,
    /// What is where in it: on its grid, numbered as [`Case::segments`], from 1.
    pub known: LabelVolume,
}

/// A reference and what is shown in it.
#[derive(Debug, Clone)]
pub struct CaseReference {
    /// Image and labels.
    pub reference: Reference,
    /// Segments with their values in these labels. A further reference may lack some; the names say which is which.
    pub selections: Vec<Selection>,
}

impl Case {
    /// The segments that are asked for, those of the first reference: number 1 is the first.
    pub fn segments(&self) -> &[Selection] {
        self.references
            .first()
            .map_or(&[], |reference| reference.selections.as_slice())
    }
}

/// What is measured, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluateOptions {
    /// The methods, in the order of the report.
    pub methods: Vec<Method>,
    /// Tolerance of the normalised surface distance, mm.
    pub tolerance_mm: f64,
    /// By either retrieval: most references that count for a segment, 1 or more.
    pub retrieve: usize,
    /// How [`Method::Tuned`] tunes.
    pub tune: TuneOptions,
}

impl Default for EvaluateOptions {
    fn default() -> Self {
        Self {
            methods: Method::DEFAULT.to_vec(),
            tolerance_mm: 2.0,
            retrieve: SegmentOptions::default().retrieve,
            tune: TuneOptions::default(),
        }
    }
}

/// How well a method found a segment.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Measures {
    /// Dice coefficient, 0 to 1.
    pub dice: f64,
    /// Normalised surface distance, 0 to 1 ([`super::SurfaceMeasures`]).
    pub nsd: f64,
    /// Hausdorff distance at 95 percent, mm; none when nothing was found.
    pub hd95_mm: Option<f64>,
    /// How much was found, ml.
    pub found_ml: f64,
    /// How sure the network is of it, in [0, 1], without knowing: `ResultSegment::confidence` less the agreement of
    /// references; none where there is no network, or a variant of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
}

/// One segment of a case.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SegmentScore {
    /// Its label.
    pub segment: String,
    /// How much of it there is in the query, ml.
    pub known_ml: f64,
    /// References that show it.
    pub shown_in: usize,
    /// What each method made of it.
    pub methods: BTreeMap<Method, Measures>,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct CaseScore {
    /// Name of the case.
    pub case: String,
    /// SHA-256 of each reference: grid, modality, voxels, labels.
    pub references: Vec<String>,
    /// Voxel spacing of the query, on whose grid all is measured, mm.
    pub spacing_mm: [f64; 3],
    /// Each segment that the query has.
    pub segments: Vec<SegmentScore>,
    /// Segments that the query does not have; there is nothing to measure.
    pub absent: Vec<String>,
    /// What each method cost.
    pub costs: BTreeMap<Method, Cost>,
}

/// Why a case cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// There is nothing to show to the network.
    #[error("the case has no reference")]
    NoReference,
    /// A reference cannot be taught.
    #[error(transparent)]
    Task(#[from] Box<TaskError>),
    /// The query cannot be segmented.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A reference cannot be encoded.
    #[error("a reference cannot be encoded: {0}")]
    Inference(#[from] InferenceError),
    /// libtorch failed outside the network.
    #[error("libtorch failed: {0}")]
    Torch(#[from] tch::TchError),
    /// There is no room for the references.
    #[error("the task cannot be kept for the time of the evaluation: {0}")]
    Folder(std::io::Error),
}

impl From<TaskError> for EvaluateError {
    fn from(error: TaskError) -> Self {
        Self::Task(Box::new(error))
    }
}

/// Teaches the references, finds the query's segments by each method, and measures.
///
/// The task lives in a temporary library, private to its owner, that is gone afterwards.
///
/// # Errors
/// When the first reference does not show its segments, or the network fails.
pub fn evaluate_case(
    case: &Case,
    iris: &Iris,
    options: &EvaluateOptions,
) -> Result<CaseScore, EvaluateError> {
    let taught = Taught::new(case, iris, options)?;
    let mut score = CaseScore {
        case: case.name.clone(),
        references: taught.hashes.clone(),
        spacing_mm: case.query.geometry.spacing,
        segments: Vec::new(),
        absent: Vec::new(),
        costs: BTreeMap::new(),
    };
    let mut asked = Vec::new();
    for (number, selection) in (1u16..).zip(case.segments()) {
        let label = &selection.description.label;
        let shows = |reference: &&CaseReference| {
            let mut selections = reference.selections.iter();
            selections.any(|s| crate::tasks::same_name(&s.description.label, label))
        };
        if case.known.voxel_count(number) == 0 {
            score.absent.push(label.clone());
            continue;
        }
        asked.push(number);
        score.segments.push(SegmentScore {
            segment: label.clone(),
            known_ml: case.known.volume_ml(number),
            shown_in: case.references.iter().filter(shows).count(),
            methods: BTreeMap::new(),
        });
    }
    for &method in &options.methods {
        let answer = taught.answer(method)?;
        let Some(Answer {
            labels,
            confidences,
            cost,
        }) = answer
        else {
            continue;
        };
        score.costs.insert(method, cost);
        let measures: Vec<Measures> = asked
            .par_iter()
            .map(|&number| Measures {
                confidence: confidences.get(usize::from(number) - 1).copied(),
                ..measure(&labels, &case.known, number, options.tolerance_mm)
            })
            .collect();
        for (segment, measures) in score.segments.iter_mut().zip(measures) {
            segment.methods.insert(method, measures);
        }
    }
    Ok(score)
}

/// What a method finds in a case's query, on the query's grid; `None` where it needs several references.
///
/// # Errors
/// As [`evaluate_case`].
pub fn found_by(
    method: Method,
    case: &Case,
    iris: &Iris,
    options: &EvaluateOptions,
) -> Result<Option<LabelVolume>, EvaluateError> {
    let answer = Taught::new(case, iris, options)?.answer(method)?;
    Ok(answer.map(|answer| answer.labels))
}

/// Measures one segment, which `known` has, on one grid.
fn measure(found: &LabelVolume, known: &LabelVolume, number: u16, tolerance_mm: f64) -> Measures {
    let grid = &known.geometry;
    let surface = surface_measures(
        &found.mask(number),
        &known.mask(number),
        grid.size,
        grid.spacing,
        tolerance_mm,
    );
    Measures {
        dice: dice(found, number, known, number).unwrap_or(0.0),
        nsd: surface.map_or(0.0, |surface| surface.nsd),
        hd95_mm: surface.and_then(|surface| surface.hd95_mm),
        found_ml: found.volume_ml(number),
        confidence: None,
    }
}
