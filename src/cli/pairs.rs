//! A file of references and queries to evaluate on.

use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, WrapErr, miette};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::images::{Image, ImageArgs, Labels, read_image, read_labels};
use super::known::{Compared, Known};
use super::selection::{SegmentArg, selections};
use crate::evaluate::{Case, CaseReference};
use crate::tasks::{Reference, Selection, same_name};

/// `[[pair]]` in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PairsFile {
    pair: Vec<Pair>,
}

/// One reference or several, and a query. Paths start at the folder of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    /// What the report calls it.
    name: String,
    #[serde(rename = "reference", deserialize_with = "one_or_several")]
    references: Vec<Labelled>,
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
    /// VALUE=NAME of each segment; a DICOM-SEG or RTSTRUCT names its own, and a query or a further reference has the
    /// first reference's values unless it says so.
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

/// A table, or a list of tables. No untagged enum: its errors do not say which key is wrong.
fn one_or_several<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Labelled>, D::Error> {
    struct OneOrSeveral;
    impl<'de> Visitor<'de> for OneOrSeveral {
        type Value = Vec<Labelled>;

        fn expecting(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
            to.write_str("a reference { image = ..., label = ... }, or a list of them")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Ok(vec![Labelled::deserialize(MapAccessDeserializer::new(
                map,
            ))?])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }
    }
    from.deserialize_any(OneOrSeveral)
}

impl Pair {
    fn read(&self, base: &Path) -> miette::Result<Case> {
        let Some((first, further)) = self.references.split_first() else {
            return Err(miette!("it has no reference; give one at least"));
        };
        let (image, labels) = first.read(base)?;
        let segments = first.segments()?;
        let segments = selections(&segments, &labels.segments, None)?;
        let query = read_image(&base.join(&self.query.image), &self.query.reading())?;
        let compared: Vec<Compared> = (1u16..)
            .zip(&segments)
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
        let mut references = vec![reference(image, labels, segments.clone())];
        for (labelled, number) in further.iter().zip(2..) {
            let (image, labels) = labelled.read(base)?;
            let shown = labelled.shown(&segments, &labels)?;
            if shown.is_empty() {
                return Err(miette!(
                    help = "a further reference has the values of the first, unless it says `segments = [\"VALUE=NAME\"]`",
                    "reference {number} shows none of the segments of the first"
                ));
            }
            references.push(reference(image, labels, shown));
        }
        Ok(Case {
            name: self.name.clone(),
            references,
            query: query.volume,
            modality: query.modality,
            known: known.labels,
        })
    }
}

fn reference(image: Image, labels: Labels, selections: Vec<Selection>) -> CaseReference {
    CaseReference {
        selections,
        reference: Reference {
            labels: labels.volume.resampled(&image.volume.geometry),
            image: image.volume,
            modality: image.modality,
        },
    }
}

impl Labelled {
    fn read(&self, base: &Path) -> miette::Result<(Image, Labels)> {
        let image = read_image(&base.join(&self.image), &self.reading())?;
        let labels = read_labels(&base.join(&self.label), image.grid(), &self.segments()?)?;
        Ok((image, labels))
    }

    /// Which of the first reference's `segments` a further one shows, with its own values.
    fn shown(&self, segments: &[Selection], labels: &Labels) -> miette::Result<Vec<Selection>> {
        let own = self.segments()?;
        let value_of = |segment: &Selection| -> Option<u16> {
            let label = &segment.description.label;
            if !own.is_empty() {
                let named = |arg: &&SegmentArg| {
                    arg.name
                        .as_deref()
                        .is_some_and(|name| same_name(name, label))
                };
                return own.iter().find(named).map(|arg| arg.value);
            }
            if labels.segments.is_empty() {
                return Some(segment.value);
            }
            let mut theirs = labels.segments.iter();
            theirs
                .find(|(_, theirs)| same_name(&theirs.label, label))
                .map(|(value, _)| *value)
        };
        let occurs = |value: u16| labels.volume.layers.iter().flatten().any(|&v| v == value);
        Ok(segments
            .iter()
            .filter_map(|segment| {
                let value = value_of(segment).filter(|&value| occurs(value))?;
                Some(Selection {
                    value,
                    description: segment.description.clone(),
                })
            })
            .collect())
    }

    fn reading(&self) -> ImageArgs {
        ImageArgs {
            series: self.series.clone(),
            modality: self.modality.clone(),
            ..ImageArgs::default()
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
