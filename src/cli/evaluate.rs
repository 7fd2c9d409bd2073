//! `irisnode evaluate`: Measure Dice of the network and its baselines.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use miette::{IntoDiagnostic, WrapErr, miette};
use serde_json::json;

use super::library::LibraryArgs;
use super::pairs::read_pairs;
use super::table::table;
use crate::evaluate::{
    Case, CaseScore, Estimate, PhantomCases, StructureSummary, Summary, evaluate_case, summarise,
};

const EXAMPLES: &str = "\
Examples:
  irisnode evaluate --phantoms 20
  irisnode evaluate --pairs weights/evaluate.toml --json evaluation.json
  irisnode evaluate --phantoms 20 --structure liver --structure spleen

For each pair the reference is taught as a task and the query segmented by it,
by the code that the node runs. Beside the network's Dice stand two baselines
from the same reference:
  copied     the reference's label at the same relative position of the body's
             bounding box
  threshold  values within mean +- 2 SD of the structure in the reference,
             inside the copied label's bounding box enlarged by a quarter of
             its length on each side (20 mm at least)
Intervals are bootstrap 95 % intervals of the mean over subjects; one subject
has none.";

/// Measure Dice of the network, one-shot, beside trivial baselines.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Evaluate on this many pairs of drawn bodies that no training has seen.
    #[arg(long, value_name = "N", required_unless_present = "pairs")]
    phantoms: Option<u64>,
    /// Evaluate on the image pairs that a file lists; weights/evaluate.toml shows how.
    #[arg(long, value_name = "FILE")]
    pairs: Option<PathBuf>,
    /// A structure of the drawn bodies to ask for (may be repeated) [default: all].
    #[arg(long = "structure", value_name = "NAME", requires = "phantoms")]
    structures: Vec<String>,
    /// Left-right, front-back and foot-head length of a drawn scan, mm.
    #[arg(long, value_name = "X,Y,Z", value_delimiter = ',', default_values_t = PhantomCases::EXTENT_MM)]
    extent: Vec<f64>,
    /// Write every figure here as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    library: LibraryArgs,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let real = match &args.pairs {
        Some(path) => read_pairs(path)?,
        None => Vec::new(),
    };
    let iris = args.library.places()?.network()?;
    let drawn = phantoms(&args, iris.config().spacing_mm)?;
    let count = args.phantoms.unwrap_or(0);
    let bar = ProgressBar::with_draw_target(
        Some(real.len() as u64 + count),
        ProgressDrawTarget::stderr(),
    )
    .with_style(
        ProgressStyle::with_template("evaluating {bar:40} {pos}/{len} pairs, {elapsed}")
            .into_diagnostic()?,
    );
    let mut evaluate = |case: &Case| -> miette::Result<CaseScore> {
        let score = evaluate_case(case, &iris).into_diagnostic()?;
        bar.inc(1);
        Ok(score)
    };
    let of_pairs = real
        .iter()
        .map(&mut evaluate)
        .collect::<miette::Result<Vec<_>>>()?;
    let mut of_phantoms = Vec::new();
    for index in 0..count {
        let case = drawn.case(index).ok_or_else(|| {
            miette!(
                help = "name other structures, or scan more with --extent",
                "torso {index} shows none of the structures in both of its scans"
            )
        })?;
        of_phantoms.push(evaluate(&case)?);
    }
    bar.finish_and_clear();

    println!("weights {} (sha256)", iris.weights_hash());
    for (title, scores) in [("drawn bodies", &of_phantoms), ("real pairs", &of_pairs)] {
        if !scores.is_empty() {
            println!("\n{title}, pairs: {}", scores.len());
            print!("{}", text(scores));
        }
    }
    if let Some(path) = &args.json {
        let document = json!({
            "irisnode": env!("CARGO_PKG_VERSION"),
            "weights": iris.weights_hash(),
            "phantoms": of_cases(&of_phantoms),
            "pairs": of_cases(&of_pairs),
        });
        let text = serde_json::to_string_pretty(&document).into_diagnostic()?;
        std::fs::write(path, text)
            .into_diagnostic()
            .wrap_err_with(|| format!("{} cannot be written", path.display()))?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

fn of_cases(scores: &[CaseScore]) -> serde_json::Value {
    json!({ "cases": scores, "summary": summarise(scores) })
}

fn phantoms(args: &Args, spacing_mm: [f64; 3]) -> miette::Result<PhantomCases> {
    let extent_mm = <[f64; 3]>::try_from(args.extent.as_slice())
        .ok()
        .filter(|extent| extent.iter().all(|mm| (20.0..=2000.0).contains(mm)))
        .ok_or_else(|| {
            miette!("--extent takes three lengths from 20 to 2000 mm, such as 380,280,200")
        })?;
    let scene = crate::phantom::Scene::torso();
    if let Some(unknown) = args
        .structures
        .iter()
        .find(|name| scene.number(name).is_none())
    {
        let known: Vec<&str> = scene.structures.iter().map(|s| s.name.as_str()).collect();
        return Err(miette!(
            help = format!("there are: {}", known.join(", ")),
            "the torso has no structure `{unknown}`"
        ));
    }
    Ok(PhantomCases {
        extent_mm,
        spacing_mm,
        structures: args.structures.clone(),
    })
}

fn text(scores: &[CaseScore]) -> String {
    const SHOWN: usize = 6;
    let Summary { structures, all } = summarise(scores);
    let rows: Vec<Vec<String>> = structures.iter().chain([&all]).map(row).collect();
    let mut text = table(
        &[
            "structure",
            "n",
            "network",
            "95 %",
            "copied",
            "95 %",
            "threshold",
            "95 %",
        ],
        &rows,
    );
    for score in scores.iter().take(SHOWN) {
        text += &format!(
            "reference of {}: {}\n",
            score.case,
            score.reference_hash.get(..16).unwrap_or_default()
        );
        if !score.absent.is_empty() {
            text += &format!(
                "  not in its query, so without Dice: {}\n",
                score.absent.join(", ")
            );
        }
    }
    if scores.len() > SHOWN {
        text += &format!("and {} more; --json lists all\n", scores.len() - SHOWN);
    }
    text
}

fn row(structure: &StructureSummary) -> Vec<String> {
    let n = structure.network.map_or(0, |estimate| estimate.n);
    let mut row = vec![structure.structure.clone(), n.to_string()];
    for estimate in [structure.network, structure.copied, structure.threshold] {
        let (mean, interval) = match estimate {
            Some(Estimate { mean, interval, .. }) => (format!("{mean:.3}"), interval),
            None => ("-".to_owned(), None),
        };
        row.push(mean);
        row.push(interval.map_or_else(
            || "-".to_owned(),
            |[low, high]| format!("{low:.3}-{high:.3}"),
        ));
    }
    row
}
