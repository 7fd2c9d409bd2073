//! `irisnode task tune`: fit a task's embedding to its own references.

use indicatif::{ProgressBar, ProgressStyle};
use miette::IntoDiagnostic;

use super::library::LibraryArgs;
use crate::iris::TuneOptions;

const EXAMPLES: &str = "\
Examples:
  irisnode task tune abdomen --config irisnode.toml
  irisnode task tune abdomen --steps 400
  irisnode task tune abdomen --undo

A node that runs uses the tuned embedding from its next series on.";

/// Fit a task's embedding to its own references (in-context tuning): minutes on a CPU.
///
/// The network does not change, and neither does any other task. Adding a further reference puts
/// the tuned embedding out of use: tune again.
///
/// What fits a few references can do worse on other patients, and did on the real pair of
/// weights/MODEL_CARD.md: hold it against labelled cases of your own (`irisnode evaluate --pairs
/// FILE --method ensemble --method tuned`) before you rely on it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Name of the task.
    name: String,
    /// Steps of the optimiser.
    #[arg(long, default_value_t = TuneOptions::default().steps, value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
    /// Seed of the augmentation.
    #[arg(long, default_value_t = TuneOptions::default().seed)]
    seed: u64,
    /// Go back to the mean of the references' embeddings.
    #[arg(long, conflicts_with_all = ["steps", "seed"])]
    undo: bool,
    #[command(flatten)]
    library: LibraryArgs,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> miette::Result<()> {
    let places = args.library.places()?;
    let library = places.library()?;
    let iris = places.network()?;
    if args.undo {
        let was = library
            .untune(&args.name, iris.weights_hash())
            .into_diagnostic()?;
        println!(
            "Task `{}` {}.",
            args.name,
            if was {
                "is as its references made it again"
            } else {
                "was not tuned for these weights"
            }
        );
        return Ok(());
    }
    let options = TuneOptions {
        steps: args.steps,
        seed: args.seed,
        ..TuneOptions::default()
    };
    let bar = ProgressBar::new(options.steps);
    if let Ok(style) = ProgressStyle::with_template("tuning {bar:40} {pos}/{len} {msg}, left {eta}")
    {
        bar.set_style(style);
    }
    let (mut first, mut last) = (None, 0.0);
    let task = library
        .tune(&args.name, &iris, &options, &mut |done, _, loss| {
            // A step's loss is that of one augmented copy: a running mean says more.
            last = if done == 1 {
                loss
            } else {
                0.9 * last + 0.1 * loss
            };
            if done == 10.min(options.steps) {
                first = Some(last);
            }
            bar.set_position(done);
            bar.set_message(format!("loss {last:.3}"));
        })
        .into_diagnostic()?;
    bar.finish_and_clear();
    println!(
        "Task `{}` is tuned: loss on its references {:.3} before, {last:.3} after; version {}.",
        args.name,
        first.unwrap_or(last),
        task.version
    );
    println!(
        "Whether it finds more in other patients, {} cannot tell: hold it against labelled cases of yours \
         (`irisnode evaluate --pairs FILE --method ensemble --method tuned`); `--undo` goes back.",
        match task.references.len() {
            1 => "one reference".to_owned(),
            several => format!("{several} references"),
        }
    );
    Ok(())
}
