//! Which volume of a series that holds several.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which volume to take of a series that holds several: time points, echoes, phases, diffusion weightings,
/// acquisitions, orientations.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum VolumeChoice {
    /// The one with the most slices; of several such the one the scanner counts first.
    #[default]
    Fullest,
    /// None: such a series is refused.
    Only,
    /// By its place among them, from 1, in ascending order of what tells them apart.
    Nth(usize),
    /// The one whose attributes have these values: DICOM keyword and value.
    Where(Vec<(String, String)>),
}

impl fmt::Display for VolumeChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fullest => f.write_str("fullest"),
            Self::Only => f.write_str("only"),
            Self::Nth(n) => write!(f, "{n}"),
            Self::Where(values) => {
                let words: Vec<String> = values.iter().map(|(k, v)| format!("{k}={v}")).collect();
                f.write_str(&words.join(","))
            }
        }
    }
}

impl std::str::FromStr for VolumeChoice {
    type Err = String;

    /// `fullest`, `only`, a number from 1, or `KEYWORD=VALUE`, several with commas between.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            "expected \"fullest\", \"only\", a number from 1, or KEYWORD=VALUE such as EchoTime=4.6"
                .to_owned()
        };
        match text.trim() {
            "fullest" => Ok(Self::Fullest),
            "only" => Ok(Self::Only),
            text => {
                if let Ok(n) = text.parse::<usize>() {
                    return if n > 0 {
                        Ok(Self::Nth(n))
                    } else {
                        Err(expected())
                    };
                }
                let pairs = text.split(',').map(|pair| {
                    let (keyword, value) = pair.split_once('=').ok_or_else(expected)?;
                    Ok((keyword.trim().to_owned(), value.trim().to_owned()))
                });
                pairs.collect::<Result<_, String>>().map(Self::Where)
            }
        }
    }
}

/// Whether a value of an attribute (several with backslashes between) is the one asked for: as a number where both
/// are, else as text of any case.
pub(super) fn is_value(there: &str, asked: &str) -> bool {
    let one = |there: &str| match (there.parse::<f64>(), asked.parse::<f64>()) {
        (Ok(there), Ok(asked)) => (there - asked).abs() <= 1e-6 * asked.abs().max(1.0),
        _ => there.eq_ignore_ascii_case(asked),
    };
    there.eq_ignore_ascii_case(asked) || there.split('\\').any(|value| one(value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_read_as_it_is_written() {
        for text in [
            "fullest",
            "only",
            "3",
            "EchoTime=4.6",
            "ImageType=W,EchoNumbers=1",
        ] {
            assert_eq!(text.parse::<VolumeChoice>().unwrap().to_string(), text);
        }
        for text in ["", "0", "-1", "biggest"] {
            assert!(text.parse::<VolumeChoice>().is_err(), "{text}");
        }
    }

    #[test]
    fn values_are_compared_as_numbers_or_as_any_of_several_texts() {
        assert!(is_value("4.60", "4.6"));
        assert!(is_value("DERIVED\\PRIMARY\\W", "w"));
        assert!(!is_value("46", "4.6"));
        assert!(!is_value("WF", "W"));
    }
}
