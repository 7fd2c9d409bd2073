//! `irisnode train`: trains the network on procedural episodes.

use super::training_maps::MapSource;
use crate::iris::train::{Progress, TrainConfig, Trainer};
use crate::iris::{Iris, IrisConfig, choose_device};
use crate::phantom::{MapGroup, PhantomEpisodes};
use crate::picture::{Curve, curves};
use indicatif::{ProgressBar, ProgressStyle};
use miette::{IntoDiagnostic, WrapErr};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A line for each report of progress.
const LOG: &str = "log.jsonl";

/// Train the network on procedural episodes.
///
/// Training can be stopped (Ctrl-C, --minutes) and goes on from its checkpoint
/// when the same command is given again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  irisnode train --out train-out --steps 4000
  irisnode train --out train-out --steps 4000 --minutes 30   # stops after half an hour; the same line goes on
  irisnode train --out train-out --config train.toml --device cuda")]
pub struct Args {
    /// Folder for the checkpoint, the log (log.jsonl), the curve (curve.svg) and the weights
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// TOML file with the whole training configuration; flags win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Steps of the whole run: the learning rate falls over these
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Seed of weights and episodes
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Stop after this many minutes, with a checkpoint
    #[arg(long, value_name = "MINUTES")]
    minutes: Option<f64>,
    /// NIfTI label map of a real body to draw further scenes from (its shapes; no real intensities)
    #[arg(long, value_name = "FILE", requires = "map_names")]
    map: Vec<PathBuf>,
    /// Names of the maps' labels: lines of a label value and a name, tab separated
    #[arg(long, value_name = "FILE")]
    map_names: Option<PathBuf>,
    /// Weights to start from instead of random ones; must have the configuration's network
    #[arg(long, value_name = "FILE")]
    start_from: Option<PathBuf>,
    /// cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// Print the configuration as TOML and stop
    #[arg(long)]
    print_config: bool,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let (config, maps) = configuration(&args)?;
    if args.print_config {
        print!("{}", toml::to_string_pretty(&config).into_diagnostic()?);
        return Ok(());
    }
    let device = choose_device(&args.device).into_diagnostic()?;
    if device.is_cuda() {
        // The processors draw. Else each thread that does would have a team of as many to fill its tensors.
        tch::set_num_threads(1);
    }
    std::fs::create_dir_all(&args.out)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot make the folder {}", args.out.display()))?;
    let checkpoint = args.out.join("checkpoint.safetensors");
    let weights = args.out.join("weights.safetensors");
    let mut trainer = if checkpoint.exists() {
        Trainer::resume(config.clone(), device, &checkpoint).into_diagnostic()?
    } else {
        match &args.start_from {
            Some(path) => {
                let weights = Iris::load(path, device).into_diagnostic()?;
                Trainer::starting_from(config.clone(), &weights).into_diagnostic()?
            }
            None => Trainer::new(config.clone(), device).into_diagnostic()?,
        }
    };
    let source = Arc::new(PhantomEpisodes {
        seed: config.seed,
        spacing_mm: config.network.spacing_mm,
        patches: patches(&config),
        most_classes: config.most_classes,
        alike: config.alike,
        maps,
        unlike_contrasts: config.unlike_contrasts,
        augmentation: config.augmentation.clone(),
    });
    let mut log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(args.out.join(LOG))
        .into_diagnostic()?;
    match config.schedule.minutes {
        Some(minutes) => {
            eprintln!("training for {minutes} minutes; Ctrl-C stops, and it cannot be resumed")
        }
        None => eprintln!(
            "training from step {} to {}; Ctrl-C stops with a checkpoint",
            trainer.steps_done(),
            config.schedule.steps
        ),
    }
    // A run of some minutes goes by the clock.
    let seconds = config.schedule.minutes.map(|minutes| minutes * 60.0);
    let unit = if seconds.is_some() { " s" } else { "" };
    let bar = ProgressBar::new(seconds.map_or(config.schedule.steps, |s| s.ceil() as u64))
        .with_position(trainer.steps_done())
        .with_style(
            ProgressStyle::with_template(&format!(
                "{{bar:30}} {{pos}}/{{len}}{unit} {{msg}} left {{eta}}"
            ))
            .into_diagnostic()?,
        );
    bar.reset_eta();
    let stop = stop_on_interrupt()?;
    let (start, mut saved) = (Instant::now(), Instant::now());
    let mut failure = None;
    let mut validation = None;
    trainer
        .run(
            source,
            Duration::from_secs(10),
            &mut |trainer, progress: &Progress| {
                validation = progress.validation_dice.or(validation);
                bar.set_position(match seconds {
                    Some(_) => start.elapsed().as_secs(),
                    None => progress.step,
                });
                bar.set_message(format!(
                    "loss {:.3} dice {:.3} validation {} {:.2}/s",
                    progress.loss,
                    progress.train_dice,
                    validation.map_or("-".into(), |v| format!("{v:.3}")),
                    progress.steps_per_second
                ));
                let line = serde_json::to_string(progress).unwrap_or_default();
                let over = stop.load(Ordering::Relaxed)
                    || args
                        .minutes
                        .is_some_and(|m| start.elapsed().as_secs_f64() > m * 60.0);
                let kept = writeln!(log, "{line}")
                    .map_err(|e| e.to_string())
                    .and_then(|()| {
                        if saved.elapsed() > Duration::from_secs(120) {
                            saved = Instant::now();
                            return trainer.save(&checkpoint).map_err(|e| e.to_string());
                        }
                        Ok(())
                    });
                failure = kept.err();
                if progress.validation_dice.is_some()
                    && let Err(error) = draw_curve(&args.out)
                {
                    bar.println(format!("the curve is not drawn: {error}"));
                }
                failure.is_none() && !over
            },
        )
        .into_diagnostic()?;
    bar.abandon();
    if let Some(reason) = failure {
        miette::bail!("training stopped because its state could not be kept: {reason}");
    }
    trainer.save(&checkpoint).into_diagnostic()?;
    draw_curve(&args.out)?;
    let hash = save_weights(&trainer, &config, &weights)?;
    let of_all = match config.schedule.minutes {
        Some(_) => format!("after {:.0} s", start.elapsed().as_secs_f64()),
        None => format!("of {}", config.schedule.steps),
    };
    eprintln!(
        "step {} {of_all}; weights in {} (sha256 {hash})",
        trainer.steps_done(),
        weights.display()
    );
    Ok(())
}

/// The training configuration, and the label maps that it and the flags name.
fn configuration(args: &Args) -> miette::Result<(TrainConfig, Vec<MapGroup>)> {
    let mut maps = Vec::new();
    let mut config = match &args.config {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .into_diagnostic()
                .wrap_err_with(|| format!("cannot read {}", path.display()))?;
            let wrong = || format!("{} is no training configuration", path.display());
            let mut table: toml::Table = toml::from_str(&text)
                .into_diagnostic()
                .wrap_err_with(wrong)?;
            // The network's own configuration knows nothing of files.
            if let Some(sources) = table.remove("map") {
                let sources: Vec<MapSource> =
                    sources.try_into().into_diagnostic().wrap_err_with(wrong)?;
                let base = path.parent().unwrap_or(Path::new(""));
                for source in sources.into_iter().filter(|_| !args.print_config) {
                    maps.push(source.read(base)?);
                }
            }
            table.try_into().into_diagnostic().wrap_err_with(wrong)?
        }
        None => TrainConfig::default(),
    };
    if let Some(names) = &args.map_names {
        for map in &args.map {
            let source = MapSource::torsos(vec![map.clone()], names.clone());
            maps.push(source.read(Path::new(""))?);
        }
    }
    config.schedule.steps = args.steps.unwrap_or(config.schedule.steps);
    config.seed = args.seed.unwrap_or(config.seed);
    Ok((config, maps))
}

fn save_weights(trainer: &Trainer, config: &TrainConfig, path: &Path) -> miette::Result<String> {
    let provenance = BTreeMap::from([
        (
            "trained_by".to_owned(),
            format!("irisnode {}", env!("CARGO_PKG_VERSION")),
        ),
        ("steps".to_owned(), trainer.steps_done().to_string()),
        (
            "train_config".to_owned(),
            serde_json::to_string(config).into_diagnostic()?,
        ),
    ]);
    trainer
        .mean()
        .save_halved(path, &provenance)
        .into_diagnostic()
}

/// The patches of episodes: those of the configuration, or the usual ones at the size of the network's own.
fn patches(config: &TrainConfig) -> Vec<[usize; 3]> {
    match config.patches.as_slice() {
        [] => PhantomEpisodes::usual_patches(patch_scale(config)),
        given => given.to_vec(),
    }
}

/// How much longer along each axis patches are than the small network's.
fn patch_scale(config: &TrainConfig) -> f64 {
    let voxels = |patch: [i64; 3]| patch.iter().product::<i64>() as f64;
    (voxels(config.network.patch) / voxels(IrisConfig::small().patch)).cbrt()
}

/// Draws `curve.svg` from the whole of `log.jsonl`, the parts of a resumed run together.
fn draw_curve(out: &Path) -> miette::Result<()> {
    let log = std::fs::read_to_string(out.join(LOG)).into_diagnostic()?;
    // A line cut short by a kill is no reason to draw nothing.
    let steps: Vec<Progress> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let curve = |name: &str, value: fn(&Progress) -> Option<f64>| Curve {
        name: name.to_owned(),
        points: steps
            .iter()
            .filter_map(|at| Some((at.step as f64, value(at)?)))
            .collect(),
    };
    let drawn = [
        curve("loss", |at| Some(at.loss)),
        curve("Dice, training", |at| Some(at.train_dice)),
        curve("Dice, validation", |at| at.validation_dice),
    ];
    let svg = curves("irisnode train", &drawn, 1.6).map_err(|error| miette::miette!("{error}"))?;
    std::fs::write(out.join("curve.svg"), svg).into_diagnostic()
}

/// A flag that Ctrl-C sets; a second Ctrl-C ends the program at once.
fn stop_on_interrupt() -> miette::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .into_diagnostic()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if flag.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
            }
        });
    });
    Ok(stop)
}
