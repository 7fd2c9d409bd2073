//! One volume, several tasks, one pass of the network.

use tch::Tensor;

use super::SegmentError;
use super::measure::tally;
use super::source_grid::{Group, Probabilities};
use crate::iris::{Iris, SlidingWindow, TaskEmbedding};
use crate::preprocess;
use crate::tasks::LoadedTask;
use crate::terminology::SegmentDescription;
use crate::volume::{LabelVolume, Volume};

/// How a volume is segmented.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentOptions {
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
    /// Version of that task.
    pub task_version: String,
    /// Its number in the task, from 1.
    pub task_segment: u16,
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
}

/// Segments a volume by all tasks in one pass.
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
    let embeddings: Vec<&TaskEmbedding> = tasks.iter().map(|task| &task.embedding).collect();
    let embedding =
        TaskEmbedding::concat(&embeddings).map_err(|source| SegmentError::Embedding {
            tasks: tasks
                .iter()
                .map(|task| task.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            source,
        })?;
    let input = preprocess::network_input(volume, modality, iris.config().spacing_mm)?;
    let found = iris.segment(&input.image, &embedding, &options.window, progress)?;
    let mut probabilities = Probabilities {
        values: classes_last(&found)?,
        geometry: input.geometry,
        classes,
    };
    drop(found);
    let groups = groups(tasks);
    probabilities.remove_specks(&groups, options.threshold, options.least_part);
    let labels = probabilities.labels_on(&volume.geometry, &groups, options.threshold);
    drop(probabilities);
    let segments = described(tasks, &labels);
    Ok(Segmented { labels, segments })
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

fn described(tasks: &[LoadedTask], labels: &LabelVolume) -> Vec<ResultSegment> {
    let voxel_ml = labels.geometry.voxel_mm3() / 1000.0;
    let classes: usize = tasks.iter().map(|task| task.segments.len()).sum();
    let tally = tally(labels, u16::try_from(classes).unwrap_or(u16::MAX));
    let all = tasks.iter().flat_map(|task| {
        let numbered = task.segments.iter().zip(1u16..);
        numbered.map(move |(description, task_segment)| (task, description, task_segment))
    });
    all.zip(1u16..)
        .map(|((task, description, task_segment), number)| {
            let found = tally[usize::from(number)];
            ResultSegment {
                number,
                description: description.clone(),
                task: task.name.clone(),
                task_version: task.version.clone(),
                task_segment,
                voxels: found.voxels,
                volume_ml: found.voxels as f64 * voxel_ml,
                slices: found.slices,
            }
        })
        .collect()
}
