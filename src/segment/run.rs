//! One volume, several tasks, one pass of the network (two where the strategy looks at the query first).

use tch::Tensor;

use super::context::{Context, by_image, by_object};
use super::measure::tally;
use super::source_grid::{Group, Probabilities};
use super::{SegmentError, Strategy};
use crate::iris::{Iris, SlidingWindow, TaskEmbedding};
use crate::preprocess::{self, NetworkInput};
use crate::tasks::LoadedTask;
use crate::terminology::SegmentDescription;
use crate::volume::{LabelVolume, Volume};

/// How a volume is segmented.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentOptions {
    /// Which references the query meets, and how they become one embedding.
    pub strategy: Strategy,
    /// By either retrieval: most references that count for a segment, 1 or more.
    pub retrieve: usize,
    /// How the volume is cut for the network.
    pub window: SlidingWindow,
    /// A voxel belongs to a segment when its probability is greater than this.
    pub threshold: f32,
    /// Connected parts of a segment smaller than this share of its largest part are taken out; 0 keeps all.
    ///
    /// The default, 1 %, removes stray voxels and keeps every part that could be a finding beside another.
    pub least_part: f64,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            retrieve: 3,
            window: SlidingWindow::default(),
            threshold: 0.5,
            least_part: 0.01,
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
    pub labels: LabelVolume,
    /// Every segment of every task, found or not, in the order of the tasks.
    pub segments: Vec<ResultSegment>,
    /// Name and version of each task that ran; the version tells the strategy too where that is not the default.
    pub tasks: Vec<(String, String)>,
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
    let classes: usize = tasks.iter().map(|task| task.segments.len()).sum();
    if classes == 0 {
        return Err(SegmentError::NoTask);
    }
    if classes > usize::from(u16::MAX) {
        return Err(SegmentError::TooManySegments(classes));
    }
    let start = Context::of_references(tasks, options.strategy)?;
    let input = preprocess::network_input(volume, modality, iris.config().spacing_mm)?;
    let groups = groups(tasks);
    let query = Query {
        iris,
        input: &input,
        groups: &groups,
        options,
    };
    let context = match options.strategy {
        Strategy::OneShot | Strategy::Ensemble | Strategy::Tuned => start,
        Strategy::ImageRetrieval => {
            Context::weighted(tasks, &by_image(tasks, iris, &input.image, options)?)?
        }
        Strategy::Retrieval => {
            let provisional = query.find(&start.embedding, &mut |done, all| {
                progress(done, 2 * all);
            })?;
            let masks = query.masks(&provisional)?;
            drop(provisional);
            let chosen = by_object(tasks, iris, &input.image, &masks, options)?;
            Context::weighted(tasks, &chosen)?
        }
    };
    let probabilities = query.find(&context.embedding, &mut |done, all| {
        if options.strategy == Strategy::Retrieval {
            progress(all + done, 2 * all);
        } else {
            progress(done, all);
        }
    })?;
    let labels = probabilities.labels_on(&volume.geometry, &groups, options.threshold);
    drop(probabilities);
    Ok(Segmented {
        segments: described(tasks, &labels, &context, options),
        labels,
        tasks: tasks
            .iter()
            .map(|task| (task.name.clone(), version(task, options)))
            .collect(),
    })
}

/// A volume on the network's grid and how it is segmented.
struct Query<'q> {
    iris: &'q Iris,
    input: &'q NetworkInput,
    groups: &'q [Group],
    options: &'q SegmentOptions,
}

impl Query<'_> {
    /// Probabilities by an embedding, specks taken out.
    fn find(
        &self,
        embedding: &TaskEmbedding,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Probabilities, SegmentError> {
        let options = self.options;
        let found = self
            .iris
            .segment(&self.input.image, embedding, &options.window, progress)?;
        let mut probabilities = Probabilities {
            values: classes_last(&found)?,
            geometry: self.input.geometry.clone(),
            classes: embedding.classes(),
        };
        drop(found);
        probabilities.remove_specks(self.groups, options.threshold, options.least_part);
        Ok(probabilities)
    }

    /// What was found as masks `[K, D, H, W]`, 1 or 0.
    fn masks(&self, found: &Probabilities) -> Result<Tensor, SegmentError> {
        let winners = found.winners(self.groups, self.options.threshold);
        let mut masks = Vec::with_capacity(found.classes);
        for (group, won) in self.groups.iter().zip(&winners) {
            for label in (group.first_label()..).take(group.classes.len()) {
                let mask: Vec<f32> = won
                    .iter()
                    .map(|&won| f32::from(u8::from(won == label)))
                    .collect();
                masks.push(Tensor::from_slice(&mask));
            }
        }
        let [w, h, d] = found.geometry.size.map(|n| n as i64);
        Ok(Tensor::f_stack(&masks, 0)?.f_view([found.classes as i64, d, h, w])?)
    }
}

/// `[K, D, H, W]` → the values of `[D, H, W, K]`.
fn classes_last(probabilities: &Tensor) -> Result<Vec<f32>, tch::TchError> {
    let turned = probabilities.f_permute([1, 2, 3, 0])?.f_contiguous()?;
    Vec::<f32>::try_from(turned.f_view([-1])?)
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

fn described(
    tasks: &[LoadedTask],
    labels: &LabelVolume,
    context: &Context,
    options: &SegmentOptions,
) -> Vec<ResultSegment> {
    let voxel_ml = labels.geometry.voxel_mm3() / 1000.0;
    let classes: usize = tasks.iter().map(|task| task.segments.len()).sum();
    let tally = tally(labels, u16::try_from(classes).unwrap_or(u16::MAX));
    let all = tasks.iter().flat_map(|task| {
        let numbered = task.segments.iter().zip(1u16..);
        numbered.map(move |(description, task_segment)| (task, description, task_segment))
    });
    all.zip(1u16..)
        .zip(&context.weights)
        .map(|(((task, description, task_segment), number), weights)| {
            let found = tally[usize::from(number)];
            ResultSegment {
                number,
                description: description.clone(),
                task: task.name.clone(),
                task_version: version(task, options),
                task_segment,
                weights: weights.clone(),
                voxels: found.voxels,
                volume_ml: found.voxels as f64 * voxel_ml,
                slices: found.slices,
            }
        })
        .collect()
}
