//! The DICOMweb of a peer: where images that labels refer to are fetched from.

use super::problem::Problem;
use super::secret::{self, Secret};
use super::section::{Placed, Section};
use super::{url, value};
use std::path::{Path, PathBuf};

/// What a peer answers WADO-RS at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerDicomweb {
    /// Where the service begins, without a slash at the end: `https://pacs.example.org/dicom-web`.
    pub url: String,
    /// Who signs in (HTTP Basic), and the password.
    pub login: Option<(String, Secret)>,
    /// Sent as `Authorization: Bearer`, where nobody signs in.
    pub token: Option<Secret>,
    /// PEM file of authorities that are trusted besides the system's.
    pub authorities: Option<PathBuf>,
}

/// Reads what a `[[peer]]` says of its DICOMweb; files go to `files`.
pub(super) fn read(
    section: &mut Section<'_, '_>,
    base: &Path,
    files: &mut Vec<Placed<PathBuf>>,
) -> Option<PeerDicomweb> {
    let address = section.optional("dicomweb", url::read);
    let keys = [
        "dicomweb_user",
        "dicomweb_password_file",
        "dicomweb_password_env",
    ];
    let login = secret::login(section, base, keys, files);
    let keys = ["dicomweb_token_file", "dicomweb_token_env"];
    let token = secret::read(section, base, keys, files);
    let authorities = section.optional("dicomweb_authorities", value::path(base));
    files.extend(authorities.clone());
    let Some(address) = address else {
        if login.is_some() || token.is_some() || authorities.is_some() {
            let span = section.span();
            section.problems().push(
                Problem::error(
                    span,
                    "a peer has options of DICOMweb and no address of it",
                    "where is it?",
                )
                .with_help("add dicomweb = \"https://.../dicom-web\""),
            );
        }
        return None;
    };
    let has_secret = login.is_some() || token.is_some();
    if has_secret && address.value.starts_with("http:") && !url::is_here(&address.value) {
        section.problems().push(
            Problem::warning(
                address.span.clone(),
                "a secret crosses the network in the clear",
                "not https",
            )
            .with_help("use https:, or a name and a password that open nothing else"),
        );
    }
    if let (Some((user, _)), Some(_)) = (&login, &token) {
        section.problems().push(
            Problem::error(
                user.span.clone(),
                "both a user and a token are sent",
                "which is it?",
            )
            .with_help("keep one of them"),
        );
    }
    Some(PeerDicomweb {
        url: address.value.trim_end_matches('/').to_owned(),
        login: login.map(|(user, password)| (user.value, password)),
        token,
        authorities: authorities.map(|placed| placed.value),
    })
}
