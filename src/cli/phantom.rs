//! `irisnode phantom`: draws a labelled body as NIfTI or DICOM.

use crate::phantom::{Contrast, Phantom, Scene};
use crate::volume::Geometry;
use miette::{IntoDiagnostic, WrapErr};
use std::path::PathBuf;

/// Draw a labelled body (a torso) as NIfTI or as a DICOM CT series.
///
/// The same seed and grid give the same files. Writes labels.nii.gz and
/// segments.tsv (a label value and its name a line), and image.nii.gz or a
/// folder `series` of CT images.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  irisnode phantom --seed 7 --out body
  irisnode phantom --seed 8 --out body --format dicom --segment liver --segment spleen
  irisnode phantom --seed 9 --out body --mr --size 96,96,40 --spacing 4,4,4 --height 0")]
pub struct Args {
    /// Seed of the subject
    #[arg(long, value_name = "N")]
    seed: u64,
    /// Folder to write into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What to write the image as
    #[arg(long, value_enum, default_value_t = Format::Nifti)]
    format: Format,
    /// Columns, rows and slices
    #[arg(long, value_delimiter = ',', value_name = "C,R,S", default_values_t = [128, 96, 32])]
    size: Vec<usize>,
    /// Voxel size to left, posterior and head, mm
    #[arg(long, value_delimiter = ',', value_name = "X,Y,Z", default_values_t = [3.0, 3.0, 4.0])]
    spacing: Vec<f64>,
    /// Middle of the volume above the middle of vertebra L2, mm; the top of the liver is at about 110
    #[arg(
        long,
        value_name = "MM",
        default_value_t = 45.0,
        allow_negative_numbers = true
    )]
    height: f64,
    /// Keep only this structure in the labels (may be repeated); they are numbered in this order
    #[arg(long = "segment", value_name = "NAME")]
    segments: Vec<String>,
    /// Random contrast, as an MR sequence might show, instead of CT numbers
    #[arg(long, conflicts_with = "format")]
    mr: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// image.nii.gz
    Nifti,
    /// series/*.dcm, uncompressed CT images
    Dicom,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let scene = Scene::torso();
    let geometry = grid(&args)?;
    let contrast = if args.mr {
        Contrast::Random { law: args.seed }
    } else {
        Contrast::Ct
    };
    let mut phantom = scene.subject(args.seed, &geometry, contrast);
    if contrast == Contrast::Ct {
        // Whole CT numbers, as scanners store them.
        phantom
            .volume
            .voxels
            .iter_mut()
            .for_each(|v| *v = v.round().clamp(-1024.0, 3071.0));
    }
    let segments = choose(&scene, &mut phantom, &args.segments)?;
    std::fs::create_dir_all(&args.out)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot make the folder {}", args.out.display()))?;
    match args.format {
        Format::Nifti => phantom
            .volume
            .write_nifti(&args.out.join("image.nii.gz"))
            .into_diagnostic()?,
        Format::Dicom => {
            phantom
                .write_series(&args.out.join("series"), args.seed)
                .into_diagnostic()?;
        }
    }
    phantom
        .labels
        .write_nifti(&args.out.join("labels.nii.gz"))
        .into_diagnostic()?;
    let lines: String = segments
        .iter()
        .map(|(number, name)| format!("{number}\t{name}\n"))
        .collect();
    std::fs::write(args.out.join("segments.tsv"), lines).into_diagnostic()?;
    for (number, name) in &segments {
        let ml = phantom.labels.voxel_count(*number) as f64 * geometry.voxel_mm3() / 1000.0;
        println!("{number:>3}  {name:<28} {ml:>8.1} ml");
    }
    Ok(())
}

fn grid(args: &Args) -> miette::Result<Geometry> {
    let (&[columns, rows, slices], &[x, y, z]) = (args.size.as_slice(), args.spacing.as_slice())
    else {
        miette::bail!("--size and --spacing take three numbers each, such as 128,96,32 and 3,3,4");
    };
    let (size, spacing) = ([columns, rows, slices], [x, y, z]);
    let origin = std::array::from_fn(|a| {
        let middle = if a == 2 { args.height } else { 0.0 };
        middle - (size[a] as f64 - 1.0) / 2.0 * spacing[a]
    });
    let geometry = Geometry::axial(size, spacing, origin);
    let possible = size.iter().all(|n| (1..=1024).contains(n))
        && spacing.iter().all(|mm| (0.1..=100.0).contains(mm));
    if !possible {
        miette::bail!("--size must be 1 to 1024 along each axis, and --spacing 0.1 to 100 mm");
    }
    Ok(geometry)
}

/// Keeps the structures asked for, numbered in that order; all that are there when none is.
fn choose(
    scene: &Scene,
    phantom: &mut Phantom,
    names: &[String],
) -> miette::Result<Vec<(u16, String)>> {
    if names.is_empty() {
        return Ok((1u16..)
            .zip(&scene.structures)
            .filter(|(number, _)| phantom.labels.voxel_count(*number) > 0)
            .map(|(number, structure)| (number, structure.name.clone()))
            .collect());
    }
    let mut numbers = Vec::with_capacity(names.len());
    for name in names {
        let Some(number) = scene.number(name) else {
            let known: Vec<&str> = scene.structures.iter().map(|s| s.name.as_str()).collect();
            miette::bail!(
                help = format!("there are: {}", known.join(", ")),
                "the torso has no structure `{name}`"
            );
        };
        if phantom.labels.voxel_count(number) == 0 {
            miette::bail!(
                "`{name}` is not in this volume: the subject lacks it, or it lies outside; try another --seed or --height"
            );
        }
        numbers.push(number);
    }
    phantom.labels.renumber(|label| {
        let at = numbers.iter().position(|&number| number == label);
        at.map_or(0, |at| at as u16 + 1)
    });
    Ok((1u16..).zip(names.iter().cloned()).collect())
}
