//! Training as its user needs it: it learns, it can be killed, and what goes on is the same run.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot arrange its situation fails"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use irisnode::iris::train::{
    Episode, EpisodeSource, Optimiser, Precision, Progress, Schedule, TrainConfig, Trainer,
    UpdateRule, dice_cross_entropy,
};
use irisnode::iris::{Iris, IrisConfig};
use irisnode::phantom::PhantomEpisodes;
use tch::{Device, Kind, Tensor};

/// libtorch has one random sequence for the process: runs take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn config(precision: Precision, steps: u64) -> TrainConfig {
    TrainConfig {
        network: IrisConfig::tiny(),
        schedule: Schedule {
            peak: 3e-3,
            warm_up: 5,
            steps,
            minutes: None,
        },
        mean_decay: 0.9,
        precision,
        validation: 0,
        validate_every: 0,
        ..TrainConfig::default()
    }
}

fn episodes(config: &TrainConfig) -> Arc<PhantomEpisodes> {
    Arc::new(PhantomEpisodes {
        seed: config.seed,
        spacing_mm: config.network.spacing_mm,
        patches: PhantomEpisodes::usual_patches(0.4),
        most_classes: 8,
        alike: config.alike,
        maps: Vec::new(),
        unlike_contrasts: config.unlike_contrasts,
        augmentation: config.augmentation.clone(),
    })
}

/// The first four of other episodes, over and over: what little training can learn.
struct Four(Arc<PhantomEpisodes>);

impl EpisodeSource for Four {
    fn episode(&self, index: u64) -> Episode {
        self.0.episode(index % 4)
    }
}

/// Trains until step `until` (or the schedule's end) and gives every step's report.
fn train(trainer: &mut Trainer, config: &TrainConfig, until: u64) -> Vec<Progress> {
    train_on(episodes(config), trainer, until)
}

fn train_on(source: Arc<dyn EpisodeSource>, trainer: &mut Trainer, until: u64) -> Vec<Progress> {
    let mut reports = Vec::new();
    trainer
        .run(source, Duration::ZERO, &mut |trainer, progress| {
            reports.push(progress.clone());
            trainer.steps_done() < until
        })
        .unwrap();
    reports
}

fn weights(iris: &Iris) -> BTreeMap<String, Vec<f32>> {
    iris.variables()
        .variables()
        .into_iter()
        .map(|(name, tensor)| (name, Vec::try_from(tensor.flatten(0, -1)).unwrap()))
        .collect()
}

fn mean_loss(reports: &[Progress]) -> f64 {
    reports.iter().map(|report| report.loss).sum::<f64>() / reports.len() as f64
}

/// The loss of an episode by itself, both ways round, each foreground voxel counting once.
fn loss_alone(iris: &Iris, config: &TrainConfig, number: u64) -> f64 {
    let episode = episodes(config).episode(number);
    let masks = [&episode.reference_masks, &episode.query_masks];
    let masks = Tensor::cat(&masks, 0).to_kind(Kind::Float);
    let images = Tensor::cat(&[&episode.reference, &episode.query], 0);
    let features = iris.encode(&images);
    let embedding = iris.embed(&features, &masks).flip([0]);
    let logits = iris.decode(&features, &embedding);
    f64::try_from(dice_cross_entropy(&logits, &masks, 1.0)).unwrap()
}

#[test]
fn the_loss_falls_in_either_precision() {
    let _turn = turn();
    for precision in [Precision::Float32, Precision::Bfloat16] {
        let config = config(precision, 60);
        let mut trainer = Trainer::new(config.clone(), Device::Cpu).unwrap();
        let reports = train(&mut trainer, &config, 60);
        assert_eq!(reports.len(), 60);
        let (first, last) = (mean_loss(&reports[..15]), mean_loss(&reports[45..]));
        assert!(
            last < first - 0.05,
            "{precision:?}: loss {first:.3} at first, {last:.3} in the end"
        );
        let kept = weights(trainer.mean());
        assert!(kept.values().flatten().all(|weight| weight.is_finite()));
    }
}

#[test]
fn a_run_of_some_minutes_ends_with_them_its_rate_fallen() {
    let _turn = turn();
    let mut config = config(Precision::Float32, 1_000_000);
    config.schedule.minutes = Some(0.03);
    let mut trainer = Trainer::new(config.clone(), Device::Cpu).unwrap();
    let reports = train(&mut trainer, &config, 1_000_000);
    let last = reports.last().unwrap();
    assert_eq!(last.step, trainer.steps_done());
    assert!(
        last.rate < 0.02 * config.schedule.peak,
        "the rate ends at {}",
        last.rate
    );
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint.safetensors");
    trainer.save(&checkpoint).unwrap();
    let refused = Trainer::resume(config, Device::Cpu, &checkpoint).unwrap_err();
    assert!(
        refused.to_string().contains("cannot be resumed"),
        "{refused}"
    );
}

#[test]
fn deep_supervision_teaches_the_coarse_stages_their_part() {
    let _turn = turn();
    // Mean loss of the coarsest stage over the episodes that were trained on.
    let coarsest = |deep_supervision: f64| {
        let config = TrainConfig {
            deep_supervision,
            ..config(Precision::Float32, 40)
        };
        let mut trainer = Trainer::new(config.clone(), Device::Cpu).unwrap();
        let four = Arc::new(Four(episodes(&config)));
        train_on(four.clone(), &mut trainer, 40);
        let iris = trainer.mean();
        let losses = (0..4).map(|number| {
            let episode = four.episode(number);
            let masks = |masks: &Tensor| masks.to_kind(Kind::Float);
            let embedding = iris.encode_task(&episode.reference, &masks(&episode.reference_masks));
            let features = iris.encode(&episode.query);
            let stages = iris.decode_stages(&features, &embedding);
            assert_eq!(stages.len(), config.network.channels.len());
            let finest = stages.last().unwrap();
            assert!(finest.allclose(&iris.decode(&features, &embedding), 0.0, 0.0, false));
            let masks = masks(&episode.query_masks).adaptive_avg_pool3d(&stages[0].size()[2..]);
            f64::try_from(dice_cross_entropy(&stages[0], &masks, 1.0)).unwrap()
        });
        losses.sum::<f64>() / 4.0
    };
    let (with, without) = (coarsest(1.0), coarsest(0.0));
    assert!(with < without - 0.03, "{with} with, {without} without");
}

#[test]
fn a_run_that_was_stopped_goes_on_as_if_it_had_not_been() {
    let _turn = turn();
    let config = config(Precision::Float32, 12);
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint.safetensors");

    let mut whole = Trainer::new(config.clone(), Device::Cpu).unwrap();
    train(&mut whole, &config, 12);

    let mut stopped = Trainer::new(config.clone(), Device::Cpu).unwrap();
    train(&mut stopped, &config, 7);
    stopped.save(&checkpoint).unwrap();
    drop(stopped);
    let mut resumed = Trainer::resume(config.clone(), Device::Cpu, &checkpoint).unwrap();
    assert_eq!(resumed.steps_done(), 7);
    train(&mut resumed, &config, 12);

    assert_eq!(resumed.steps_done(), whole.steps_done());
    let (resumed, whole) = (weights(resumed.mean()), weights(whole.mean()));
    for (name, expected) in &whole {
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert!(
            bits(&resumed[name]) == bits(expected),
            "`{name}` is not the same to the last bit"
        );
    }
}

#[test]
fn a_batch_is_the_mean_of_its_episodes_and_takes_the_next_ones_after_a_stop() {
    let _turn = turn();
    let of = |batch: u64, steps: u64| TrainConfig {
        batch,
        // Plain enough that a step's size shows the gradient's.
        perturbation: 0.0,
        most_weight: 1.0,
        ..config(Precision::Float32, steps)
    };
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint.safetensors");
    let (alone, together) = (of(1, 6), of(3, 2));
    let first_losses = |config: &TrainConfig, until: u64| {
        let mut trainer = Trainer::new(config.clone(), Device::Cpu).unwrap();
        let reports = train(&mut trainer, config, until);
        (trainer, reports)
    };
    // The loss of a batch is the mean of what its episodes have with the weights before it.
    let (_, batched) = first_losses(&together, 1);
    let untrained = Trainer::new(alone.clone(), Device::Cpu).unwrap();
    let losses = (0..3).map(|number| loss_alone(untrained.mean(), &alone, number));
    let mean = losses.sum::<f64>() / 3.0;
    assert!(
        (batched[0].loss - mean).abs() < 1e-4,
        "{} and {mean}",
        batched[0].loss
    );

    let (whole, _) = first_losses(&together, 2);
    let (stopped, _) = first_losses(&together, 1);
    stopped.save(&checkpoint).unwrap();
    let mut resumed = Trainer::resume(together.clone(), Device::Cpu, &checkpoint).unwrap();
    train(&mut resumed, &together, 2);
    assert_eq!(weights(resumed.mean()), weights(whole.mean()));
    assert_ne!(weights(stopped.mean()), weights(whole.mean()));
}

#[test]
fn alike_episodes_go_through_the_network_as_one_each_with_its_own_reference() {
    let _turn = turn();
    let of = |alike: u64| TrainConfig {
        batch: 4,
        alike,
        perturbation: 0.0,
        most_weight: 1.0,
        ..config(Precision::Float32, 1)
    };
    let config = of(4);
    let mut trainer = Trainer::new(config.clone(), Device::Cpu).unwrap();
    let untrained = Trainer::new(config.clone(), Device::Cpu).unwrap();
    let reports = train(&mut trainer, &config, 1);

    // Each query is segmented by its own episode's reference: the loss is what the episodes have one by one.
    let losses = (0..4).map(|number| loss_alone(untrained.mean(), &config, number));
    let mean = losses.sum::<f64>() / 4.0;
    assert!(
        (reports[0].loss - mean).abs() < 1e-4,
        "{} and {mean}",
        reports[0].loss
    );

    let refused = Trainer::new(of(3), Device::Cpu).unwrap_err();
    assert!(refused.to_string().contains("`alike` must divide `batch`"));
}

#[test]
fn a_checkpoint_of_another_network_or_none_at_all_is_refused_with_the_reason() {
    let _turn = turn();
    let config = config(Precision::Float32, 4);
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint.safetensors");
    let trainer = Trainer::new(config.clone(), Device::Cpu).unwrap();
    trainer.save(&checkpoint).unwrap();

    let mut other = config.clone();
    other.network.query_tokens += 1;
    let said = refusal(other, &checkpoint);
    assert!(said.contains("the network"), "{said}");

    let mut other = config.clone();
    other.seed += 1;
    let said = refusal(other, &checkpoint);
    assert!(said.contains("the seed"), "{said}");

    let whole = std::fs::read(&checkpoint).unwrap();
    std::fs::write(&checkpoint, &whole[..whole.len() / 2]).unwrap();
    let said = refusal(config, &checkpoint);
    assert!(said.contains("cannot use the checkpoint"), "{said}");
}

/// Shapes of the weights that the optimisers are tried on; the last starts as zeros, as biases do.
const SHAPES: [&[i64]; 3] = [&[4, 3, 3], &[7], &[5]];
const STEPS: usize = 12;

#[test]
fn lamb_and_adamw_step_as_their_papers_say() {
    let _turn = turn();
    tch::manual_seed(3);
    let folder = tempfile::tempdir().unwrap();
    let (given, found) = (folder.path().join("given"), folder.path().join("found"));
    let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
    let mut start: Vec<Tensor> = SHAPES.iter().map(|shape| random(shape)).collect();
    let _ = start[2].zero_();
    // Small ones and large ones, so that some steps are clipped and some are not.
    let gradients: Vec<Vec<Tensor>> = (0..STEPS)
        .map(|step| {
            let size = if step % 3 == 0 { 2.0 } else { 0.05 };
            SHAPES.iter().map(|shape| random(shape) * size).collect()
        })
        .collect();
    let mut tensors = Vec::new();
    for (n, weight) in start.iter().enumerate() {
        tensors.push((format!("weight.{n}"), weight.shallow_clone()));
        for (step, gradients) in gradients.iter().enumerate() {
            tensors.push((format!("gradient.{n}.{step}"), gradients[n].shallow_clone()));
        }
    }
    let named: Vec<(&str, Tensor)> = tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor.shallow_clone()))
        .collect();
    Tensor::write_safetensors(&named, &given).unwrap();
    let status = std::process::Command::new(support::python())
        .arg(support::root().join("tests/oracle/optimiser_oracle.py"))
        .args([&given, &found])
        .status()
        .unwrap();
    assert!(status.success());
    let expected: BTreeMap<String, Tensor> = Tensor::read_safetensors(&found)
        .unwrap()
        .into_iter()
        .collect();

    for (name, rule) in [("lamb", UpdateRule::Lamb), ("adamw", UpdateRule::AdamW)] {
        let weights: Vec<(String, Tensor)> = start
            .iter()
            .enumerate()
            .map(|(n, weight)| (n.to_string(), weight.copy().set_requires_grad(true)))
            .collect();
        let mut optimiser = Optimiser::new(rule);
        for (step, gradients) in gradients.iter().enumerate() {
            for ((_, weight), gradient) in weights.iter().zip(gradients) {
                let mut old = weight.grad();
                if old.defined() {
                    let _ = old.detach_().zero_();
                }
                (weight * gradient).sum(Kind::Float).backward();
            }
            optimiser.step(&weights, 2e-2, 1e-2, 1.0);
            for (n, (_, weight)) in weights.iter().enumerate() {
                let difference = (weight.detach() - &expected[&format!("{name}.{n}.{step}")])
                    .abs()
                    .max();
                assert!(
                    f64::try_from(difference).unwrap() < 2e-6,
                    "{name}: weight {n} after step {step}"
                );
            }
        }
    }
}

fn refusal(config: TrainConfig, checkpoint: &Path) -> String {
    Trainer::resume(config, Device::Cpu, checkpoint)
        .unwrap_err()
        .to_string()
}
