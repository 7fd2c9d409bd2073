//! `irisnode train`: trains the network on procedural episodes.

use crate::iris::choose_device;
use crate::iris::train::{Progress, TrainConfig, Trainer};
use crate::phantom::{PhantomEpisodes, Scene};
use crate::volume::LabelVolume;
use indicatif::{ProgressBar, ProgressStyle};
use miette::{IntoDiagnostic, WrapErr};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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
    /// Folder for the checkpoint, the log (log.jsonl) and the weights
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
    /// cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// Print the configuration as TOML and stop
    #[arg(long)]
    print_config: bool,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let config = configuration(&args)?;
    if args.print_config {
        print!("{}", toml::to_string_pretty(&config).into_diagnostic()?);
        return Ok(());
    }
    let device = choose_device(&args.device).into_diagnostic()?;
    std::fs::create_dir_all(&args.out)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot make the folder {}", args.out.display()))?;
    let checkpoint = args.out.join("checkpoint.safetensors");
    let weights = args.out.join("weights.safetensors");
    let mut trainer = if checkpoint.exists() {
        Trainer::resume(config.clone(), device, &checkpoint).into_diagnostic()?
    } else {
        Trainer::new(config.clone(), device).into_diagnostic()?
    };
    let source = Arc::new(PhantomEpisodes {
        seed: config.seed,
        spacing_mm: config.network.spacing_mm,
        scale: 1.0,
        maps: maps(&args)?,
    });
    let mut log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(args.out.join("log.jsonl"))
        .into_diagnostic()?;
    eprintln!(
        "training from step {} to {}; Ctrl-C stops with a checkpoint",
        trainer.steps_done(),
        config.schedule.steps
    );
    let bar = ProgressBar::new(config.schedule.steps)
        .with_position(trainer.steps_done())
        .with_style(
            ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} left {eta}")
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
                bar.set_position(progress.step);
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
                failure.is_none() && !over
            },
        )
        .into_diagnostic()?;
    bar.abandon();
    if let Some(reason) = failure {
        miette::bail!("training stopped because its state could not be kept: {reason}");
    }
    trainer.save(&checkpoint).into_diagnostic()?;
    let hash = save_weights(&trainer, &config, &weights)?;
    eprintln!(
        "step {} of {}; weights in {} (sha256 {hash})",
        trainer.steps_done(),
        config.schedule.steps,
        weights.display()
    );
    Ok(())
}

fn configuration(args: &Args) -> miette::Result<TrainConfig> {
    let mut config = match &args.config {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .into_diagnostic()
                .wrap_err_with(|| format!("cannot read {}", path.display()))?;
            toml::from_str(&text)
                .into_diagnostic()
                .wrap_err_with(|| format!("{} is no training configuration", path.display()))?
        }
        None => TrainConfig::default(),
    };
    config.schedule.steps = args.steps.unwrap_or(config.schedule.steps);
    config.seed = args.seed.unwrap_or(config.seed);
    Ok(config)
}

fn maps(args: &Args) -> miette::Result<Vec<Arc<Scene>>> {
    let Some(names) = &args.map_names else {
        return Ok(Vec::new());
    };
    let text = std::fs::read_to_string(names)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot read {}", names.display()))?;
    let names: BTreeMap<u16, String> = text
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter_map(|(value, name)| Some((value.trim().parse().ok()?, name.trim().to_owned())))
        .collect();
    args.map
        .iter()
        .map(|path| {
            let map = LabelVolume::read_nifti(path).into_diagnostic()?;
            Scene::from_labels(&map, &names)
                .map(Arc::new)
                .ok_or_else(|| miette::miette!("{} has no labels", path.display()))
        })
        .collect()
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
    trainer.mean().save(path, &provenance).into_diagnostic()
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
