//! The kind of DICOM-SEG a rule's result is.

use super::section::Complaint;
use super::suggest::did_you_mean;
use super::value;
use std::fmt;
use toml::de::DeValue;

/// Segmentation Type (0062,0001) of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Segmentation {
    /// In or out: what every viewer reads.
    #[default]
    Binary,
    /// How likely each pixel is in.
    Fractional,
    /// Label Map Segmentation Storage (Supplement 243): one frame a slice.
    Labelmap,
}

impl Segmentation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Binary, Self::Fractional, Self::Labelmap];

    /// Its word in a rule.
    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Fractional => "fractional",
            Self::Labelmap => "labelmap",
        }
    }
}

impl fmt::Display for Segmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

pub(super) fn read(written: &DeValue<'_>) -> Result<Segmentation, Complaint> {
    const HELP: &str = "one of \"binary\", \"fractional\", \"labelmap\"";
    let text = value::text(written).map_err(|complaint| complaint.with_help(HELP))?;
    let found = Segmentation::ALL.into_iter().find(|s| s.name() == text);
    found.ok_or_else(|| {
        let names = Segmentation::ALL.map(Segmentation::name);
        let help = did_you_mean(&text, names).unwrap_or_else(|| HELP.to_owned());
        Complaint::new("is no kind of segmentation", "unknown kind").with_help(help)
    })
}
