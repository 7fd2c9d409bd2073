//! `[telemetry]`: where traces of the series' lives go.

use super::secret::{self, Secret};
use super::section::{Placed, Section};
use super::{url, value};
use std::path::{Path, PathBuf};

/// `[telemetry]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// Address of a collector that takes OTLP over HTTP, without `/v1/traces`.
    pub otlp: String,
    /// Sent as `Authorization: Bearer`.
    pub bearer: Option<Secret>,
    /// PEM file of authorities that are trusted besides the system's.
    pub authorities: Option<PathBuf>,
}

/// Reads `[telemetry]`; nothing without an address, which is a problem already. Files go to `files`.
pub(super) fn read(
    mut section: Section<'_, '_>,
    base: &Path,
    files: &mut Vec<Placed<PathBuf>>,
) -> Option<Telemetry> {
    let otlp = section.required("otlp", "\"http://127.0.0.1:4318\"", url::read);
    let bearer = secret::read(&mut section, base, ["bearer_file", "bearer_env"], files);
    let authorities = section.optional("authorities", value::path(base));
    files.extend(authorities.clone());
    section.finish();
    let address = otlp?.value;
    let address = address.trim_end_matches('/');
    Some(Telemetry {
        otlp: address
            .strip_suffix("/v1/traces")
            .unwrap_or(address)
            .to_owned(),
        bearer,
        authorities: authorities.map(|placed| placed.value),
    })
}
