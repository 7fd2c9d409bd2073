//! `[tls]`: DICOM TLS, what each `[[peer]]` says of it, and what `[web]` and `[dicomweb]` say of HTTPS.

use super::problem::Problem;
use super::section::{Complaint, Placed, Section};
use super::value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::de::DeValue;

/// `[tls]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// What the node shows of itself, as the one who is called and as the one who calls.
    pub identity: TlsIdentity,
    /// PEM file of the authorities; with it, every caller must show a certificate of one of them.
    pub client_authorities: Option<PathBuf>,
    /// File of the lists of revoked certificates, which no caller and no peer may show.
    pub revoked: Option<PathBuf>,
    /// Address of a listener without TLS, beside `listen` of `[node]`, which speaks TLS.
    pub plain_listen: Option<SocketAddr>,
}

impl TlsIdentity {
    /// What URLs of a listener begin with that has this identity, or none.
    pub(crate) fn scheme(identity: Option<&Self>) -> &'static str {
        match identity {
            Some(_) => "https",
            None => "http",
        }
    }
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsIdentity {
    /// PEM file of the certificate and those of its issuers.
    pub certificate: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
}

/// How a peer is called by TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerTls {
    /// PEM file of the authorities that its certificate may be of.
    pub authorities: PathBuf,
    /// File of the lists of revoked certificates that it may not show.
    pub revoked: Option<PathBuf>,
    /// What it is shown, where the node has a certificate.
    pub identity: Option<TlsIdentity>,
}

/// `[tls]` with the places of the files it names.
pub(super) struct PlacedTls {
    /// `None` when something required is absent or wrong, which is a problem already.
    pub(super) tls: Option<Tls>,
    pub(super) files: Vec<Placed<PathBuf>>,
}

pub(super) fn read(mut section: Section<'_, '_>, base: &Path) -> PlacedTls {
    let certificate = section.required("certificate", "\"node.pem\"", value::path(base));
    let key = section.required("key", "\"node.key\"", value::path(base));
    let client_authorities = section.optional("client_authorities", value::path(base));
    let revoked = section.optional("revoked", value::path(base));
    let plain_listen = section.optional("plain_listen", value::socket_address);
    section.finish();
    let files = [&certificate, &key, &client_authorities, &revoked];
    PlacedTls {
        files: files.into_iter().flatten().cloned().collect(),
        tls: match (certificate, key) {
            (Some(certificate), Some(key)) => Some(Tls {
                identity: TlsIdentity {
                    certificate: certificate.value,
                    key: key.value,
                },
                client_authorities: client_authorities.map(|placed| placed.value),
                revoked: revoked.map(|placed| placed.value),
                plain_listen: plain_listen.map(|placed| placed.value),
            }),
            _ => None,
        },
    }
}

/// `certificate` and `key` of a section whose listener speaks HTTPS by them, and their places.
pub(super) fn https(
    section: &mut Section<'_, '_>,
    base: &Path,
) -> (Option<TlsIdentity>, Vec<Placed<PathBuf>>) {
    let certificate = section.optional("certificate", value::path(base));
    let key = section.optional("key", value::path(base));
    let files = [&certificate, &key]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(TlsIdentity {
            certificate: certificate.value,
            key: key.value,
        }),
        (None, None) => None,
        (Some(alone), None) | (None, Some(alone)) => {
            let problem = Problem::error(
                alone.span,
                "HTTPS wants `certificate` and `key`, and one is missing",
                "alone",
            );
            let help = "write both, each a PEM file; or neither, for HTTP";
            section.problems().push(problem.with_help(help));
            None
        }
    };
    (identity, files)
}

/// A list of certificates, by fingerprint or name; fingerprints come out as `sha256:` and 64 digits in lower case.
pub(super) fn certificates(value: &DeValue<'_>) -> Result<Vec<String>, Complaint> {
    let help = "write names (Common Name or DNS name), or the SHA-256 fingerprint as `openssl x509 -noout -fingerprint -sha256 -in FILE` prints it, after sha256: [\"pacs.example.org\", \"sha256:0A:1B:...\"]";
    value::texts(value)
        .map_err(|complaint| complaint.with_help(help))?
        .into_iter()
        .map(|placed| {
            let text = placed.value;
            let Some((prefix, digits)) = text.split_once(':') else {
                return Ok(text);
            };
            if !prefix.eq_ignore_ascii_case("sha256") {
                // An IPv6 address of Subject Alternative Name.
                return Ok(text);
            }
            let digits: String = digits
                .chars()
                .filter(|c| *c != ':')
                .map(|c| c.to_ascii_lowercase())
                .collect();
            if digits.len() == 64 && digits.chars().all(|c| c.is_ascii_hexdigit()) {
                return Ok(format!("sha256:{digits}"));
            }
            let complaint = Complaint::new(
                "holds an item that is no SHA-256 fingerprint",
                format!("{text:?} has not 64 hexadecimal digits"),
            );
            Err(complaint.with_help(help))
        })
        .collect()
}
