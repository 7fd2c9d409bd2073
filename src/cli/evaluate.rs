//! `irisnode evaluate`: Measure the network by example, beside what is simpler.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use miette::{IntoDiagnostic, WrapErr, miette};
use serde_json::json;

use super::evaluation_report::{costs, relations, report};
use super::library::LibraryArgs;
use super::pairs::read_pairs;
use crate::evaluate::{
    Case, CaseScore, EvaluateOptions, Method, PhantomCases, Summary, evaluate_case, examples,
    found_by, summarise,
};
use crate::iris::{Iris, TuneOptions};
use crate::picture::{ExampleRow, ExampleSheet, ExampleView, Window};

const EXAMPLES: &str = "\
Examples:
  irisnode evaluate --phantoms 20
  irisnode evaluate --pairs weights/evaluate.toml --json evaluation.json
  irisnode evaluate --phantoms 20 --structure liver --pictures examples.png
  irisnode evaluate --phantoms 6 --method ensemble --method tuned --tune-steps 50
  irisnode evaluate --phantoms 20 --references 9 --retrieve 1 --method retrieval --method image-retrieval
  irisnode evaluate --phantoms 3 --method one-shot --method class-by-class

For each case the references are taught as a task, and the query is segmented
by each method; the network by the code that the node runs. Measured are, per
structure and method, on the query's grid:
  Dice
  NSD   normalised surface distance: the share of both surfaces within
        --tolerance of the other
  HD95  95th percentile of the distances between the surfaces, mm; a structure
        that was missed has none, and is counted
Surfaces and distances are MONAI's (surface voxels, each counting once).
Intervals are bootstrap 95 % intervals of the mean over subjects; one subject
has none. What the paper says of two methods is judged by the difference within
each case: confirmed or refuted when its interval lies on one side of 0, and
undecided otherwise or by fewer than six cases.";

/// Measure Dice and surface distances of the network, beside baselines and variants of itself.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Evaluate on this many drawn bodies that no training has seen.
    #[arg(long, value_name = "N", required_unless_present = "pairs")]
    phantoms: Option<u64>,
    /// Number of the first drawn body; the model card's are those from 0: what is chosen by measuring needs others.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "phantoms")]
    first: u64,
    /// Evaluate on the images that a file lists; weights/evaluate.toml shows how.
    #[arg(long, value_name = "FILE")]
    pairs: Option<PathBuf>,
    /// A structure of the drawn bodies to ask for (may be repeated) [default: all].
    #[arg(long = "structure", value_name = "NAME", requires = "phantoms")]
    structures: Vec<String>,
    /// References of a drawn body; the first is the same whatever their number.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=256))]
    references: u64,
    /// Left-right, front-back and foot-head length of a drawn scan, mm.
    #[arg(long, value_name = "X,Y,Z", value_delimiter = ',', default_values_t = PhantomCases::EXTENT_MM)]
    extent: Vec<f64>,
    /// A method to measure (may be repeated); the first is shown in detail [default: all but tuned and class-by-class].
    #[arg(long = "method", value_name = "NAME")]
    methods: Vec<Method>,
    /// By either retrieval: most references that count for a structure, the most alike.
    #[arg(long, value_name = "N", default_value_t = EvaluateOptions::default().retrieve as u64, value_parser = clap::value_parser!(u64).range(1..=256))]
    retrieve: u64,
    /// Steps of the method `tuned`: a second or two each on a CPU.
    #[arg(long, value_name = "N", default_value_t = TuneOptions::default().steps, value_parser = clap::value_parser!(u64).range(1..))]
    tune_steps: u64,
    /// Learning rate of the method `tuned`, relative to the spread of the embedding's values.
    #[arg(long, value_name = "X", default_value_t = TuneOptions::default().rate)]
    tune_rate: f64,
    /// Tolerance of the normalised surface distance, mm.
    #[arg(long, value_name = "MM", default_value_t = EvaluateOptions::default().tolerance_mm)]
    tolerance: f64,
    /// Write every figure here as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw the best, the median and the worst segment of the first method.
    #[arg(long, value_name = "FILE.png")]
    pictures: Option<PathBuf>,
    #[command(flatten)]
    library: LibraryArgs,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let options = options(&args)?;
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
        ProgressStyle::with_template("evaluating {bar:40} {pos}/{len} cases, {elapsed}")
            .into_diagnostic()?,
    );
    let mut evaluate = |case: &Case| -> miette::Result<CaseScore> {
        let score = evaluate_case(case, &iris, &options)
            .into_diagnostic()
            .wrap_err_with(|| format!("case `{}`", case.name))?;
        bar.inc(1);
        Ok(score)
    };
    let of_pairs = real
        .iter()
        .map(&mut evaluate)
        .collect::<miette::Result<Vec<_>>>()?;
    let of_phantoms = (args.first..args.first.saturating_add(count))
        .map(|index| evaluate(&phantom(&drawn, index)?))
        .collect::<miette::Result<Vec<_>>>()?;
    bar.finish_and_clear();

    let (sum_of_phantoms, sum_of_pairs) = (summarise(&of_phantoms), summarise(&of_pairs));
    println!("weights {} (sha256)", iris.weights_hash());
    for (title, scores, summary) in [
        ("drawn bodies", &of_phantoms, &sum_of_phantoms),
        ("real cases", &of_pairs, &sum_of_pairs),
    ] {
        if !scores.is_empty() {
            println!("\n{title}: {}", scores.len());
            print!("{}", report(scores, summary, &options));
            print!("{}", relations(summary));
            print!("{}", costs(summary, &options.methods));
        }
    }
    if let Some(path) = &args.json {
        let of_cases = |scores: &[CaseScore], summary: &Summary| json!({ "cases": scores, "summary": summary });
        let document = json!({
            "irisnode": env!("CARGO_PKG_VERSION"),
            "weights": iris.weights_hash(),
            "device": format!("{:?}", iris.device()),
            "tolerance_mm": options.tolerance_mm,
            "retrieve": options.retrieve,
            "tune_steps": options.methods.contains(&Method::Tuned).then_some(options.tune.steps),
            "phantoms": of_cases(&of_phantoms, &sum_of_phantoms),
            "pairs": of_cases(&of_pairs, &sum_of_pairs),
        });
        let text = serde_json::to_string_pretty(&document).into_diagnostic()?;
        std::fs::write(path, text)
            .into_diagnostic()
            .wrap_err_with(|| format!("{} cannot be written", path.display()))?;
        eprintln!("wrote {}", path.display());
    }
    if let Some(path) = &args.pictures {
        let scores = [of_phantoms, of_pairs].concat();
        let case = |at: usize| match at.checked_sub(count as usize) {
            None => phantom(&drawn, args.first + at as u64),
            Some(at) => Ok(real[at].clone()),
        };
        draw_examples(path, &scores, &case, &iris, &options)?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

fn options(args: &Args) -> miette::Result<EvaluateOptions> {
    let defaults = EvaluateOptions::default();
    if !(0.0..=1000.0).contains(&args.tolerance) {
        return Err(miette!(
            "--tolerance is a length from 0 to 1000 mm, such as 2"
        ));
    }
    let mut methods = args.methods.clone();
    let mut seen = Vec::new();
    methods.retain(|method| {
        let first = !seen.contains(method);
        seen.push(*method);
        first
    });
    Ok(EvaluateOptions {
        methods: if methods.is_empty() {
            defaults.methods
        } else {
            methods
        },
        tolerance_mm: args.tolerance,
        retrieve: usize::try_from(args.retrieve).unwrap_or(usize::MAX),
        tune: TuneOptions {
            steps: args.tune_steps,
            rate: args.tune_rate,
            ..defaults.tune
        },
    })
}

fn phantom(drawn: &PhantomCases, index: u64) -> miette::Result<Case> {
    drawn.case(index).ok_or_else(|| {
        miette!(
            help = "name other structures, or scan more with --extent",
            "torso {index} shows none of the structures in both of its scans"
        )
    })
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
        references: args.references,
    })
}

/// The best, the median and the worst segment of the first method, found once more: no result is kept for it.
fn draw_examples(
    path: &Path,
    scores: &[CaseScore],
    case: &dyn Fn(usize) -> miette::Result<Case>,
    iris: &Iris,
    options: &EvaluateOptions,
) -> miette::Result<()> {
    let method = options.methods[0];
    let mut rows = Vec::new();
    for example in examples(scores, method) {
        let case = case(example.case)?;
        let Some(found) = found_by(method, &case, iris, options).into_diagnostic()? else {
            continue;
        };
        let name = &scores[example.case].segments[example.segment].segment;
        let numbered = (1u16..).zip(case.segments());
        let Some((number, selection)) = numbered
            .map(|(number, selection)| (number, selection.clone()))
            .find(|(_, selection)| selection.description.label == *name)
        else {
            continue;
        };
        let Case {
            references,
            query,
            modality,
            known,
            ..
        } = case;
        let Some(shown) = references.into_iter().next().map(|first| first.reference) else {
            continue;
        };
        let score = scores[example.case].segments[example.segment].methods[&method];
        rows.push(ExampleRow {
            heading: format!(
                "{}: {name}, {}   Dice {:.3}   NSD {:.3}   HD95 {}",
                example.rank,
                scores[example.case].case,
                score.dice,
                score.nsd,
                score.hd95_mm.map_or("-".into(), |mm| format!("{mm:.0} mm")),
            ),
            reference: ExampleView {
                window: Window::for_modality(&shown.image, &shown.modality),
                labels: shown.labels.resampled(&shown.image.geometry),
                volume: shown.image,
                number: selection.value,
                known: None,
            },
            query: ExampleView {
                window: Window::for_modality(&query, &modality),
                volume: query,
                labels: found,
                number,
                known: Some(known),
            },
        });
    }
    let sheet = ExampleSheet {
        heading: format!("{}, cases: {}", method.name(), scores.len()),
        rows,
    };
    let picture = sheet
        .draw()
        .ok_or_else(|| miette!("there is no segment to draw"))?;
    picture
        .save_with_format(path, image::ImageFormat::Png)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} cannot be written", path.display()))
}
