//! `irisnode task`: add, list, show, tune and remove tasks.

use std::path::PathBuf;

use miette::IntoDiagnostic;
use sha2::{Digest, Sha256};

use super::images::{ImageArgs, read_image, read_labels};
use super::library::{LibraryArgs, Places};
use super::selection::{SegmentArg, selections};
use super::table::table;
use crate::tasks::{EmbeddingState, Reference, Task};

const EXAMPLES: &str = "\
Examples:
  irisnode task add abdomen --image ct.nii.gz --label labels.nii.gz \\
      --segment 1=spleen --segment 5=liver
  irisnode task add tumour --image series/ --label seg.dcm --overlapping
  irisnode task add kidneys --image series/ --label rtstruct.dcm --segment 4 --segment 5
  irisnode task add abdomen --add-reference --image other/ --label other-seg.dcm
  irisnode task show abdomen";

const LIST_EXAMPLES: &str = "\
Examples:
  irisnode task list --config irisnode.toml
  irisnode task list --tasks-dir tasks/ --json";

const SHOW_EXAMPLES: &str = "\
Examples:
  irisnode task show abdomen --config irisnode.toml
  irisnode task show abdomen --json";

const REMOVE_EXAMPLES: &str = "\
Examples:
  irisnode task remove abdomen --config irisnode.toml

Rules that name the task fail until it is taught again; `irisnode check` shows them.";

/// Add, list, show, tune and remove tasks.
///
/// A task is what the network is asked to find: named segments, taught by one
/// or a few reference images in which they are labelled. No training is
/// needed; a task can be used as soon as it is added.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Add(AddArgs),
    /// List all tasks.
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Show a task: its segments with their codes, its references, its embeddings.
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    Tune(super::tune::Args),
    /// Remove a task with its references and embeddings.
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(RemoveArgs),
}

/// Add a task by a labelled image, or a further reference to a task.
///
/// The image and its label are copied into the task library, which only its
/// owner can read.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct AddArgs {
    /// Name of the task, the one rules use.
    name: String,
    /// A folder of one DICOM series, a multi-frame DICOM file, or a NIfTI file.
    #[arg(long, value_name = "DIR|FILE")]
    image: PathBuf,
    /// A DICOM-SEG, an RTSTRUCT, or a NIfTI label map.
    ///
    /// A DICOM-SEG may be BINARY, FRACTIONAL (a voxel belongs from half of the maximum on) or LABELMAP. Of an RTSTRUCT
    /// a voxel belongs to an ROI when its centre lies inside an odd number of its contours, so that inner contours
    /// are holes.
    #[arg(long, value_name = "FILE")]
    label: PathBuf,
    /// A segment: its value in the label (its ROI Number in an RTSTRUCT) and its name, such as 1=spleen.
    ///
    /// Names of common anatomy bring their SNOMED CT codes and a colour. Another code is given as
    /// 1=NAME@VALUE:SCHEME:MEANING. With a DICOM-SEG or an RTSTRUCT all its segments are taken, with its own
    /// names and codes, unless some are named here.
    #[arg(long = "segment", value_name = "VALUE=NAME")]
    segments: Vec<SegmentArg>,
    /// Segments may share voxels, as an organ and its lesion do.
    #[arg(long)]
    overlapping: bool,
    /// Add a further reference to a task that exists.
    #[arg(long, conflicts_with = "overlapping")]
    add_reference: bool,
    #[command(flatten)]
    reading: ImageArgs,
    #[command(flatten)]
    library: LibraryArgs,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    library: LibraryArgs,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Name of the task.
    name: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    library: LibraryArgs,
}

#[derive(Debug, clap::Args)]
struct RemoveArgs {
    /// Name of the task.
    name: String,
    #[command(flatten)]
    library: LibraryArgs,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    match args.command {
        Command::Add(args) => add(args),
        Command::List(args) => list(&args),
        Command::Show(args) => show(&args),
        Command::Tune(args) => super::tune::run(&args),
        Command::Remove(args) => {
            args.library
                .places()?
                .library()?
                .remove(&args.name)
                .into_diagnostic()?;
            println!("Task `{}` is removed.", args.name);
            Ok(())
        }
    }
}

fn add(args: AddArgs) -> miette::Result<()> {
    let places = args.library.places()?;
    let library = places.library()?;
    let image = read_image(&args.image, &args.reading)?;
    let labels = read_labels(&args.label, image.grid(), &args.segments)?;
    let known = if args.add_reference {
        Some(library.show(&args.name).into_diagnostic()?)
    } else {
        None
    };
    let selections = selections(
        &args.segments,
        &labels.segments,
        known.as_ref().map(|known| (known, &labels.volume)),
    )?;
    let reference = Reference {
        image: image.volume,
        modality: image.modality,
        labels: labels.volume,
    };
    let task = if args.add_reference {
        library.add_reference(&args.name, &selections, reference)
    } else {
        library.add(&args.name, !args.overlapping, &selections, reference)
    }
    .into_diagnostic()?;
    println!("{}", described(&task));
    if places.weights.is_file() {
        let iris = places.network()?;
        library.load(&args.name, &iris).into_diagnostic()?;
        println!("Its embedding is computed and kept; the task is ready.");
    } else {
        println!(
            "Its embedding will be computed at first use: there are no weights at {} yet.",
            places.weights.display()
        );
    }
    if places.no_rule_runs(&args.name) {
        println!(
            "No rule of the configuration runs it yet: add \"{}\" to the `tasks` of one.",
            args.name
        );
    }
    Ok(())
}

fn list(args: &ListArgs) -> miette::Result<()> {
    let library = args.library.places()?.library()?;
    let tasks = library.list().into_diagnostic()?;
    if args.json {
        let all: Vec<_> = tasks.iter().map(|task| json(task, None)).collect();
        println!("{}", serde_json::to_string_pretty(&all).into_diagnostic()?);
        return Ok(());
    }
    if tasks.is_empty() {
        println!(
            "There is no task in {} yet. `irisnode task add --help` shows how to add one.",
            library.folder().display()
        );
        return Ok(());
    }
    let rows: Vec<Vec<String>> = tasks
        .iter()
        .map(|task| {
            let names: Vec<&str> = task
                .segments
                .iter()
                .map(|s| s.description.label.as_str())
                .collect();
            vec![
                task.name.clone(),
                task.references.len().to_string(),
                task.version(),
                names.join(", "),
            ]
        })
        .collect();
    print!(
        "{}",
        table(&["task", "references", "version", "segments"], &rows)
    );
    Ok(())
}

fn show(args: &ShowArgs) -> miette::Result<()> {
    let places = args.library.places()?;
    let library = places.library()?;
    let task = library.show(&args.name).into_diagnostic()?;
    let weights = weights_hash(&places)?;
    let states = weights
        .as_ref()
        .map(|hash| library.embedding_states(&task.name, hash))
        .transpose()
        .into_diagnostic()?;
    let tuned = weights
        .as_ref()
        .map(|hash| library.is_tuned(&task.name, hash))
        .transpose()
        .into_diagnostic()?;
    if args.json {
        let mut document = json(&task, states.as_deref());
        document["tuned"] = serde_json::json!(tuned);
        let text = serde_json::to_string_pretty(&document).into_diagnostic()?;
        println!("{text}");
        return Ok(());
    }
    println!("{}", described(&task));
    println!(
        "{}",
        match tuned {
            Some(true) =>
                "tuned for these weights and references (`irisnode task tune --undo` undoes it)",
            Some(false) => "not tuned: segmented by the mean of its references",
            None => "whether it is tuned depends on the weights, and there are none",
        }
    );
    for (number, reference) in task.references.iter().enumerate() {
        let [columns, rows, slices] = reference.size;
        let [x, y, z] = reference.spacing;
        println!(
            "reference {}  {}  {columns} x {rows} x {slices} voxels of {x:.2} x {y:.2} x {z:.2} mm, {}, added {}",
            number + 1,
            reference.modality,
            reference.folder(),
            reference.added.format("%Y-%m-%d"),
        );
        let state = match states.as_ref().map(|states| states[number]) {
            None => format!(
                "unknown, there are no weights at {}",
                places.weights.display()
            ),
            Some(EmbeddingState::Ready) => "ready".into(),
            Some(EmbeddingState::Missing) => {
                "will be computed at first use with these weights".into()
            }
        };
        println!("             embedding {state}");
        let voxels = reference.voxels.iter().zip(reference.volumes_ml());
        let rows: Vec<Vec<String>> = task
            .segments
            .iter()
            .zip(voxels)
            .map(|(segment, (voxels, ml))| {
                vec![
                    segment.description.label.clone(),
                    voxels.to_string(),
                    format!("{ml:.1}"),
                ]
            })
            .collect();
        println!("{}", indented(&table(&["segment", "voxels", "ml"], &rows)));
    }
    Ok(())
}

/// SHA-256 of the weights; `None` where there are none.
fn weights_hash(places: &Places) -> miette::Result<Option<String>> {
    if !places.weights.is_file() {
        return Ok(None);
    }
    let bytes = std::fs::read(&places.weights).into_diagnostic()?;
    let digest = Sha256::digest(&bytes);
    Ok(Some(
        digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    ))
}

fn described(task: &Task) -> String {
    let kind = if task.exclusive {
        "a voxel belongs to one segment at most"
    } else {
        "segments may overlap"
    };
    let references = match task.references.len() {
        1 => "1 reference".to_owned(),
        count => format!("{count} references"),
    };
    let rows: Vec<Vec<String>> = task
        .segments
        .iter()
        .zip(1..)
        .map(|(segment, number)| {
            let description = &segment.description;
            let code = |code: &crate::terminology::Code| {
                format!("{} ({}, {})", code.meaning, code.scheme, code.value)
            };
            let mut what = code(&description.property_type);
            if let Some(modifier) = &description.property_type_modifier {
                what += &format!(", {}", modifier.meaning);
            }
            if let Some(region) = &description.anatomic_region {
                what += &format!(", in {}", region.meaning);
            }
            let [r, g, b] = description.color;
            vec![
                number.to_string(),
                description.label.clone(),
                what,
                format!("#{r:02x}{g:02x}{b:02x}"),
                segment.source_value.to_string(),
            ]
        })
        .collect();
    format!(
        "task {}, version {}, {references}; {kind}{}\n{}",
        task.name,
        task.version(),
        if task.taught {
            "; taught over DICOM"
        } else {
            ""
        },
        indented(&table(
            &["", "segment", "code", "colour", "taught by value"],
            &rows
        ))
    )
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn json(task: &Task, states: Option<&[EmbeddingState]>) -> serde_json::Value {
    let references: Vec<_> = task
        .references
        .iter()
        .enumerate()
        .map(|(at, reference)| {
            serde_json::json!({
                "hash": reference.hash,
                "modality": reference.modality,
                "added": reference.added,
                "size": reference.size,
                "spacing": reference.spacing,
                "voxels": reference.voxels,
                "ml": reference.volumes_ml(),
                "embedding_ready": states.map(|states| states[at] == EmbeddingState::Ready),
            })
        })
        .collect();
    serde_json::json!({
        "name": task.name,
        "version": task.version(),
        "exclusive": task.exclusive,
        "created": task.created,
        "taught": task.taught,
        "segments": task.segments,
        "references": references,
    })
}
