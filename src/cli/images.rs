//! Reading what a person names: a folder of DICOM, a DICOM-SEG, a NIfTI file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use miette::{IntoDiagnostic, WrapErr, miette};

use crate::assemble::SourceSeries;
use crate::terminology::SegmentDescription;
use crate::volume::{LabelVolume, Volume};

/// An image and where it came from.
pub struct Image {
    /// The voxels.
    pub volume: Volume,
    /// DICOM Modality.
    pub modality: String,
    /// The DICOM series, when it is one.
    pub source: Option<SourceSeries>,
}

/// Labels and, for a DICOM-SEG, what they are.
pub struct Labels {
    /// The label map on its own grid.
    pub volume: LabelVolume,
    /// Segments with their numbers; none for NIfTI.
    pub segments: Vec<(u16, SegmentDescription)>,
}

/// Reads a folder of one DICOM series, or a NIfTI file.
///
/// NIfTI does not say its modality: it is `modality`, else CT when there are values below -500 (Hounsfield units
/// of air), else MR.
pub fn read_image(path: &Path, modality: Option<&str>) -> miette::Result<Image> {
    if path.is_dir() {
        return Err(miette!(
            "{}: DICOM series cannot be read yet",
            path.display()
        ));
    }
    missing(path)?;
    let volume = Volume::read_nifti(path)
        .into_diagnostic()
        .wrap_err_with(|| {
            format!(
                "{} is neither a folder of DICOM nor a NIfTI file",
                path.display()
            )
        })?;
    let modality = match modality {
        Some(modality) => modality.to_owned(),
        None if volume.voxels.iter().any(|&v| v < -500.0) => "CT".into(),
        None => "MR".into(),
    };
    Ok(Image {
        volume,
        modality,
        source: None,
    })
}

/// Reads a DICOM-SEG, or the label map of a NIfTI file.
pub fn read_labels(path: &Path) -> miette::Result<Labels> {
    missing(path)?;
    if is_dicom(path) {
        return Err(miette!("{}: DICOM-SEG cannot be read yet", path.display()));
    }
    let volume = LabelVolume::read_nifti(path)
        .into_diagnostic()
        .wrap_err_with(|| {
            format!(
                "{} is neither a DICOM-SEG nor a NIfTI label map",
                path.display()
            )
        })?;
    Ok(Labels {
        volume,
        segments: Vec::new(),
    })
}

fn missing(path: &Path) -> miette::Result<()> {
    if path.exists() {
        Ok(())
    } else {
        Err(miette!("{} does not exist", path.display()))
    }
}

fn is_dicom(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path)
        .and_then(|mut file| {
            file.seek(SeekFrom::Start(128))?;
            file.read_exact(&mut magic)
        })
        .is_ok()
        && &magic == b"DICM"
}
