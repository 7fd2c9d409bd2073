//! Everything that decides how a training run goes.

use super::{Augmentation, Schedule, UpdateRule};
use crate::iris::IrisConfig;
use serde::{Deserialize, Serialize};
use tch::Kind;

/// Everything that decides how a run goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// The network.
    pub network: IrisConfig,
    /// Seed of weights, episodes and perturbations.
    pub seed: u64,
    /// Learning rate over the run.
    pub schedule: Schedule,
    /// How gradients become steps.
    #[serde(default)]
    pub optimiser: UpdateRule,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Gradient norm above which the gradient is scaled down.
    pub clip: f64,
    /// Decay of the running mean of the weights.
    pub mean_decay: f64,
    /// Standard deviation of the noise on the task embedding, relative to its own.
    pub perturbation: f64,
    /// Most that a foreground voxel counts in the cross-entropy at first; it falls to 1 over the run.
    #[serde(default = "most_weight_at_first")]
    pub most_weight: f64,
    /// Weight of the loss at the decoder's coarser stages, on masks of their resolution; 0 for none (deep supervision).
    #[serde(default)]
    pub deep_supervision: f64,
    /// Episodes whose gradients make one step; each is two queries, one for either image (paper: 32 queries). They go
    /// through the network one after the other, so that memory does not depend on it, unless some are `alike`.
    #[serde(default = "one_episode")]
    pub batch: u64,
    /// Episodes of a batch that are drawn alike, in size and number of classes, and go through the network as one: what
    /// a GPU needs to be busy. Divides `batch`.
    #[serde(default = "one_episode")]
    pub alike: u64,
    /// Columns, rows and slices of the patches of episodes, multiples of the stride, one of which is drawn for each;
    /// the usual ones when empty.
    #[serde(default)]
    pub patches: Vec<[usize; 3]>,
    /// Most classes of an episode.
    #[serde(default = "usual_most_classes")]
    pub most_classes: usize,
    /// Share of the drawn episodes whose reference and query differ in contrast.
    #[serde(default = "usual_unlike_contrasts")]
    pub unlike_contrasts: f64,
    /// What is done to the intensities of episodes.
    #[serde(default)]
    pub augmentation: Augmentation,
    /// What convolutions compute in; weights, attention and the loss stay float32.
    #[serde(default)]
    pub precision: Precision,
    /// Threads that draw episodes.
    pub threads: usize,
    /// Validation episodes.
    pub validation: u64,
    /// Steps between validations.
    pub validate_every: u64,
}

/// What convolutions compute in while training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Full precision.
    #[default]
    Float32,
    /// Mixed precision: half the memory, and more than twice the speed where the processor has bfloat16.
    Bfloat16,
}

impl Precision {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Float32 => Kind::Float,
            Self::Bfloat16 => Kind::BFloat16,
        }
    }
}

fn most_weight_at_first() -> f64 {
    12.0
}

fn one_episode() -> u64 {
    1
}

fn usual_most_classes() -> usize {
    8
}

fn usual_unlike_contrasts() -> f64 {
    0.2
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            network: IrisConfig::small(),
            seed: 1,
            schedule: Schedule {
                peak: 1e-3,
                warm_up: 50,
                steps: 3000,
                minutes: None,
            },
            optimiser: UpdateRule::AdamW,
            weight_decay: 1e-5,
            clip: 1.0,
            mean_decay: 0.99,
            perturbation: 0.05,
            most_weight: most_weight_at_first(),
            deep_supervision: 0.0,
            batch: one_episode(),
            alike: one_episode(),
            patches: Vec::new(),
            most_classes: usual_most_classes(),
            unlike_contrasts: usual_unlike_contrasts(),
            augmentation: Augmentation::default(),
            precision: Precision::Bfloat16,
            threads: 2,
            validation: 12,
            validate_every: 150,
        }
    }
}

impl TrainConfig {
    /// Why nothing can be trained like this, if so.
    pub(super) fn problem(&self) -> Option<String> {
        let stride = self.network.stride();
        let fits = |&n: &usize| (1..=1024).contains(&n) && n as i64 % stride == 0;
        if !self.patches.iter().flatten().all(fits) {
            return Some(format!(
                "`patches` must be columns, rows and slices, each a multiple of the stride {stride} and at most 1024"
            ));
        }
        if !(1..=4096).contains(&self.batch) {
            return Some("`batch` must lie between 1 and 4096".into());
        }
        if self.alike < 1 || !self.batch.is_multiple_of(self.alike) {
            return Some("`alike` must divide `batch`".into());
        }
        if self
            .schedule
            .minutes
            .is_some_and(|m| !m.is_finite() || m <= 0.0)
        {
            return Some("`minutes` of the schedule must be more than 0".into());
        }
        if !(2..=256).contains(&self.most_classes) {
            return Some("`most_classes` must lie between 2 and 256".into());
        }
        self.network.problem()
    }
}
