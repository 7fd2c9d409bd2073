//! `irisnode segment`: Segment a folder of DICOM or a NIfTI file.

use std::cell::LazyCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use miette::{IntoDiagnostic, WrapErr, miette};

use super::images::{Image, ImageArgs, read_image};
use super::known::{Compared, Known};
use super::library::LibraryArgs;
use super::picture::{note, write_picture};
use super::selection::SegmentArg;
use super::table::table;
use crate::encode::{EncodeError, Provenance, SegmentationType};
use crate::iris::Iris;
use crate::node::{encode_report, encode_result};
use crate::picture::Drawn;
use crate::segment::{ResultSegment, SegmentOptions, Segmented, Strategy, segment_volume};
use crate::tasks::{Task, TaskLibrary};
use crate::volume::LabelVolume;

const EXAMPLES: &str = "\
Examples:
  irisnode segment series/ --task abdomen --out result/
  irisnode segment ct.nii.gz --task abdomen,tumour --out result/ --format nifti,png
  irisnode segment series/ --task abdomen --labels known.nii.gz --out result/
  irisnode segment series/ --task abdomen --strategy retrieval --out result/

A DICOM series gives segmentation.dcm (DICOM-SEG), segmentation.nii.gz and
segmentation.png; a NIfTI file gives the latter two. When nothing is found
there is no DICOM-SEG, and the exit code is 0 all the same.";

/// Segment a folder of DICOM or a NIfTI file.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A folder of one DICOM series, a multi-frame DICOM file, or a NIfTI file.
    #[arg(value_name = "DIR|FILE")]
    input: PathBuf,
    /// Tasks to run, all in one pass of the network.
    #[arg(
        long = "task",
        short,
        value_name = "NAME",
        value_delimiter = ',',
        required = true
    )]
    tasks: Vec<String>,
    /// Folder for the results; made when it is missing.
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// What to write [default: seg, nifti and png, as the input allows].
    #[arg(long, value_name = "FORMAT", value_delimiter = ',')]
    format: Vec<Format>,
    /// The kind of DICOM-SEG.
    #[arg(long, value_name = "KIND", value_enum, default_value_t)]
    segmentation: SegmentationType,
    /// Known labels (DICOM-SEG, RTSTRUCT or NIfTI): prints the Dice coefficient of each segment, and draws their outline.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Which known value is which segment, such as 1=spleen [default: the values that the task was taught by].
    #[arg(long = "known", value_name = "VALUE=NAME", requires = "labels")]
    known: Vec<SegmentArg>,
    #[command(flatten)]
    reading: ImageArgs,
    /// What a segment's embedding is made of, out of the task's references.
    #[arg(long, value_name = "STRATEGY", value_enum, default_value_t)]
    strategy: Strategy,
    /// By either retrieval: most references that count for a segment.
    #[arg(long, value_name = "N", default_value_t = SegmentOptions::default().retrieve, value_parser = at_least_one)]
    retrieve: usize,
    /// Probability from which a voxel belongs to a segment.
    #[arg(long, value_name = "0..1", default_value_t = SegmentOptions::default().threshold)]
    threshold: f32,
    /// Take out parts of a segment smaller than this share of its largest part; 0 keeps all.
    #[arg(long, value_name = "0..1", default_value_t = SegmentOptions::default().least_part)]
    least_part: f64,
    #[command(flatten)]
    library: LibraryArgs,
}

/// A kind of file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// DICOM-SEG; only for a DICOM series.
    Seg,
    /// Measurement report (DICOM SR, TID 1500) on the DICOM-SEG; only for a DICOM series.
    Sr,
    /// NIfTI label map.
    Nifti,
    /// A picture of slices.
    Png,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let places = args.library.places()?;
    let library = places.library()?;
    let tasks = tasks(&library, &args.tasks)?;
    let image = read_image(&args.input, &args.reading)?;
    let formats = formats(&args.format, &image)?;
    let iris = places.network()?;
    let loaded = args
        .tasks
        .iter()
        .map(|name| library.load(name, &iris).into_diagnostic())
        .collect::<miette::Result<Vec<_>>>()?;
    let options = SegmentOptions {
        strategy: args.strategy,
        retrieve: args.retrieve,
        threshold: args.threshold,
        least_part: args.least_part,
        keep_probabilities: args.segmentation == SegmentationType::Fractional,
        ..SegmentOptions::default()
    };
    let bar = progress_bar();
    let result = segment_volume(
        &image.volume,
        &image.modality,
        &loaded,
        &iris,
        &options,
        &mut |done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        },
    )
    .into_diagnostic()?;
    bar.finish_and_clear();

    let compared: Vec<Compared> = result
        .segments
        .iter()
        .map(|segment| Compared {
            number: segment.number,
            label: &segment.description.label,
            taught_by: taught_by(&tasks, &segment.task, segment.task_segment),
        })
        .collect();
    let known = match &args.labels {
        Some(path) => Some(Known::read(path, &args.known, &compared, &image)?),
        None => None,
    };
    std::fs::create_dir_all(&args.out)
        .into_diagnostic()
        .wrap_err_with(|| format!("the folder {} cannot be made", args.out.display()))?;
    // Voxel by voxel only where that is wanted: it is some hundred megabytes.
    let labels = LazyCell::new(|| result.labels.to_volume());
    let dice: Option<Vec<Option<f64>>> = known.as_ref().map(|known| {
        let segments = result.segments.iter();
        segments
            .map(|segment| known.dice(&labels, segment.number))
            .collect()
    });
    print!("{}", summary(&result, dice.as_deref(), args.strategy));
    for format in formats {
        let written = match format {
            Format::Seg | Format::Sr => write_dicom(
                &args,
                format,
                &image,
                &result,
                provenance(&args, &result, &iris),
            )?,
            Format::Nifti => write_nifti(&args.out, &labels)?,
            Format::Png => vec![write_png(
                &args.out,
                &image,
                &result,
                &labels,
                known.as_ref(),
                dice.as_deref(),
            )?],
        };
        for path in written {
            eprintln!("wrote {}", path.display());
        }
    }
    Ok(())
}

fn tasks(library: &TaskLibrary, names: &[String]) -> miette::Result<Vec<Task>> {
    names
        .iter()
        .map(|name| library.show(name).into_diagnostic())
        .collect()
}

fn taught_by(tasks: &[Task], name: &str, number: u16) -> Option<u16> {
    let task = tasks.iter().find(|task| task.name == name)?;
    task.segments
        .get(usize::from(number).checked_sub(1)?)
        .map(|segment| segment.source_value)
}

fn formats(asked: &[Format], image: &Image) -> miette::Result<Vec<Format>> {
    if asked.is_empty() {
        let all = [Format::Seg, Format::Nifti, Format::Png];
        return Ok(all
            .into_iter()
            .filter(|&f| f != Format::Seg || image.source.is_some())
            .collect());
    }
    let dicom = asked.contains(&Format::Seg) || asked.contains(&Format::Sr);
    if dicom && image.source.is_none() {
        return Err(miette!(
            help = "give the folder of the DICOM series, or leave out `seg` and `sr`",
            "a DICOM-SEG refers to the images it was made from, and the input is no DICOM series with UIDs"
        ));
    }
    Ok(asked.to_vec())
}

fn progress_bar() -> ProgressBar {
    // Hidden by itself where standard error is no terminal.
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) =
        ProgressStyle::with_template("segmenting {bar:40} {pos}/{len} windows, {elapsed}")
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The table of what was found; with `dice` the Dice coefficient of each segment, where it is known.
fn summary(result: &Segmented, dice: Option<&[Option<f64>]>, strategy: Strategy) -> String {
    let mut heading = vec!["segment", "task", "ml", "slices", "confidence"];
    if dice.is_some() {
        heading.push("Dice");
    }
    let chosen = matches!(strategy, Strategy::Retrieval | Strategy::ImageRetrieval);
    if chosen {
        heading.push("by references");
    }
    let rows: Vec<Vec<String>> = result
        .segments
        .iter()
        .enumerate()
        .map(|(at, segment)| {
            let mut row = vec![
                segment.description.label.clone(),
                segment.task.clone(),
                format!("{:.1}", segment.volume_ml),
                segment.slices.to_string(),
                if segment.voxels > 0 {
                    format!("{:.2}", segment.confidence)
                } else {
                    "-".into()
                },
            ];
            if let Some(dice) = dice {
                row.push(dice[at].map_or_else(|| "-".into(), |dice| format!("{dice:.3}")));
            }
            if chosen {
                row.push(references(segment));
            }
            row
        })
        .collect();
    table(&heading, &rows)
}

/// The references that counted for a segment, the heaviest first: `2 (0.61), 1 (0.39)`.
fn references(segment: &ResultSegment) -> String {
    let mut counted: Vec<(usize, f64)> = (1..)
        .zip(segment.weights.iter().copied())
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    counted.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let words: Vec<String> = counted
        .iter()
        .map(|(number, weight)| format!("{number} ({weight:.2})"))
        .collect();
    words.join(", ")
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&number| number > 0)
        .ok_or_else(|| "must be a whole number from 1".to_owned())
}

/// What the UIDs of the DICOM-SEG follow from: other options give another result, which must not pass for this one.
fn provenance(args: &Args, result: &Segmented, iris: &Iris) -> Provenance {
    Provenance {
        rule: format!(
            "irisnode segment --threshold {} --least-part {}",
            args.threshold, args.least_part
        ),
        tasks: result.tasks.clone(),
        weights_hash: iris.weights_hash().to_owned(),
        series_description: format!("irisnode: {}", args.tasks.join(", ")),
    }
}

fn write_dicom(
    args: &Args,
    format: Format,
    image: &Image,
    result: &Segmented,
    provenance: Provenance,
) -> miette::Result<Vec<PathBuf>> {
    let Some(source) = &image.source else {
        return Ok(Vec::new());
    };
    let mut bytes = Vec::new();
    let written = encode_result(&mut bytes, result, source, &provenance, args.segmentation);
    let seg = match written {
        Ok(seg) => seg,
        Err(nothing @ EncodeError::NothingFound { .. }) => {
            eprintln!("{nothing}.");
            return Ok(Vec::new());
        }
        Err(error) => return Err(error).into_diagnostic(),
    };
    if format == Format::Sr {
        let report = encode_report(result, &seg, source, &provenance).into_diagnostic()?;
        let path = args.out.join("report.dcm");
        return write_file(path, &report.bytes).map(|path| vec![path]);
    }
    if !seg.empty_segments.is_empty() {
        eprintln!(
            "not found, and so not in the DICOM-SEG: {}",
            seg.empty_segments.join(", ")
        );
    }
    if seg.segmentation_type != args.segmentation {
        eprintln!(
            "segments overlap, which a label map cannot hold: the DICOM-SEG is {}",
            seg.segmentation_type
        );
    }
    let path = args.out.join("segmentation.dcm");
    write_file(path, &bytes).map(|path| vec![path])
}

fn write_file(path: PathBuf, bytes: &[u8]) -> miette::Result<PathBuf> {
    std::fs::write(&path, bytes)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} cannot be written", path.display()))?;
    Ok(path)
}

fn write_png(
    out: &Path,
    image: &Image,
    result: &Segmented,
    labels: &LabelVolume,
    known: Option<&Known>,
    dice: Option<&[Option<f64>]>,
) -> miette::Result<PathBuf> {
    let path = out.join("segmentation.png");
    let drawn: Vec<Drawn> = result
        .segments
        .iter()
        .enumerate()
        .map(|(at, segment)| Drawn {
            number: segment.number,
            name: segment.description.label.clone(),
            note: note(segment.volume_ml, dice.and_then(|dice| dice[at])),
            color: segment.description.color,
        })
        .collect();
    write_picture(&path, image, labels, &drawn, known)?;
    Ok(path)
}

fn write_nifti(out: &Path, labels: &LabelVolume) -> miette::Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for (layer, of_layer) in labels.layers.iter().enumerate() {
        // NIfTI has one label a voxel; segments that overlap go to files of their own.
        let name = match layer {
            0 => "segmentation.nii.gz".to_owned(),
            layer => format!("segmentation-{}.nii.gz", layer + 1),
        };
        let path = out.join(name);
        LabelVolume::exclusive(labels.geometry.clone(), of_layer.clone())
            .write_nifti(&path)
            .into_diagnostic()?;
        written.push(path);
    }
    Ok(written)
}
