//! The training loop.

use super::checkpoint::{self, CheckpointError};
use super::{
    Episode, EpisodeSource, Episodes, Optimiser, TrainConfig, dice_cross_entropy, hard_dice,
};
use crate::iris::Iris;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};

/// Validation episodes are numbered from here: no training run reaches them.
const VALIDATION: u64 = 1 << 40;

/// Why training stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The network cannot be built, or there is nothing to train it on.
    #[error("the training configuration is not possible: {0}")]
    Config(String),
    /// A checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A thread that draws episodes died.
    #[error("drawing episodes failed")]
    Episodes,
    /// libtorch failed.
    #[error("the network failed: {0}")]
    Torch(#[from] tch::TchError),
}

/// What a person wants to see while it trains.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Mean loss since the last report.
    pub loss: f64,
    /// Mean Dice of training episodes since the last report.
    pub train_dice: f64,
    /// Dice on the fixed validation episodes with the mean weights, when just measured.
    pub validation_dice: Option<f64>,
    /// Learning rate.
    pub rate: f64,
    /// Steps per second since the last report.
    pub steps_per_second: f64,
}

/// A run: a network, the running mean of its weights, the optimiser.
#[derive(Debug)]
pub struct Trainer {
    config: TrainConfig,
    iris: Iris,
    mean: Iris,
    optimiser: Optimiser,
    step: u64,
    /// Share of the run that is over, 0 to 1.
    done: f64,
}

impl Trainer {
    /// A fresh run.
    pub fn new(config: TrainConfig, device: Device) -> Result<Self, TrainError> {
        if let Some(problem) = config.problem() {
            return Err(TrainError::Config(problem));
        }
        tch::manual_seed(config.seed as i64);
        let iris = Iris::new(config.network.clone(), device);
        let mean = Iris::new(config.network.clone(), device);
        copy(&iris, &mean);
        let optimiser = Optimiser::new(config.optimiser);
        Ok(Self {
            config,
            iris,
            mean,
            optimiser,
            step: 0,
            done: 0.0,
        })
    }

    /// A fresh run (schedule and optimiser begin anew) from the weights of another.
    pub fn starting_from(config: TrainConfig, weights: &Iris) -> Result<Self, TrainError> {
        if weights.config() != &config.network {
            return Err(TrainError::Config(
                "the weights to start from have another network".into(),
            ));
        }
        let trainer = Self::new(config, weights.device())?;
        copy(weights, &trainer.iris);
        copy(weights, &trainer.mean);
        Ok(trainer)
    }

    /// Goes on from a checkpoint of the same network and seed.
    pub fn resume(config: TrainConfig, device: Device, path: &Path) -> Result<Self, TrainError> {
        if config.schedule.minutes.is_some() {
            return Err(TrainError::Config(
                "a run whose schedule is of `minutes` cannot be resumed; begin another from its weights (--start-from), or in another folder".into(),
            ));
        }
        let mut trainer = Self::new(config, device)?;
        let (optimiser, step) =
            checkpoint::load(path, &trainer.config, &trainer.iris, &trainer.mean)?;
        trainer.optimiser = optimiser;
        trainer.step = step;
        Ok(trainer)
    }

    /// Writes a checkpoint.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        Ok(checkpoint::save(
            path,
            &self.config,
            &self.iris,
            &self.mean,
            &self.optimiser,
            self.step,
        )?)
    }

    /// Steps done.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// The network as it will be shipped: the running mean of the weights.
    pub fn mean(&self) -> &Iris {
        &self.mean
    }

    /// Trains until the schedule ends or `report` says stop (`false`); `report` is called every
    /// `report_every` of wall time and after each validation.
    pub fn run(
        &mut self,
        source: Arc<dyn EpisodeSource>,
        report_every: Duration,
        report: &mut dyn FnMut(&Self, &Progress) -> bool,
    ) -> Result<(), TrainError> {
        let device = self.iris.device();
        let validation: Vec<Episode> = (0..self.config.validation)
            .map(|i| source.episode(VALIDATION + i).on(device))
            .collect();
        let (batch, alike) = (self.config.batch, self.config.alike);
        let first = self.step * batch;
        let mut episodes = Episodes::start(source, first, self.config.threads, 4, device);
        let weights = self.iris.weights_in_order();
        // On the device: reading them each time would make this thread wait for the card, which then waits for it.
        let nothing = || Tensor::zeros([2], (Kind::Float, device));
        let (mut sums, mut since, mut last) = (nothing(), 0u64, Instant::now());
        let started = Instant::now();
        let schedule = self.config.schedule.clone();
        let done = |step| schedule.done(step, started.elapsed());
        self.done = done(self.step);
        while self.done < 1.0 {
            clear_gradients(&weights);
            for number in (0..batch).step_by(alike as usize) {
                let together: Option<Vec<Episode>> = (0..alike).map(|_| episodes.next()).collect();
                let together = together.ok_or(TrainError::Episodes)?;
                sums += self.learn_from(&together, self.step * batch + number)?;
            }
            self.step(&weights);
            since += 1;
            self.done = done(self.step);
            let validate = self.config.validate_every > 0
                && (self.step.is_multiple_of(self.config.validate_every) || self.done >= 1.0);
            if validate || last.elapsed() >= report_every {
                let seconds = last.elapsed().as_secs_f64().max(1e-9);
                let episodes = (since * batch) as f64;
                let progress = Progress {
                    step: self.step,
                    loss: sums.f_double_value(&[0])? / episodes,
                    train_dice: sums.f_double_value(&[1])? / episodes,
                    validation_dice: if validate {
                        Some(self.validate(&validation)?)
                    } else {
                        None
                    },
                    rate: schedule.rate(self.step, self.done),
                    steps_per_second: since as f64 / seconds,
                };
                let _ = sums.f_zero_()?;
                (since, last) = (0, Instant::now());
                if !report(self, &progress) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Adds the gradients of episodes, their share of the batch, to the weights'; the sums of their loss and mean
    /// Dice, `[2]`. `number` is the first one's.
    fn learn_from(&self, episodes: &[Episode], number: u64) -> Result<Tensor, TrainError> {
        let first = episodes.first().ok_or(TrainError::Episodes)?;
        if !episodes.iter().all(|episode| episode.is_like(first)) {
            return Err(TrainError::Config(
                "episodes that should be `alike` differ in size or in their number of classes"
                    .into(),
            ));
        }
        // Perturbations depend on the episodes alone, so that a resumed run goes the same way.
        tch::manual_seed((self.config.seed.wrapping_mul(0x9E37_79B9) ^ number) as i64);
        let all = |part: fn(&Episode) -> &Tensor| {
            let each: Vec<&Tensor> = episodes.iter().map(part).collect();
            Tensor::cat(&each, 0)
        };
        let images = |part| all(part).to_kind(self.config.precision.kind());
        let masks = |part| all(part).to_kind(Kind::Float);
        let (reference, query) = (images(|e| &e.reference), images(|e| &e.query));
        let (reference_masks, query_masks) =
            (masks(|e| &e.reference_masks), masks(|e| &e.query_masks));
        let (stages, masks) = if reference.size() == query.size() {
            // Both ways round: each image teaches the other, from one pass of the encoder.
            let features = self.iris.encode(&Tensor::cat(&[reference, query], 0));
            let masks = Tensor::cat(&[reference_masks, query_masks], 0);
            let embedding = self
                .perturbed(&self.iris.embed(&features, &masks))
                .roll([episodes.len() as i64], [0]);
            (self.stages(&features, &embedding), masks)
        } else {
            let embedding = self.perturbed(&self.iris.encode_task(&reference, &reference_masks));
            (
                self.stages(&self.iris.encode(&query), &embedding),
                query_masks,
            )
        };
        let Some(logits) = stages.last() else {
            return Err(TrainError::Config("the network has no stages".into()));
        };
        let loss = self.loss(&stages, &masks);
        let share = episodes.len() as f64 / self.config.batch as f64;
        (&loss * share).f_backward()?;
        Ok(tch::no_grad(|| {
            let dice = hard_dice(logits, &masks).mean(None::<Kind>);
            Tensor::stack(&[loss.detach(), dice], 0) * episodes.len() as f64
        }))
    }

    /// One step of the optimiser by the gradients that are there.
    fn step(&mut self, weights: &[(String, Tensor)]) {
        let rate = self.config.schedule.rate(self.step, self.done);
        self.optimiser
            .step(weights, rate, self.config.weight_decay, self.config.clip);
        self.step += 1;
        self.average(weights);
    }

    /// The logits that the loss looks at, the finest last: those of every stage, or the finest alone.
    fn stages(&self, features: &[Tensor], embedding: &Tensor) -> Vec<Tensor> {
        match self.config.deep_supervision > 0.0 {
            true => self.iris.decode_stages(features, embedding),
            false => vec![self.iris.decode(features, embedding)],
        }
    }

    /// The loss at full resolution, and with deep supervision the mean of that at the coarser ones.
    ///
    /// A coarse voxel's mask is the share of it that is foreground.
    fn loss(&self, stages: &[Tensor], masks: &Tensor) -> Tensor {
        let at = |logits: &Tensor| {
            let size = &logits.size()[2..];
            let masks = match masks.size().ends_with(size) {
                true => masks.shallow_clone(),
                false => masks.adaptive_avg_pool3d(size),
            };
            dice_cross_entropy(logits, &masks, self.most_weight())
        };
        let Some((finest, coarser)) = stages.split_last() else {
            return Tensor::from(0.0);
        };
        let loss = at(finest);
        match coarser.is_empty() {
            true => loss,
            false => {
                let weight = self.config.deep_supervision / coarser.len() as f64;
                loss + coarser.iter().map(at).sum::<Tensor>() * weight
            }
        }
    }

    /// What a foreground voxel may count in this step.
    fn most_weight(&self) -> f64 {
        self.config.most_weight + (1.0 - self.config.most_weight) * self.done
    }

    /// A task embedding with noise, so that the decoder does not rely on its last digit.
    fn perturbed(&self, embedding: &Tensor) -> Tensor {
        let spread = tch::no_grad(|| embedding.std(false) * self.config.perturbation);
        embedding + embedding.randn_like() * spread
    }

    /// Moves the running mean toward the weights; faster at first, when they change most.
    fn average(&mut self, weights: &[(String, Tensor)]) {
        let decay = self
            .config
            .mean_decay
            .min((1.0 + self.step as f64) / (10.0 + self.step as f64));
        let mean = self.mean.variables().variables();
        tch::no_grad(|| {
            for (name, weight) in weights {
                if let Some(mean) = mean.get(name) {
                    let _ = mean.shallow_clone().lerp_(weight, 1.0 - decay);
                }
            }
        });
    }

    /// Mean Dice over the classes of the validation episodes, with the mean weights.
    fn validate(&self, episodes: &[Episode]) -> Result<f64, TrainError> {
        let _guard = tch::no_grad_guard();
        let mut sum = 0.0;
        for episode in episodes {
            let masks = |masks: &Tensor| masks.to_kind(Kind::Float);
            let embedding = self
                .mean
                .encode_task(&episode.reference, &masks(&episode.reference_masks));
            let logits = self.mean.forward(&episode.query, &embedding);
            let dice = hard_dice(&logits, &masks(&episode.query_masks));
            sum += f64::try_from(dice.mean(None::<Kind>))?;
        }
        Ok(sum / episodes.len().max(1) as f64)
    }
}

fn clear_gradients(weights: &[(String, Tensor)]) {
    for (_, weight) in weights {
        let mut gradient = weight.grad();
        if gradient.defined() {
            let _ = gradient.detach_().zero_();
        }
    }
}

/// Gives a network the weights of another of the same configuration.
fn copy(from: &Iris, to: &Iris) {
    tch::no_grad(|| {
        let weights = from.variables().variables();
        for (name, mut weight) in to.variables().variables() {
            if let Some(source) = weights.get(&name) {
                weight.copy_(source);
            }
        }
    });
}
