//! How results may be compressed on their way to a peer.

use super::section::Complaint;
use super::suggest::did_you_mean;
use super::value;
use std::fmt;
use toml::de::DeValue;

/// A lossless transfer syntax for results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Deflated Explicit VR Little Endian: the whole data set; for every kind.
    Deflated,
    /// RLE Lossless: FRACTIONAL and LABELMAP.
    Rle,
    /// JPEG-LS Lossless: FRACTIONAL and LABELMAP.
    JpegLs,
}

impl Compression {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Deflated, Self::Rle, Self::JpegLs];

    /// Its word in a peer's `compress`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deflated => "deflated",
            Self::Rle => "rle",
            Self::JpegLs => "jpeg-ls",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

pub(super) fn read(written: &DeValue<'_>) -> Result<Vec<Compression>, Complaint> {
    const HELP: &str = "a list, the most wanted first, of \"deflated\", \"rle\", \"jpeg-ls\"";
    let listed = value::texts(written).map_err(|complaint| complaint.with_help(HELP))?;
    listed
        .iter()
        .map(|text| {
            let found = Compression::ALL
                .into_iter()
                .find(|c| c.name() == text.value);
            found.ok_or_else(|| {
                let names = Compression::ALL.map(Compression::name);
                let help = did_you_mean(&text.value, names).unwrap_or_else(|| HELP.to_owned());
                Complaint::new("names no compression", "unknown compression").with_help(help)
            })
        })
        .collect()
}
