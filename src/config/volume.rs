//! Which volume of a series a rule takes, where the series holds several.

use super::attribute;
use super::section::Complaint;
use super::value;
use std::fmt;
use toml::de::DeValue;

/// Which volume of a series that holds several (echoes, phases, time points, diffusion weightings, acquisitions).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Volume {
    /// The one with the most slices; of several such the one the scanner counts first.
    #[default]
    Fullest,
    /// None of several: such a series is refused.
    Only,
    /// By its place among them, from 1.
    Nth(usize),
    /// The one whose attributes have these values: DICOM keyword and value.
    Where(Vec<(String, String)>),
}

impl fmt::Display for Volume {
    /// As the command line takes it: `fullest`, `only`, `2`, `EchoTime=4.6`.
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

const HELP: &str =
    "\"fullest\", \"only\", a number from 1, or a table of attributes such as { EchoTime = 4.6 }";

pub(super) fn read(written: &DeValue<'_>) -> Result<Volume, Complaint> {
    let with_help = |complaint: Complaint| complaint.with_help(HELP);
    match written {
        DeValue::Integer(_) => {
            let n = value::integer(written, 1, 100_000).map_err(with_help)?;
            Ok(Volume::Nth(n.unsigned_abs() as usize))
        }
        DeValue::Table(table) if !table.is_empty() => {
            let mut values = Vec::new();
            for (keyword, wanted) in table {
                let keyword = keyword.get_ref().as_ref();
                attribute::find(keyword)?;
                let wanted = match wanted.get_ref() {
                    text @ DeValue::String(_) => value::text(text),
                    number => value::number(number).map(|number| number.to_string()),
                };
                let wanted = wanted.map_err(with_help)?;
                if wanted.contains([',', '=']) {
                    return Err(
                        Complaint::new("must be one value", "not one value").with_help(HELP)
                    );
                }
                values.push((keyword.to_owned(), wanted));
            }
            Ok(Volume::Where(values))
        }
        other => match value::text(other).map_err(with_help)?.as_str() {
            "fullest" => Ok(Volume::Fullest),
            "only" => Ok(Volume::Only),
            _ => {
                Err(Complaint::new("names no volume of a series", "unknown choice").with_help(HELP))
            }
        },
    }
}
