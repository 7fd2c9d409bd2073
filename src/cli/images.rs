//! Reading what a person names: a folder of DICOM, a DICOM-SEG, an RTSTRUCT, a NIfTI file.

use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, WrapErr, miette};

use super::selection::SegmentArg;
use super::table::table;
use crate::assemble::{
    SeriesFiles, SeriesGrid, SourceSeries, VolumeChoice, group_by_series, read_grid, read_volume,
};
use crate::encode::labels_on;
use crate::terminology::SegmentDescription;
use crate::volume::{Geometry, LabelRuns, LabelVolume, NiftiError, Volume};

/// DICOM objects that lie beside images and are none themselves (PS3.3 C.7.3.1.1.1).
const NO_IMAGES: [&str; 12] = [
    "SEG", "SR", "KO", "PR", "REG", "FID", "DOC", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "RWV",
];

/// How an image is read.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ImageArgs {
    /// The series to take of a folder that holds several: its Series Instance UID, or the beginning or the end of it.
    #[arg(long, value_name = "UID")]
    pub series: Option<String>,
    /// The volume to take of a series that holds several (echoes, phases, time points): fullest, only (refuse such a
    /// series), its number, or KEYWORD=VALUE.
    #[arg(long, value_name = "CHOICE", default_value_t)]
    pub volume: VolumeChoice,
    /// DICOM Modality of a NIfTI image [default: CT when it has values of air in Hounsfield units, else MR].
    #[arg(long, value_name = "CT|MR|...")]
    pub modality: Option<String>,
}

/// An image and where it came from.
pub struct Image {
    /// The voxels.
    pub volume: Volume,
    /// DICOM Modality.
    pub modality: String,
    /// The DICOM series, when it is one that can be referred to.
    pub source: Option<SourceSeries>,
}

/// Labels, as a [`LabelVolume`] or as [`LabelRuns`], and, for a DICOM-SEG or an RTSTRUCT, what they are.
pub struct Labels<L = LabelVolume> {
    /// The label map: a DICOM-SEG or an RTSTRUCT on the image's grid, NIfTI on its own.
    pub volume: L,
    /// Segments (ROIs) with their numbers; none for NIfTI.
    pub segments: Vec<(u16, SegmentDescription)>,
}

/// Reads one DICOM series (a folder, or a multi-frame file), or a NIfTI file.
///
/// NIfTI does not say its modality: it is the one asked for, else CT when there are values below -500 (Hounsfield
/// units of air), else MR.
pub fn read_image(path: &Path, args: &ImageArgs) -> miette::Result<Image> {
    missing(path)?;
    if let Some(files) = dicom_series(path, args.series.as_deref())? {
        let series = read_volume(&files, &args.volume)
            .into_diagnostic()
            .wrap_err_with(|| no_volume(path))?;
        for note in &series.notes {
            eprintln!("{}: {note}.", path.display());
        }
        let nameless = series
            .source
            .slices
            .iter()
            .any(|slice| slice.sop_instance_uid.is_empty());
        if nameless {
            eprintln!(
                "The images in {} have no SOP Instance UID: they are read, but no DICOM-SEG can refer to them.",
                path.display()
            );
        }
        return Ok(Image {
            volume: series.volume,
            modality: series.source.modality(),
            source: (!nameless).then_some(series.source),
        });
    }
    let volume = Volume::read_nifti(path)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} is neither DICOM nor a NIfTI file", path.display()))?;
    let modality = match &args.modality {
        Some(modality) => modality.clone(),
        None => {
            let has_air = volume.voxels.iter().any(|&v| v < -500.0);
            let guess = if has_air { "CT" } else { "MR" };
            eprintln!(
                "{} is taken for {guess}; --modality says otherwise.",
                path.display()
            );
            guess.to_owned()
        }
    };
    Ok(Image {
        volume,
        modality,
        source: None,
    })
}

/// The grid of an image, and the DICOM series it is of, when it is one.
#[derive(Clone, Copy)]
pub struct ImageGrid<'a> {
    /// Where the voxels lie.
    pub geometry: &'a Geometry,
    /// The series.
    pub source: Option<&'a SourceSeries>,
}

impl Image {
    /// Its grid.
    pub fn grid(&self) -> ImageGrid<'_> {
        ImageGrid {
            geometry: &self.volume.geometry,
            source: self.source.as_ref(),
        }
    }
}

/// Reads where the slices of a DICOM series lie, not their pixels.
pub fn read_series_grid(path: &Path, args: &ImageArgs) -> miette::Result<SeriesGrid> {
    missing(path)?;
    let Some(files) = dicom_series(path, args.series.as_deref())? else {
        return Err(miette!(
            help = "give a folder of one DICOM series, or a multi-frame DICOM file",
            "{} is no DICOM series",
            path.display()
        ));
    };
    let series = read_grid(&files, &args.volume)
        .into_diagnostic()
        .wrap_err_with(|| no_volume(path))?;
    for note in &series.notes {
        eprintln!("{}: {note}.", path.display());
    }
    Ok(series)
}

fn no_volume(path: &Path) -> String {
    format!("the series in {} is no volume", path.display())
}

/// Reads a DICOM-SEG or an RTSTRUCT onto the grid of an image, or the label map of a NIfTI file on its own grid.
///
/// Of an RTSTRUCT only the ROIs that are `asked` for are read, all where none is: others may be many, and drawn on
/// another series.
pub fn read_labels(
    path: &Path,
    image: ImageGrid<'_>,
    asked: &[SegmentArg],
) -> miette::Result<Labels> {
    match dicom_labels(path, image, asked)? {
        Some(labels) => Ok(labels),
        None => nifti_labels(path, LabelVolume::read_nifti),
    }
}

/// [`read_labels`] in little memory, for what needs no label at a place: a NIfTI file is read piece by piece.
pub fn read_label_runs(
    path: &Path,
    image: ImageGrid<'_>,
    asked: &[SegmentArg],
) -> miette::Result<Labels<LabelRuns>> {
    match dicom_labels(path, image, asked)? {
        Some(labels) => Ok(Labels {
            volume: LabelRuns::of(&labels.volume).into_diagnostic()?,
            segments: labels.segments,
        }),
        None => nifti_labels(path, LabelRuns::read_nifti),
    }
}

/// The labels of a DICOM file; none when it is a file of another kind.
fn dicom_labels(
    path: &Path,
    image: ImageGrid<'_>,
    asked: &[SegmentArg],
) -> miette::Result<Option<Labels>> {
    missing(path)?;
    if path.is_dir() {
        return Err(miette!(
            help = "give the file of the DICOM-SEG or RTSTRUCT, or a NIfTI label map",
            "{} is a folder; labels are one file",
            path.display()
        ));
    }
    if is_nifti(path) {
        return Ok(None);
    }
    let groups = group_by_series(&[path.to_owned()]).into_diagnostic()?;
    let Some(series) = groups.series.first() else {
        return Ok(None);
    };
    let about = || format!("{} cannot be taken as labels", path.display());
    let wanted: Vec<u16> = match series.modality.as_str() {
        "RTSTRUCT" => asked.iter().map(|segment| segment.value).collect(),
        _ => Vec::new(),
    };
    let read = labels_on(path, image.geometry, image.source, &wanted)
        .into_diagnostic()
        .wrap_err_with(about)?;
    for note in &read.notes {
        eprintln!("{note}.");
    }
    Ok(Some(Labels {
        volume: read.labels,
        segments: read.segments,
    }))
}

fn nifti_labels<L>(
    path: &Path,
    read: impl FnOnce(&Path) -> Result<L, NiftiError>,
) -> miette::Result<Labels<L>> {
    let volume = read(path).into_diagnostic().wrap_err_with(|| {
        format!(
            "{} is neither a DICOM-SEG, nor an RTSTRUCT, nor a NIfTI label map",
            path.display()
        )
    })?;
    Ok(Labels {
        volume,
        segments: Vec::new(),
    })
}

/// The files of the one image series of a folder or file, or none when a file is not DICOM.
fn dicom_series(path: &Path, wanted: Option<&str>) -> miette::Result<Option<Vec<PathBuf>>> {
    if path.is_file() && is_nifti(path) {
        return Ok(None);
    }
    let groups = group_by_series(&[path.to_owned()]).into_diagnostic()?;
    if groups.series.is_empty() {
        return if path.is_file() {
            Ok(None)
        } else {
            Err(no_dicom(path, groups.left_out.len()))
        };
    }
    let fits = |series: &&SeriesFiles| match wanted {
        Some(wanted) => {
            series.series_instance_uid.starts_with(wanted)
                || series.series_instance_uid.ends_with(wanted)
        }
        None => !NO_IMAGES.contains(&series.modality.as_str()),
    };
    let chosen: Vec<&SeriesFiles> = groups.series.iter().filter(fits).collect();
    match chosen.as_slice() {
        [one] => Ok(Some(one.files.clone())),
        [] => Err(miette!(
            help = listed(path, &groups.series.iter().collect::<Vec<_>>()),
            "{} holds no {}",
            path.display(),
            match wanted {
                Some(wanted) =>
                    format!("series whose Series Instance UID begins or ends with {wanted}"),
                None => "series of images, only other DICOM objects".to_owned(),
            }
        )),
        several => Err(miette!(
            help = format!(
                "choose one with --series UID (its beginning or its end is enough), or give the folder of one series\n{}",
                listed(path, several)
            ),
            "{} holds {} series; one is needed",
            path.display(),
            several.len()
        )),
    }
}

pub(super) fn no_dicom(path: &Path, files: usize) -> miette::Report {
    miette!(
        help = "give a folder of DICOM images (their names do not matter), or a NIfTI file",
        "there is no DICOM image in {}: {}",
        path.display(),
        match files {
            0 => "it is empty".to_owned(),
            1 => "its one file is not DICOM".to_owned(),
            files => format!("none of its {files} files is DICOM"),
        }
    )
}

/// The series, without a word that could name a patient.
fn listed(folder: &Path, series: &[&SeriesFiles]) -> String {
    let rows: Vec<Vec<String>> = series
        .iter()
        .map(|series| {
            let place = series.files.first().and_then(|file| file.parent());
            let place = place.map(|place| place.strip_prefix(folder).unwrap_or(place));
            vec![
                series.modality.clone(),
                series.files.len().to_string(),
                match series.series_instance_uid.as_str() {
                    "" => "(none)".to_owned(),
                    uid => uid.to_owned(),
                },
                place.map_or_else(String::new, |place| format!("./{}", place.display())),
            ]
        })
        .collect();
    table(
        &["modality", "instances", "Series Instance UID", "first in"],
        &rows,
    )
}

pub(super) fn missing(path: &Path) -> miette::Result<()> {
    if path.exists() {
        Ok(())
    } else {
        Err(miette!(
            help = "check the path; a relative one starts at the folder you are in",
            "{} does not exist",
            path.display()
        ))
    }
}

fn is_nifti(path: &Path) -> bool {
    let name = path.to_string_lossy().to_lowercase();
    [".nii", ".nii.gz", ".hdr"]
        .iter()
        .any(|end| name.ends_with(end))
}
