//! `irisnode overlay`: Draw a segmentation over its image, and measure it against known labels.

use std::path::PathBuf;

use miette::{IntoDiagnostic, miette};

use super::images::{ImageArgs, read_image, read_labels};
use super::known::{Compared, Known, SAME_GRID_MM};
use super::picture::{note, write_picture};
use super::selection::SegmentArg;
use super::table::table;
use crate::picture::Drawn;
use crate::volume::{LabelRuns, LabelVolume, tally};

const EXAMPLES: &str = "\
Examples:
  irisnode overlay series/ seg.dcm --out picture.png
  irisnode overlay series/ seg.dcm --labels known.nii.gz --known 1=spleen --known 5=liver --out picture.png
  irisnode overlay ct.nii.gz labels.nii.gz --segment 1=spleen --out picture.png";

/// Draw a segmentation over its image, and measure it against known labels.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A folder of one DICOM series, or a NIfTI file.
    #[arg(value_name = "DIR|FILE")]
    image: PathBuf,
    /// A DICOM-SEG, an RTSTRUCT, or a NIfTI label map.
    #[arg(value_name = "FILE")]
    segmentation: PathBuf,
    /// The picture to write.
    #[arg(long, short, value_name = "FILE.png")]
    out: Option<PathBuf>,
    /// A segment to take: its number and name, such as 1=spleen; needed for a NIfTI label map.
    #[arg(long = "segment", value_name = "VALUE=NAME")]
    segments: Vec<SegmentArg>,
    /// Known labels (DICOM-SEG, RTSTRUCT or NIfTI): prints the Dice coefficient of each segment, and draws their outline.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Which known value is which segment, such as 1=spleen; needed for NIfTI.
    #[arg(long = "known", value_name = "VALUE=NAME", requires = "labels")]
    known: Vec<SegmentArg>,
    #[command(flatten)]
    reading: ImageArgs,
    /// Print the measures as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let image = read_image(&args.image, &args.reading)?;
    let grid = &image.volume.geometry;
    let read = read_labels(&args.segmentation, image.grid(), &args.segments)?;
    let segments: Vec<(u16, crate::terminology::SegmentDescription)> = if args.segments.is_empty() {
        read.segments
    } else {
        let own = &read.segments;
        let chosen = args
            .segments
            .iter()
            .map(|arg| arg.selection(own).map(|s| (s.value, s.description)));
        chosen.collect::<miette::Result<_>>()?
    };
    let Some(last) = segments.iter().map(|(number, _)| *number).max() else {
        return Err(miette!(
            help = "name them with --segment VALUE=NAME, such as --segment 1=spleen",
            "{} does not say what its segments are",
            args.segmentation.display()
        ));
    };
    let labels = if read.volume.geometry.is_close(grid, SAME_GRID_MM) {
        LabelVolume {
            geometry: grid.clone(),
            ..read.volume
        }
    } else {
        read.volume.resampled(grid)
    };
    let compared: Vec<Compared> = segments
        .iter()
        .map(|(number, description)| Compared {
            number: *number,
            label: &description.label,
            taught_by: None,
        })
        .collect();
    let known = match &args.labels {
        Some(path) => Some(Known::read(path, &args.known, &compared, &image)?),
        None => None,
    };
    let tally = tally(&LabelRuns::of(&labels).into_diagnostic()?, last);
    let mut rows = Vec::new();
    let mut measures = Vec::new();
    let mut drawn = Vec::new();
    for (number, description) in &segments {
        let found = tally[usize::from(*number)];
        let ml = found.voxels as f64 * grid.voxel_mm3() / 1000.0;
        let dice = known
            .as_ref()
            .and_then(|known| known.dice(&labels, *number));
        rows.push(vec![
            description.label.clone(),
            format!("{ml:.1}"),
            found.slices.to_string(),
            dice.map_or_else(|| "-".into(), |dice| format!("{dice:.3}")),
        ]);
        measures.push(serde_json::json!({
            "number": number,
            "segment": description.label,
            "voxels": found.voxels,
            "ml": ml,
            "slices": found.slices,
            "dice": dice,
        }));
        drawn.push(Drawn {
            number: *number,
            name: description.label.clone(),
            note: note(ml, dice),
            color: description.color,
        });
    }
    if args.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&measures).into_diagnostic()?
        );
    } else {
        print!("{}", table(&["segment", "ml", "slices", "Dice"], &rows));
    }
    if let Some(out) = &args.out {
        write_picture(out, &image, &labels, &drawn, known.as_ref())?;
        eprintln!("The picture is {}.", out.display());
    }
    Ok(())
}
