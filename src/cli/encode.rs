//! `irisnode encode`: Write labels as the DICOM-SEG of the series they were drawn on.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, WrapErr, miette};
use sha2::{Digest, Sha256};

use super::images::{ImageArgs, ImageGrid, Labels, read_label_runs, read_series_grid};
use super::known::SAME_GRID_MM;
use super::selection::{SegmentArg, selections};
use crate::assemble::VolumeChoice;
use crate::encode::{MadeBy, Provenance, SegForm, Segment, write_seg_to};
use crate::tasks::Selection;
use crate::volume::{Geometry, LabelRuns};

const EXAMPLES: &str = "\
Examples:
  irisnode encode series/ --label labels.nii.gz --segment 1=spleen --segment 5=liver --out seg.dcm
  irisnode encode series/ --label rtstruct.dcm --out seg.dcm
  irisnode encode series/ --label found.nii.gz --segment 1=liver --made-by automatic --algorithm nnU-Net --out seg.dcm

No network is asked: the labels are those given. Only the headers of the
series are read. The same input gives the same file, UIDs and all.";

/// Write labels as the DICOM-SEG of the series they were drawn on.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A folder of one DICOM series, or a multi-frame DICOM file.
    #[arg(value_name = "DIR|FILE")]
    series_of: PathBuf,
    /// A NIfTI label map, an RTSTRUCT, or a DICOM-SEG (of another kind, say).
    #[arg(long, short, value_name = "FILE")]
    label: PathBuf,
    /// A segment to take: its number and name, such as 1=spleen; needed for a NIfTI label map.
    #[arg(long = "segment", value_name = "VALUE=NAME")]
    segments: Vec<SegmentArg>,
    /// The DICOM-SEG to write.
    #[arg(long, short, value_name = "FILE.dcm")]
    out: PathBuf,
    /// The kind of DICOM-SEG.
    #[arg(long, value_name = "KIND", value_enum, default_value_t)]
    segmentation: Kind,
    /// What made the labels: it stands in the DICOM-SEG for every reader to see.
    #[arg(long, value_name = "WHAT", value_enum, default_value = "manual")]
    made_by: MadeBy,
    /// Name of the program that made them, or helped.
    #[arg(long, value_name = "NAME", required_if_eq_any = [("made_by", "automatic"), ("made_by", "semiautomatic")])]
    algorithm: Option<String>,
    /// Series Description of the DICOM-SEG.
    #[arg(long, value_name = "TEXT", default_value = "Segmentation")]
    description: String,
    /// The series to take of a folder that holds several: its Series Instance UID, or the beginning or the end of it.
    #[arg(long, value_name = "UID")]
    series: Option<String>,
    /// The volume to take of a series that holds several (echoes, phases, time points): fullest, only (refuse such a
    /// series), its number, or KEYWORD=VALUE.
    #[arg(long, value_name = "CHOICE", default_value_t)]
    volume: VolumeChoice,
}

/// A kind that labels alone can be: they say nothing of probabilities.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Kind {
    /// A bit a pixel, a frame for each segment on each slice: what every viewer reads.
    #[default]
    Binary,
    /// The number of its segment for each pixel, a frame a slice (Supplement 243); segments cannot overlap.
    Labelmap,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let reading = ImageArgs {
        series: args.series.clone(),
        volume: args.volume.clone(),
        modality: None,
    };
    let series = read_series_grid(&args.series_of, &reading)?;
    let image = ImageGrid {
        geometry: &series.geometry,
        source: Some(&series.source),
    };
    let Labels { volume, segments } = read_label_runs(&args.label, image, &args.segments)?;
    let chosen = selections(&args.segments, &segments, None)?;
    let mut labels = on_grid(volume, &series.geometry, &args.label)?;
    leave_only(&chosen, &mut labels);
    let segments: Vec<Segment> = chosen
        .into_iter()
        .map(|selection| Segment {
            made_by: args.made_by,
            algorithm_name: args.algorithm.clone().unwrap_or_default(),
            ..Segment::new(selection.value, selection.description)
        })
        .collect();
    let provenance = Provenance {
        rule: "irisnode encode".into(),
        tasks: vec![("labels".into(), content_hash(&labels, &segments, &args))],
        weights_hash: String::new(),
        series_description: args.description.clone(),
    };
    let form = match args.segmentation {
        Kind::Binary => SegForm::Binary,
        Kind::Labelmap => SegForm::Labelmap,
    };
    let written = write_file(&args.out, |file| {
        write_seg_to(file, form, &labels, &segments, &series.source, &provenance).into_diagnostic()
    })?;
    for segment in &written.written_segments {
        println!(
            "{} {}: {} voxels",
            segment.number, segment.label, segment.voxels
        );
    }
    if !written.empty_segments.is_empty() {
        eprintln!(
            "without a voxel, and so not in the DICOM-SEG: {}",
            written.empty_segments.join(", ")
        );
    }
    eprintln!("wrote {}", args.out.display());
    Ok(())
}

/// Labels on the series' own voxels. Those on another grid would come out near where they were drawn, and not there.
fn on_grid(labels: LabelRuns, grid: &Geometry, path: &Path) -> miette::Result<LabelRuns> {
    let [a, b] = [labels.geometry(), grid].map(|grid| {
        let [i, j, k] = grid.size;
        let [x, y, z] = grid.spacing;
        format!("{i} x {j} x {k} voxels of {x:.3} x {y:.3} x {z:.3} mm")
    });
    labels.onto(grid, SAME_GRID_MM).ok_or_else(|| {
        miette!(
            help = "resample the labels to the series' grid, nearest neighbour, or give the series they were drawn on",
            "{} does not lie on the voxels of the series: it has {a}, the series {b}, or another position or direction",
            path.display()
        )
    })
}

/// Takes the labels out that are not asked for.
fn leave_only(chosen: &[Selection], labels: &mut LabelRuns) {
    let mut kept = vec![false; usize::from(u16::MAX) + 1];
    for selection in chosen {
        kept[usize::from(selection.value)] = true;
    }
    labels.renumber(|value| if kept[usize::from(value)] { value } else { 0 });
}

/// What the UIDs follow from besides the series: other labels, or others' words on them, are another object.
fn content_hash(labels: &LabelRuns, segments: &[Segment], args: &Args) -> String {
    let mut hash = Sha256::new();
    labels.update(&mut hash);
    hash.update(format!("{segments:?} {}", args.description));
    format!("{:x}", hash.finalize())
}

/// Writes a file as a whole or not at all: it has its name once it is complete, and the mode that others have.
fn write_file<T>(
    path: &Path,
    write: impl FnOnce(&mut File) -> miette::Result<T>,
) -> miette::Result<T> {
    let about = || format!("{} cannot be written", path.display());
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .into_diagnostic()
        .wrap_err_with(about)?;
    let written = write(file.as_file_mut()).wrap_err_with(about)?;
    file.persist(path).into_diagnostic().wrap_err_with(about)?;
    Ok(written)
}
