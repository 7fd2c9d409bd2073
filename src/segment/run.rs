//! One volume, several tasks, one pass of the network (two where the strategy looks at the query first).

use tch::Tensor;

use super::confidence::{Confidence, decided, overlaps, plausible};
use super::context::{Chosen, Context, by_image, by_object, classes, nth_shown, showing};
use super::extent::Extent;
use super::place::{LIKELY, by_place, have_places};
use super::source_grid::{Group, Probabilities};
use super::strays::without;
use super::{SegmentError, Strategy};
use crate::iris::{Iris, SlidingWindow, TaskEmbedding};
use crate::preprocess::{self, NetworkInput};
use crate::tasks::LoadedTask;
use crate::terminology::SegmentDescription;
use crate::volume::{Geometry, LabelRuns, Volume, tally};

/// How a volume is segmented.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentOptions {
    /// Which references the query meets, and how they become one embedding.
    pub strategy: Strategy,
    /// By either retrieval: most references that count for a segment, 1 or more.
    pub retrieve: usize,
    /// For the confidence: by how many references, each on its own, a segment that has several is looked for
    /// again, in the same pass; 0 leaves agreement out. What is found does not depend on it.
    pub compare: usize,
    /// How the volume is cut for the network.
    pub window: SlidingWindow,
    /// A voxel belongs to a segment when its probability is greater than this.
    pub threshold: f32,
    /// Connected parts of a segment smaller than this share of its largest part are taken out; 0 keeps all.
    ///
    /// The default, 1 %, removes stray voxels and keeps every part that could be a finding beside another. Of a
    /// structure that is known to be one piece ([`LoadedTask::in_one_piece`]) only the main part is kept, whatever this is.
    pub least_part: f64,
    /// Whether [`Segmented::probabilities`] is kept.
    pub keep_probabilities: bool,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            retrieve: 3,
            compare: 2,
            window: SlidingWindow::default(),
            threshold: 0.5,
            least_part: 0.01,
            keep_probabilities: false,
        }
    }
}

/// A segment of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultSegment {
    /// Its number in the label volume, from 1.
    pub number: u16,
    /// What it is.
    pub description: SegmentDescription,
    /// Name of the task it came from.
    pub task: String,
    /// Version of that task, with the strategy where that is not the default.
    pub task_version: String,
    /// Its number in the task, from 1.
    pub task_segment: u16,
    /// How much each of the task's references counted for it; they sum to 1. Empty where the task was tuned.
    pub weights: Vec<f64>,
    /// Hashes of the task's references, in the order of `weights`.
    pub references: Vec<String>,
    /// How sure it is, in [0, 1]: [`Confidence::overall`]. 0 when nothing was found.
    pub confidence: f64,
    /// What that is made of.
    pub confidence_parts: Confidence,
    /// Its voxels on the source grid; 0 when the network found nothing.
    pub voxels: usize,
    /// Its volume, ml.
    pub volume_ml: f64,
    /// Slices it is seen in.
    pub slices: usize,
}

/// What the network found in a volume.
#[derive(Debug, Clone, PartialEq)]
pub struct Segmented {
    /// On the source grid. Segments of an exclusive task share a layer; segments that overlap do not.
    pub labels: LabelRuns,
    /// Every segment of every task, found or not, in the order of the tasks.
    pub segments: Vec<ResultSegment>,
    /// Name and version of each task that ran; the version tells the strategy too where that is not the default.
    pub tasks: Vec<(String, String)>,
    /// How likely each voxel of the network's grid is in each segment, where that was asked for.
    pub probabilities: Option<Probabilities>,
}

/// Segments a volume by all tasks in one pass, or in two where the strategy looks at the query first.
///
/// `modality` is DICOM's Modality (0008,0060). `progress(done, all)` counts the network's windows. The result
/// depends on the inputs alone: not on threads, not on time.
///
/// # Errors
/// When there is no task, when the tasks' embeddings do not fit the network, when the volume is empty, or when
/// libtorch fails (for want of memory, for instance).
pub fn segment_volume(
    volume: &Volume,
    modality: &str,
    tasks: &[LoadedTask],
    iris: &Iris,
    options: &SegmentOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Segmented, SegmentError> {
    check(tasks)?;
    let input = preprocess::network_input(volume, modality, iris.config().spacing_mm)?;
    segment_input(&input, &volume.geometry, tasks, iris, options, progress)
}

/// There are segments, and not too many.
fn check(tasks: &[LoadedTask]) -> Result<(), SegmentError> {
    let classes: usize = tasks.iter().map(|task| task.segments.len()).sum();
    if classes == 0 {
        return Err(SegmentError::NoTask);
    }
    if classes > usize::from(u16::MAX) {
        return Err(SegmentError::TooManySegments(classes));
    }
    Ok(())
}

/// [`segment_volume`] of what was brought to the network's grid already; the labels lie on the `source` grid.
///
/// # Errors
/// As [`segment_volume`].
pub fn segment_input(
    input: &NetworkInput,
    source: &Geometry,
    tasks: &[LoadedTask],
    iris: &Iris,
    options: &SegmentOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Segmented, SegmentError> {
    check(tasks)?;
    let start = Context::of_references(tasks, options.strategy)?;
    let groups = groups(tasks);
    let query = Query {
        tasks,
        iris,
        input,
        groups: &groups,
        options,
    };
    let mut passes = Passes {
        done: 0,
        all: 1 + usize::from(options.strategy == Strategy::Retrieval),
        progress,
    };
    let context = match options.strategy {
        Strategy::OneShot | Strategy::Ensemble | Strategy::Tuned => start,
        Strategy::ImageRetrieval => {
            Context::weighted(tasks, &by_image(tasks, iris, &input.image, options)?)?
        }
        Strategy::Retrieval => {
            let (provisional, extent) = query.find(&[&start], &mut passes)?;
            let masks = query.masks(&provisional[0], extent)?;
            drop(provisional);
            let chosen = by_object(tasks, iris, &input.image, &masks, options)?;
            Context::weighted(tasks, &chosen)?
        }
    };
    let alone = query.alone()?;
    let contexts: Vec<&Context> = std::iter::once(&context)
        .chain(alone.iter().map(|(_, alone)| alone))
        .collect();
    let (mut found, _) = query.find(&contexts, &mut passes)?;
    let by_alone = found.split_off(1);
    let probabilities = &found[0];
    let labels = probabilities.labels_on(source, &groups, options.threshold);
    let winners = probabilities.winners(&groups, options.threshold);
    let decided = decided(probabilities, &winners);
    let probabilities = found.pop().filter(|_| options.keep_probabilities);
    let confidences: Vec<Confidence> = query
        .agreements(&winners, &alone, by_alone)
        .into_iter()
        .zip(decided)
        .map(|(agreement, decided)| Confidence {
            agreement,
            ..decided
        })
        .collect();
    Ok(Segmented {
        segments: described(tasks, &labels, &context, &confidences, options),
        labels,
        tasks: tasks
            .iter()
            .map(|task| (task.name.clone(), version(task, options)))
            .collect(),
        probabilities,
    })
}

/// Passes of the network over the query, for whoever watches.
struct Passes<'p> {
    done: usize,
    all: usize,
    progress: &'p mut dyn FnMut(usize, usize),
}

/// A volume on the network's grid and how it is segmented.
struct Query<'q> {
    tasks: &'q [LoadedTask],
    iris: &'q Iris,
    input: &'q NetworkInput,
    groups: &'q [Group],
    options: &'q SegmentOptions,
}

impl Query<'_> {
    /// Probabilities by each of some contexts, by the places of their references, specks and what lies beside a structure
    /// of one piece taken out, within the box that holds them all.
    fn find(
        &self,
        contexts: &[&Context],
        passes: &mut Passes<'_>,
    ) -> Result<(Vec<Probabilities>, Extent), SegmentError> {
        let options = self.options;
        let (before, all) = (passes.done, passes.all);
        let mut progress = |done: usize, windows: usize| {
            (passes.progress)(before * windows + done, all * windows);
        };
        let image = &self.input.image;
        let embeddings: Vec<&TaskEmbedding> =
            contexts.iter().map(|context| &context.embedding).collect();
        let found = self
            .iris
            .segment_each(image, &embeddings, &options.window, &mut progress)?;
        passes.done += 1;
        let one_piece: Vec<bool> = self
            .tasks
            .iter()
            .flat_map(|task| task.in_one_piece.iter().copied())
            .collect();
        let grid = &self.input.geometry;
        let extent = if options.keep_probabilities {
            Extent::whole(grid)
        } else {
            Extent::of(&found, grid, LIKELY.min(options.threshold))?
        };
        let mut all = Vec::with_capacity(found.each.len());
        for (each, context) in found.each.into_iter().zip(contexts) {
            let mut probabilities = extent.probabilities(each, found.start, grid)?;
            let strays = |of: &Probabilities, winners: &[Vec<u16>]| {
                of.strays(winners, options.least_part, &one_piece)
            };
            let winners = probabilities.winners(self.groups, options.threshold);
            let mut found_strays = strays(&probabilities, &winners);
            if have_places(self.tasks) {
                let kept = without(winners, &found_strays);
                let weights = &context.weights;
                if by_place(&mut probabilities, &kept, self.tasks, weights) {
                    let winners = probabilities.winners(self.groups, options.threshold);
                    found_strays = strays(&probabilities, &winners);
                }
            }
            probabilities.take_out(&found_strays);
            all.push(probabilities);
        }
        Ok((all, extent))
    }

    /// What the confidence compares with: every segment by one reference, then by another, where there are several.
    fn alone(&self) -> Result<Vec<(Chosen, Context)>, SegmentError> {
        let most = showing(self.tasks).into_iter().max().unwrap_or(0);
        let comparisons = if most < 2 {
            0
        } else {
            most.min(self.options.compare)
        };
        (0..comparisons)
            .map(|nth| {
                let chosen = nth_shown(self.tasks, nth);
                let context = Context::weighted(self.tasks, &chosen)?;
                Ok((chosen, context))
            })
            .collect()
    }

    /// [`Confidence::agreement`] of every class: of `winners` with what was found by each of `alone`.
    fn agreements(
        &self,
        winners: &[Vec<u16>],
        alone: &[(Chosen, Context)],
        found: Vec<Probabilities>,
    ) -> Vec<Option<f64>> {
        let showing = showing(self.tasks);
        let mut sums = vec![(0.0, 0.0); showing.len()];
        for ((chosen, _), found) in alone.iter().zip(found) {
            let found = found.winners(self.groups, self.options.threshold);
            let overlaps = overlaps(self.groups, winners, &found);
            for (class, overlap) in overlaps.into_iter().enumerate() {
                if chosen[class].is_some() && showing[class] > 1 {
                    sums[class].0 += overlap;
                    sums[class].1 += 1.0;
                }
            }
        }
        let mean = |(sum, count): (f64, f64)| (count > 0.0).then(|| sum / count);
        sums.into_iter().map(mean).collect()
    }

    /// What was found in a box as masks `[K, D, H, W]` of all that the network saw, 1 or 0.
    fn masks(&self, found: &Probabilities, extent: Extent) -> Result<Tensor, SegmentError> {
        let winners = found.winners(self.groups, self.options.threshold);
        let mut masks = Vec::with_capacity(found.classes);
        for (group, won) in self.groups.iter().zip(&winners) {
            for label in (group.first_label()..).take(group.classes.len()) {
                let mask: Vec<f32> = won
                    .iter()
                    .map(|&won| f32::from(u8::from(won == label)))
                    .collect();
                masks.push(extent.mask_on(&mask, &self.input.geometry)?);
            }
        }
        Ok(Tensor::f_stack(&masks, 0)?)
    }
}

fn groups(tasks: &[LoadedTask]) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut first = 0;
    for task in tasks {
        let all = first..first + task.segments.len();
        first = all.end;
        if task.exclusive {
            groups.push(Group { classes: all });
        } else {
            groups.extend(all.map(|class| Group {
                classes: class..class + 1,
            }));
        }
    }
    groups
}

/// The version of a task's part in a result: results of one strategy must not pass for those of another.
fn version(task: &LoadedTask, options: &SegmentOptions) -> String {
    let untuned = &task.untuned_version;
    let strategy = options.strategy.name();
    match options.strategy {
        Strategy::Tuned => task.version.clone(),
        Strategy::OneShot | Strategy::Ensemble => format!("{untuned} {strategy}"),
        Strategy::Retrieval | Strategy::ImageRetrieval => {
            format!("{untuned} {strategy} of {}", options.retrieve.max(1))
        }
    }
}

/// Every segment of the result; `confidences` of all classes lack their volumes still.
fn described(
    tasks: &[LoadedTask],
    labels: &LabelRuns,
    context: &Context,
    confidences: &[Confidence],
    options: &SegmentOptions,
) -> Vec<ResultSegment> {
    let voxel_ml = labels.geometry().voxel_mm3() / 1000.0;
    let tally = tally(labels, u16::try_from(confidences.len()).unwrap_or(u16::MAX));
    classes(tasks)
        .zip(1u16..)
        .zip(&context.weights)
        .zip(confidences)
        .map(|((((task, task_segment), number), weights), confidence)| {
            let at = usize::from(task_segment) - 1;
            let found = tally[usize::from(number)];
            let volume_ml = found.voxels as f64 * voxel_ml;
            let whole = task.references.iter().filter_map(|r| r.whole_ml[at]);
            let confidence_parts = if found.voxels == 0 {
                // Too small for the source grid, or not there.
                Confidence::default()
            } else {
                Confidence {
                    volume: (!found.at_edge)
                        .then(|| plausible(volume_ml, whole))
                        .flatten(),
                    ..*confidence
                }
            };
            ResultSegment {
                number,
                description: task.segments[at].clone(),
                task: task.name.clone(),
                task_version: version(task, options),
                task_segment,
                weights: weights.clone(),
                references: task.references.iter().map(|r| r.hash.clone()).collect(),
                confidence: confidence_parts.overall(),
                confidence_parts,
                voxels: found.voxels,
                volume_ml,
                slices: found.slices,
            }
        })
        .collect()
}
