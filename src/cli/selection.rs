//! `--segment VALUE=NAME`: which label value is which segment.

use std::str::FromStr;

use miette::miette;

use crate::tasks::Selection;
use crate::terminology::{Code, SegmentDescription};

const COLORS: [[u8; 3]; 6] = [
    [86, 180, 233],
    [230, 159, 0],
    [0, 158, 115],
    [240, 228, 66],
    [213, 94, 0],
    [204, 121, 167],
];

/// One `--segment`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentArg {
    /// The value in the label map, or the segment's number in a DICOM-SEG.
    pub value: u16,
    /// Its name; none keeps a DICOM-SEG's own.
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
    /// The segment with its codes: those given, those known by its name, or those of the DICOM-SEG.
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
            (Some(name), None) => unknown(name, self.value),
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

/// A segment that the terminology does not know.
fn unknown(name: &str, value: u16) -> SegmentDescription {
    SegmentDescription {
        label: name.to_owned(),
        category: Code::new("123037004", "SCT", "Anatomical Structure"),
        property_type: Code::new(name, "99IRISNODE", name),
        property_type_modifier: None,
        anatomic_region: None,
        anatomic_region_modifier: None,
        color: COLORS[usize::from(value) % COLORS.len()],
    }
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
