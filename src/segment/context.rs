//! The embedding that a query meets, by each reference strategy.

use tch::Tensor;

use super::similarity::{cosine, nearest};
use super::{SegmentError, SegmentOptions, Strategy};
use crate::iris::{EmbeddingError, Iris, TaskEmbedding};
use crate::tasks::{EmbeddedReference, LoadedTask, body};

/// The classes of all tasks in one embedding, and what it was made of.
#[derive(Debug)]
pub(super) struct Context {
    /// `[K, m+1, C]`.
    pub(super) embedding: TaskEmbedding,
    /// For each class, how much each reference of its task counts; empty for a class that was tuned.
    pub(super) weights: Vec<Vec<f64>>,
}

/// For each class, the weight of each reference of its task, or `None` where the ensemble stays.
pub(super) type Chosen = Vec<Option<Vec<f64>>>;

impl Context {
    /// By a strategy that need not look at the query.
    ///
    /// For the two kinds of retrieval this is what they start from: the ensemble.
    pub(super) fn of_references(
        tasks: &[LoadedTask],
        strategy: Strategy,
    ) -> Result<Self, SegmentError> {
        match strategy {
            Strategy::Tuned => Self::tuned(tasks),
            Strategy::OneShot => Self::weighted(tasks, &nth_shown(tasks, 0)),
            Strategy::Ensemble | Strategy::Retrieval | Strategy::ImageRetrieval => {
                Self::weighted(tasks, &classes(tasks).map(|_| None).collect())
            }
        }
    }

    fn tuned(tasks: &[LoadedTask]) -> Result<Self, SegmentError> {
        let embeddings: Vec<&TaskEmbedding> = tasks.iter().map(|task| &task.embedding).collect();
        let weights = classes(tasks).map(|(task, number)| {
            if task.version == task.untuned_version {
                equal_weights(task, number)
            } else {
                Vec::new()
            }
        });
        Ok(Self {
            embedding: TaskEmbedding::concat(&embeddings).map_err(of_tasks(tasks))?,
            weights: weights.collect(),
        })
    }

    /// Each class by the references that were chosen for it.
    pub(super) fn weighted(tasks: &[LoadedTask], chosen: &Chosen) -> Result<Self, SegmentError> {
        let means = tasks
            .iter()
            .map(LoadedTask::ensemble)
            .collect::<Result<Vec<_>, _>>()
            .map_err(of_tasks(tasks))?;
        let means: Vec<&TaskEmbedding> = means.iter().collect();
        let mean = TaskEmbedding::concat(&means).map_err(of_tasks(tasks))?;
        let mut rows = Vec::with_capacity(chosen.len());
        let mut weights = Vec::with_capacity(chosen.len());
        for (class, ((task, number), chosen)) in classes(tasks).zip(chosen).enumerate() {
            match chosen {
                None => {
                    rows.push(mean.tensor().f_get(class as i64)?);
                    weights.push(equal_weights(task, number));
                }
                Some(chosen) => {
                    rows.push(blend(task, number, chosen)?);
                    weights.push(chosen.clone());
                }
            }
        }
        let embedding = TaskEmbedding::new(&Tensor::f_stack(&rows, 0)?, mean.weights_hash())
            .map_err(of_tasks(tasks))?;
        Ok(Self { embedding, weights })
    }
}

/// The sum of the references' embeddings `[m+1, C]` of a segment by their weights, the heaviest first: what it
/// comes to does not depend on the order of references.
fn blend(task: &LoadedTask, number: u16, weights: &[f64]) -> Result<Tensor, tch::TchError> {
    let mut parts: Vec<(&EmbeddedReference, f64)> = task
        .references
        .iter()
        .zip(weights.iter().copied())
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    parts.sort_by(|(one, a), (other, b)| b.total_cmp(a).then_with(|| one.hash.cmp(&other.hash)));
    let mut sum: Option<Tensor> = None;
    for (reference, weight) in parts {
        let Some(embedding) = reference.of_segment(number) else {
            continue;
        };
        let part = embedding.f_mul_scalar(weight)?;
        sum = Some(match sum {
            None => part,
            Some(sum) => sum.f_add(&part)?,
        });
    }
    sum.ok_or_else(|| tch::TchError::Kind("no reference with a weight shows the segment".into()))
}

/// Every class in the network's order: its task, and its number (from 1) there.
pub(super) fn classes(tasks: &[LoadedTask]) -> impl Iterator<Item = (&LoadedTask, u16)> {
    tasks
        .iter()
        .flat_map(|task| (1u16..).take(task.segments.len()).map(move |n| (task, n)))
}

/// Each class by one reference: number `nth` (from 0) of those that show it; `None` where there are fewer.
pub(super) fn nth_shown(tasks: &[LoadedTask], nth: usize) -> Chosen {
    classes(tasks)
        .map(|(task, number)| {
            let mut showing = (0..).zip(shows(task, number)).filter(|(_, shows)| *shows);
            let (at, _): (usize, _) = showing.nth(nth)?;
            let mut weights = vec![0.0; task.references.len()];
            weights[at] = 1.0;
            Some(weights)
        })
        .collect()
}

/// For each class, how many references show it.
pub(super) fn showing(tasks: &[LoadedTask]) -> Vec<usize> {
    classes(tasks)
        .map(|(task, number)| shows(task, number).filter(|&shows| shows).count())
        .collect()
}

fn equal_weights(task: &LoadedTask, number: u16) -> Vec<f64> {
    let count = shows(task, number).filter(|&shows| shows).count().max(1) as f64;
    shows(task, number)
        .map(|shows| if shows { 1.0 / count } else { 0.0 })
        .collect()
}

fn shows(task: &LoadedTask, number: u16) -> impl Iterator<Item = bool> {
    task.references
        .iter()
        .map(move |reference| reference.shown.contains(&number))
}

/// The references for each class by the objects that a first pass found (object-level context retrieval).
///
/// `masks [K, D, H, W]` are what it found in `image [D, H, W]`. Compared are foreground tokens `T_f`, which are
/// pooled features of the object itself; context tokens are mostly the queries that all objects share. A class
/// without a voxel stays with the ensemble.
pub(super) fn by_object(
    tasks: &[LoadedTask],
    iris: &Iris,
    image: &Tensor,
    masks: &Tensor,
    options: &SegmentOptions,
) -> Result<Chosen, SegmentError> {
    let voxels = masks
        .f_flatten(1, -1)?
        .f_sum_dim_intlist([-1i64].as_slice(), false, None)?;
    let found: Vec<i64> = Vec::<f32>::try_from(&voxels)?
        .iter()
        .zip(0i64..)
        .filter(|(voxels, _)| **voxels > 0.0)
        .map(|(_, class)| class)
        .collect();
    let mut chosen: Chosen = classes(tasks).map(|_| None).collect();
    if found.is_empty() {
        return Ok(chosen);
    }
    let masks = masks.f_index_select(0, &Tensor::from_slice(&found))?;
    let objects = iris.embed_reference(image, &masks)?;
    let all: Vec<(&LoadedTask, u16)> = classes(tasks).collect();
    for (row, &class) in found.iter().enumerate() {
        let (task, number) = all[class as usize];
        let object = foreground(&objects.tensor().f_get(row as i64)?)?;
        let mut similarities = Vec::with_capacity(task.references.len());
        for reference in &task.references {
            similarities.push(match reference.of_segment(number) {
                Some(embedding) => Some(cosine(&object, &foreground(&embedding)?)),
                None => None,
            });
        }
        chosen[class as usize] = nearest(&similarities, &hashes(task), options.retrieve);
    }
    Ok(chosen)
}

/// The references for each class by the likeness of whole bodies (image-level retrieval).
///
/// One choice for each task; a segment that none of the chosen shows stays with the ensemble.
pub(super) fn by_image(
    tasks: &[LoadedTask],
    iris: &Iris,
    image: &Tensor,
    options: &SegmentOptions,
) -> Result<Chosen, SegmentError> {
    let query = iris.embed_reference(image, &body(image)?)?;
    let query = foreground(&query.tensor().f_get(0)?)?;
    let mut chosen = Vec::new();
    for task in tasks {
        let mut similarities = Vec::with_capacity(task.references.len());
        for reference in &task.references {
            let body = foreground(&reference.body.tensor().f_get(0)?)?;
            similarities.push(Some(cosine(&query, &body)));
        }
        let weights = nearest(&similarities, &hashes(task), options.retrieve);
        for number in (1u16..).take(task.segments.len()) {
            chosen.push(weights.as_deref().and_then(|weights| {
                let shown: Vec<f64> = weights
                    .iter()
                    .zip(shows(task, number))
                    .map(|(weight, shows)| if shows { *weight } else { 0.0 })
                    .collect();
                let sum: f64 = shown.iter().sum();
                (sum > 0.0).then(|| shown.iter().map(|weight| weight / sum).collect())
            }));
        }
    }
    Ok(chosen)
}

fn hashes(task: &LoadedTask) -> Vec<&str> {
    let references = task.references.iter();
    references
        .map(|reference| reference.hash.as_str())
        .collect()
}

/// The foreground token `T_f [C]` of an embedding `[m+1, C]`.
fn foreground(embedding: &Tensor) -> Result<Vec<f32>, tch::TchError> {
    Vec::<f32>::try_from(embedding.f_get(0)?.f_contiguous()?)
}

fn of_tasks(tasks: &[LoadedTask]) -> impl Fn(EmbeddingError) -> SegmentError {
    let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    let names = names.join(", ");
    move |source| SegmentError::Embedding {
        tasks: names.clone(),
        source,
    }
}
