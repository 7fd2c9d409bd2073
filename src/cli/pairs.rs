//! A file of image pairs to evaluate on.

use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, WrapErr, miette};
use serde::Deserialize;

use super::images::{ImageArgs, read_image, read_labels};
use super::known::{Compared, Known};
use super::selection::{SegmentArg, selections};
use crate::evaluate::Case;
use crate::tasks::Reference;

/// `[[pair]]` in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PairsFile {
    pair: Vec<Pair>,
}

/// A reference and a query. Paths start at the folder of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    /// What the report calls it.
    name: String,
    reference: Labelled,
    query: Labelled,
}

/// An image and its labels, NIfTI or DICOM.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Labelled {
    image: PathBuf,
    label: PathBuf,
    /// Series Instance UID, or its beginning or end, where the folder holds several series.
    series: Option<String>,
    /// Modality of a NIfTI image.
    modality: Option<String>,
    /// VALUE=NAME of each segment; a DICOM-SEG names its own, and a query has the reference's values unless it says so.
    #[serde(default)]
    segments: Vec<String>,
}

/// Reads the file and every image that it names.
pub fn read_pairs(path: &Path) -> miette::Result<Vec<Case>> {
    let text = std::fs::read_to_string(path)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot read {}", path.display()))?;
    let file: PairsFile = toml::from_str(&text).map_err(|error| {
        miette!(
            help = "weights/evaluate.toml shows how such a file is written",
            "{} is no list of pairs: {error}",
            path.display()
        )
    })?;
    let base = path.parent().unwrap_or(Path::new(""));
    file.pair
        .iter()
        .map(|pair| {
            pair.read(base)
                .wrap_err_with(|| format!("pair `{}` of {}", pair.name, path.display()))
        })
        .collect()
}

impl Pair {
    fn read(&self, base: &Path) -> miette::Result<Case> {
        let image = read_image(&base.join(&self.reference.image), &self.reference.reading())?;
        let labels = read_labels(&base.join(&self.reference.label), &image)?;
        let selections = selections(
            &self.reference.segments()?,
            &labels.segments,
            &labels.volume.layers,
            None,
        )?;
        let query = read_image(&base.join(&self.query.image), &self.query.reading())?;
        let compared: Vec<Compared> = (1u16..)
            .zip(&selections)
            .map(|(number, selection)| Compared {
                number,
                label: &selection.description.label,
                taught_by: Some(selection.value),
            })
            .collect();
        let known = Known::read(
            &base.join(&self.query.label),
            &self.query.segments()?,
            &compared,
            &query,
        )?;
        let labels = labels.volume.resampled(&image.volume.geometry);
        Ok(Case {
            name: self.name.clone(),
            reference: Reference {
                image: image.volume,
                modality: image.modality,
                labels,
            },
            selections,
            query: query.volume,
            modality: query.modality,
            known: known.labels,
        })
    }
}

impl Labelled {
    fn reading(&self) -> ImageArgs {
        ImageArgs {
            series: self.series.clone(),
            modality: self.modality.clone(),
        }
    }

    fn segments(&self) -> miette::Result<Vec<SegmentArg>> {
        self.segments
            .iter()
            .map(|text| {
                text.parse()
                    .map_err(|reason: String| miette!("segment `{text}`: {reason}"))
            })
            .collect()
    }
}
