//! `--segment VALUE=NAME`: which label value is which segment.

use std::str::FromStr;

use miette::miette;

use crate::tasks::{Selection, Task};
use crate::terminology::{Code, SegmentDescription};
use crate::volume::LabelVolume;

/// One `--segment`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentArg {
    /// The value in the label map, the segment's number in a DICOM-SEG, or the ROI Number in an RTSTRUCT.
    pub value: u16,
    /// Its name; none keeps the label's own.
    pub name: Option<String>,
    /// Property type in the words `VALUE:SCHEME:MEANING`.
    code: Option<[String; 3]>,
}

impl FromStr for SegmentArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (value, rest) = match text.split_once('=') {
            Some((value, rest)) => (value, Some(rest)),
            None => (text, None),
        };
        let value = value.trim().parse::<u16>().ok().filter(|&value| value > 0);
        let value =
            value.ok_or("write VALUE=NAME, such as 1=spleen; VALUE is a label from 1 to 65535")?;
        let Some(rest) = rest else {
            return Ok(Self {
                value,
                name: None,
                code: None,
            });
        };
        let (name, code) = match rest.split_once('@') {
            Some((name, code)) => (name, Some(code)),
            None => (rest, None),
        };
        if name.trim().is_empty() {
            return Err("the name is missing; write VALUE=NAME, such as 1=spleen".into());
        }
        let code = code
            .map(|code| {
                let parts: Vec<String> = code
                    .splitn(3, ':')
                    .map(|part| part.trim().to_owned())
                    .collect();
                <[String; 3]>::try_from(parts)
                    .ok()
                    .filter(|parts| parts.iter().all(|part| !part.is_empty()))
                    .ok_or("write a code as VALUE:SCHEME:MEANING, such as 78961009:SCT:Spleen")
            })
            .transpose()?;
        Ok(Self {
            value,
            name: Some(name.trim().to_owned()),
            code,
        })
    }
}

impl SegmentArg {
    /// The segment with its codes: those given, those known by its name, or those of the label.
    pub fn selection(&self, own: &[(u16, SegmentDescription)]) -> miette::Result<Selection> {
        let own = own
            .iter()
            .find(|(number, _)| *number == self.value)
            .map(|(_, own)| own);
        let mut description = match (&self.name, own) {
            (None, Some(own)) => own.clone(),
            (None, None) => {
                return Err(miette!(
                    help = format!("name it: --segment {}=NAME", self.value),
                    "the label does not say what value {} is",
                    self.value
                ));
            }
            (Some(name), Some(own)) => SegmentDescription {
                label: name.clone(),
                ..own.clone()
            },
            // Viewers show the name as the person wrote it, with the codes and colour of what it means.
            (Some(name), None) => SegmentDescription {
                label: name.clone(),
                ..SegmentDescription::or_generic(name)
            },
        };
        if let Some([value, scheme, meaning]) = &self.code {
            description.property_type = Code::new(value, scheme, meaning);
        }
        Ok(Selection {
            value: self.value,
            description,
        })
    }
}

/// The segments that are asked for; without any, those of the DICOM-SEG or RTSTRUCT, or for a further reference of a
/// task those of its values that occur in the labels.
pub fn selections(
    asked: &[SegmentArg],
    own: &[(u16, SegmentDescription)],
    further: Option<(&Task, &LabelVolume)>,
) -> miette::Result<Vec<Selection>> {
    if !asked.is_empty() {
        return asked.iter().map(|segment| segment.selection(own)).collect();
    }
    let mut all: Vec<Selection> = own
        .iter()
        .map(|(value, description)| Selection {
            value: *value,
            description: description.clone(),
        })
        .collect();
    if let Some((task, labels)) = further {
        if own.is_empty() {
            let taught = task.segments.iter().map(|segment| Selection {
                value: segment.source_value,
                description: segment.description.clone(),
            });
            all = taught
                .filter(|s| {
                    labels
                        .layers
                        .iter()
                        .flatten()
                        .any(|&value| value == s.value)
                })
                .collect();
        } else {
            all.retain(|selection| task.segment_named(&selection.description.label).is_some());
        }
    }
    if all.is_empty() && !own.is_empty() {
        let names: Vec<&str> = own.iter().map(|(_, own)| own.label.as_str()).collect();
        return Err(miette!(
            help = "say which is which with --segment NUMBER=NAME of the task",
            "no segment of the label has the name of a segment of the task; it has {}",
            names.join(", ")
        ));
    }
    if all.is_empty() {
        return Err(miette!(
            help = "name the segments with --segment VALUE=NAME, such as --segment 1=spleen",
            "a NIfTI label does not say what its values mean"
        ));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_a_value_and_a_name() {
        let spleen: SegmentArg = "1=spleen".parse().unwrap();
        assert_eq!((spleen.value, spleen.name.as_deref()), (1, Some("spleen")));
        let number: SegmentArg = "4".parse().unwrap();
        assert_eq!((number.value, number.name), (4, None));
        let coded: SegmentArg = "2=My organ@78961009:SCT:Spleen".parse().unwrap();
        assert_eq!(coded.name.as_deref(), Some("My organ"));
        for wrong in [
            "spleen",
            "0=spleen",
            "70000=spleen",
            "1=",
            "1=x@78961009",
            "=spleen",
        ] {
            assert!(wrong.parse::<SegmentArg>().is_err(), "{wrong}");
        }
    }
}
