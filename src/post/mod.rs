//! One POST to a server by HTTP or HTTPS: what notifications and traces leave by.
//!
//! A server's certificate must be of an authority that the system trusts, or of one in a file that is named. Errors name
//! the host and never the rest of the address, which may hold a secret.

use regex::Regex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Longest wait for the whole exchange.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where to post, and how to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `http://` or `https://`.
    pub url: String,
    /// Sent as `Authorization: Bearer`.
    pub bearer: Option<String>,
    /// PEM file of authorities that are trusted besides the system's.
    pub authorities: Option<PathBuf>,
}

/// Why a POST was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The server answered, and not with success.
    #[error("{host} answered {status}")]
    Answered {
        /// The host.
        host: String,
        /// HTTP status.
        status: u16,
    },
    /// There was no answer.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// The file of authorities cannot be used.
    #[error("{} cannot be used: {reason}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Posts `body`, and waits for the answer: blocks.
///
/// # Errors
/// There is no answer, or it is none of success.
pub fn post(target: &Target, content_type: &str, body: &[u8]) -> Result<(), PostError> {
    let host = host(&target.url);
    let mut config = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .user_agent(concat!("irisnode/", env!("CARGO_PKG_VERSION")));
    if target.url.starts_with("https:") {
        let tls = TlsConfig::builder()
            .root_certs(roots(target.authorities.as_deref())?)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        config = config.tls_config(tls);
    }
    let agent: ureq::Agent = config.build().into();
    let mut request = agent.post(&target.url).header("Content-Type", content_type);
    if let Some(bearer) = &target.bearer {
        request = request.header("Authorization", format!("Bearer {bearer}"));
    }
    match request.send(body) {
        // Redirects are not followed: what was posted is for the server that is named.
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(PostError::Answered {
            host,
            status: answer.status().as_u16(),
        }),
        Err(ureq::Error::StatusCode(status)) => Err(PostError::Answered { host, status }),
        Err(ureq::Error::BadUri(_)) => Err(PostError::Unreachable {
            host,
            reason: "its address is none".to_owned(),
        }),
        Err(error) => Err(PostError::Unreachable {
            host,
            reason: error.to_string(),
        }),
    }
}

/// Host and port of an address.
pub fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // What is before an `@` may be a password.
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    host.to_owned()
}

/// The text without the UIDs in it: they lead to a patient for whoever has the PACS, and what is posted goes to places
/// that need not.
pub fn without_uids(text: &str) -> String {
    static UID: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\b[0-2](?:\.[0-9]+){4,}\b").ok());
    match UID.as_ref() {
        Some(uid) => uid.replace_all(text, "(a UID)").into_owned(),
        None => String::new(),
    }
}

fn roots(authorities: Option<&Path>) -> Result<RootCerts, PostError> {
    let system = rustls_native_certs::load_native_certs().certs;
    let mut trusted: Vec<Certificate<'static>> = system.iter().map(own).collect();
    if let Some(path) = authorities {
        let unusable = |error: rustls::pki_types::pem::Error| PostError::Authorities {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        for certificate in CertificateDer::pem_file_iter(path).map_err(unusable)? {
            trusted.push(own(&certificate.map_err(unusable)?));
        }
    }
    Ok(RootCerts::new_with_certs(&trusted))
}

fn own(certificate: &CertificateDer<'_>) -> Certificate<'static> {
    Certificate::from_der(certificate.as_ref()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_only_the_host_is_said() {
        for (url, expected) in [
            (
                "https://hooks.example.org/services/T0/SECRET",
                "hooks.example.org",
            ),
            ("http://me:secret@127.0.0.1:8080?key=1", "127.0.0.1:8080"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(host(url), expected);
        }
    }
}
