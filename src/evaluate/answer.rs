//! How each method answers: labels of the query.

use tch::Tensor;

use super::ablation::with_down_sampled_foreground;
use super::baseline::Baselines;
use super::case::{Case, CaseReference, EvaluateError, EvaluateOptions};
use super::cost::{Cost, measured};
use super::method::Method;
use crate::iris::{Iris, TaskEmbedding};
use crate::preprocess::network_input;
use crate::segment::{SegmentError, SegmentOptions, Segmented, Strategy, segment_volume};
use crate::tasks::{LoadedTask, Selection, TaskLibrary, masks};
use crate::volume::LabelVolume;

/// The case's task with its first reference only, and with all of them.
const FIRST: &str = "first";
const ALL: &str = "all";

/// What a method found.
pub(super) struct Answer {
    /// On the query's grid; segment `i` of the case is number `i + 1`.
    pub(super) labels: LabelVolume,
    /// How sure the network is of each segment, without knowing; none where that is not asked.
    pub(super) confidences: Vec<f64>,
    /// What this query cost, the references having been made ready before.
    pub(super) cost: Cost,
}

/// A case whose references are taught, ready to be answered by any method.
pub(super) struct Taught<'a> {
    case: &'a Case,
    iris: &'a Iris,
    options: &'a EvaluateOptions,
    library: TaskLibrary,
    /// The library's folder, private to its owner, goes with this.
    _folder: tempfile::TempDir,
    /// SHA-256 of each reference.
    pub(super) hashes: Vec<String>,
}

/// A reference as the network takes it.
struct Input {
    /// `[D, H, W]`
    image: Tensor,
    /// `[k, D, H, W]`
    masks: Tensor,
    /// The class of each mask, from 0.
    classes: Vec<usize>,
}

impl<'a> Taught<'a> {
    /// Teaches the references in a temporary library.
    pub(super) fn new(
        case: &'a Case,
        iris: &'a Iris,
        options: &'a EvaluateOptions,
    ) -> Result<Self, EvaluateError> {
        let folder = tempfile::tempdir().map_err(EvaluateError::Folder)?;
        let library = TaskLibrary::open(folder.path())?;
        let Some((first, further)) = case.references.split_first() else {
            return Err(EvaluateError::NoReference);
        };
        let add = |name| library.add(name, true, &first.selections, first.reference.clone());
        let mut task = add(FIRST)?;
        if !further.is_empty() {
            add(ALL)?;
        }
        for next in further {
            task = library.add_reference(ALL, &next.selections, next.reference.clone())?;
        }
        Ok(Self {
            case,
            iris,
            options,
            library,
            _folder: folder,
            hashes: task.references.into_iter().map(|r| r.hash).collect(),
        })
    }

    /// Answers by a method; `None` where the case has one reference and the method needs several.
    ///
    pub(super) fn answer(&self, method: Method) -> Result<Option<Answer>, EvaluateError> {
        if method.needs_several_references() && self.case.references.len() < 2 {
            return Ok(None);
        }
        let spacing = self.iris.config().spacing_mm;
        let numbers = (1u16..).take(self.case.segments().len());
        Ok(Some(match method {
            Method::OneShot => self.by_task(self.first()?, Strategy::OneShot)?,
            Method::Ensemble => self.by_task(self.all()?, Strategy::Ensemble)?,
            Method::ImageRetrieval => self.by_task(self.all()?, Strategy::ImageRetrieval)?,
            Method::Retrieval => self.by_task(self.all()?, Strategy::Retrieval)?,
            Method::Tuned => self.by_task(self.tuned()?, Strategy::Tuned)?,
            Method::ReEncoded => self.re_encoded()?,
            Method::EveryPart => self.by_task(every_part(self.first()?), Strategy::OneShot)?,
            Method::Anywhere => self.by_task(anywhere(self.first()?), Strategy::OneShot)?,
            Method::ClassByClass => self.class_by_class()?,
            Method::DownSampled => self.down_sampled()?,
            Method::Copied => self.by_baseline(|pair| pair.copied()),
            Method::Threshold => {
                self.by_baseline(|pair| pair.threshold(&numbers.collect::<Vec<_>>()))
            }
            Method::Registered => self.by_baseline(|pair| pair.registered(spacing)),
        }))
    }

    fn first(&self) -> Result<LoadedTask, EvaluateError> {
        Ok(self.library.load(FIRST, self.iris)?)
    }

    fn all(&self) -> Result<LoadedTask, EvaluateError> {
        Ok(self.library.load(self.name_of_all(), self.iris)?)
    }

    fn name_of_all(&self) -> &'static str {
        match self.case.references.len() {
            1 => FIRST,
            _ => ALL,
        }
    }

    /// The task of all references, tuned; the library forgets it again.
    fn tuned(&self) -> Result<LoadedTask, EvaluateError> {
        let name = self.name_of_all();
        let tuned = self
            .library
            .tune(name, self.iris, &self.options.tune, &mut |_, _, _| {})?;
        self.library.untune(name, self.iris.weights_hash())?;
        Ok(tuned)
    }

    fn by_task(&self, task: LoadedTask, strategy: Strategy) -> Result<Answer, EvaluateError> {
        let (found, cost) = measured(|| self.segmented(&[task], strategy));
        let found = found?;
        Ok(Answer {
            labels: found.labels.to_volume(),
            confidences: found.segments.iter().map(|s| s.confidence).collect(),
            cost,
        })
    }

    /// The query segmented by the code that the node runs.
    ///
    /// References are not compared for the confidence: that takes passes of its own, which are no part of the cost.
    fn segmented(
        &self,
        tasks: &[LoadedTask],
        strategy: Strategy,
    ) -> Result<Segmented, SegmentError> {
        let options = SegmentOptions {
            strategy,
            retrieve: self.options.retrieve,
            compare: 0,
            ..SegmentOptions::default()
        };
        let (query, modality) = (&self.case.query, self.case.modality.as_str());
        segment_volume(query, modality, tasks, self.iris, &options, &mut |_, _| {})
    }

    /// With an embedding of its own in place of what the library would take.
    fn with_embedding(task: LoadedTask, embedding: TaskEmbedding) -> LoadedTask {
        LoadedTask { embedding, ..task }
    }

    fn re_encoded(&self) -> Result<Answer, EvaluateError> {
        let inputs = self
            .case
            .references
            .iter()
            .map(|reference| self.input(reference))
            .collect::<Result<Vec<_>, _>>()?;
        let task = self.all()?;
        let (labels, cost) = measured(|| {
            let task = Self::with_embedding(task, self.mean_of_encoded(&inputs)?);
            Ok::<_, EvaluateError>(self.segmented(&[task], Strategy::Tuned)?.labels.to_volume())
        });
        Ok(Answer {
            labels: labels?,
            confidences: Vec::new(),
            cost,
        })
    }

    /// Encodes references and takes the mean of each class over those that show it.
    fn mean_of_encoded(&self, inputs: &[Input]) -> Result<TaskEmbedding, EvaluateError> {
        let mut of_class: Vec<Vec<Tensor>> = Vec::new();
        of_class.resize_with(self.case.segments().len(), Vec::new);
        for input in inputs {
            let encoded = self.iris.embed_reference(&input.image, &input.masks)?;
            for (row, &class) in input.classes.iter().enumerate() {
                of_class[class].push(encoded.tensor().f_get(row as i64)?);
            }
        }
        let means = of_class
            .iter()
            .map(|shown| Tensor::f_stack(shown, 0)?.f_mean_dim([0i64].as_slice(), false, None))
            .collect::<Result<Vec<_>, _>>()?;
        self.embedding(&Tensor::f_stack(&means, 0)?)
    }

    fn embedding(&self, tensor: &Tensor) -> Result<TaskEmbedding, EvaluateError> {
        let embedding = TaskEmbedding::new(tensor, self.iris.weights_hash());
        Ok(embedding.map_err(crate::iris::InferenceError::Embedding)?)
    }

    /// A pass for each class; where classes overlap, both keep the voxel.
    fn class_by_class(&self) -> Result<Answer, EvaluateError> {
        let mut tasks = Vec::new();
        for class in 0..self.case.segments().len() {
            let task = self.first()?;
            let row = task.embedding.tensor().f_narrow(0, class as i64, 1)?;
            let segments = vec![task.segments[class].clone()];
            let in_one_piece = vec![task.in_one_piece[class]];
            // Alone it has no others to go by.
            let task = LoadedTask {
                segments,
                in_one_piece,
                references: Vec::new(),
                ..task
            };
            tasks.push(Self::with_embedding(task, self.embedding(&row)?));
        }
        let (layers, cost) = measured(|| {
            let mut layers = Vec::new();
            for (number, task) in (1u16..).zip(tasks) {
                let found = self.segmented(&[task], Strategy::Tuned)?.labels;
                let mut found = found.to_volume();
                found.renumber(|_| number);
                layers.extend(found.layers);
            }
            Ok::<_, SegmentError>(layers)
        });
        Ok(Answer {
            labels: LabelVolume {
                geometry: self.case.query.geometry.clone(),
                layers: layers?,
            },
            confidences: Vec::new(),
            cost,
        })
    }

    fn down_sampled(&self) -> Result<Answer, EvaluateError> {
        let input = self.input(self.first_reference()?)?;
        let embedding = with_down_sampled_foreground(self.iris, &input.image, &input.masks)?;
        let task = Self::with_embedding(self.first()?, embedding);
        self.by_task(task, Strategy::Tuned)
    }

    fn first_reference(&self) -> Result<&CaseReference, EvaluateError> {
        self.case
            .references
            .first()
            .ok_or(EvaluateError::NoReference)
    }

    fn by_baseline(&self, answer: impl FnOnce(&Baselines) -> LabelVolume) -> Answer {
        let first = &self.case.references[0];
        let labels = numbered(first, self.case.segments());
        let pair = Baselines {
            reference: (&first.reference.image, &first.reference.modality),
            labels: &labels,
            query: (&self.case.query, &self.case.modality),
        };
        let (labels, cost) = measured(|| answer(&pair));
        Answer {
            labels,
            confidences: Vec::new(),
            cost,
        }
    }

    fn input(&self, from: &CaseReference) -> Result<Input, EvaluateError> {
        let reference = &from.reference;
        let spacing = self.iris.config().spacing_mm;
        let input = network_input(&reference.image, &reference.modality, spacing)
            .map_err(SegmentError::Preprocess)?;
        let labels = numbered(from, self.case.segments());
        let mut numbers: Vec<u16> = from
            .selections
            .iter()
            .filter_map(|selection| number_of(selection, self.case.segments()))
            .collect();
        numbers.sort_unstable();
        Ok(Input {
            masks: masks(&labels, &numbers, &input.geometry)?,
            image: input.image,
            classes: numbers.iter().map(|&n| usize::from(n) - 1).collect(),
        })
    }
}

/// The number of a reference's selection among the case's segments.
fn number_of(selection: &Selection, segments: &[Selection]) -> Option<u16> {
    let label = &selection.description.label;
    let same = |segment: &Selection| crate::tasks::same_name(&segment.description.label, label);
    let at = segments.iter().position(same)?;
    u16::try_from(at + 1).ok()
}

/// The selected labels of a reference on its image's grid, numbered as the case's segments.
fn numbered(from: &CaseReference, segments: &[Selection]) -> LabelVolume {
    let mut labels = from.reference.labels.clone();
    labels.renumber(|label| {
        let selection = from.selections.iter().find(|s| s.value == label);
        selection
            .and_then(|selection| number_of(selection, segments))
            .unwrap_or(0)
    });
    labels
}

/// As if the references did not say where segments are.
fn anywhere(mut task: LoadedTask) -> LoadedTask {
    for reference in &mut task.references {
        reference.places.clear();
    }
    task
}

/// As if the references did not say which segments are one piece.
fn every_part(task: LoadedTask) -> LoadedTask {
    LoadedTask {
        in_one_piece: vec![false; task.segments.len()],
        ..task
    }
}
