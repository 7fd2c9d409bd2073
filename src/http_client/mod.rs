//! One request to a server by HTTP or HTTPS: what notifications and traces leave by, and images come by.
//!
//! A server's certificate must be of an authority that the system trusts, or of one in a file that is named. Errors name
//! the host and never the rest of the address, which may hold a secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use ureq::config::ConfigBuilder;
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::typestate::AgentScope;
use ureq::{Body, RequestBuilder};

/// Longest wait for the whole of a POST.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest silence of a server that is asked by GET: a PACS may have to fetch from tape what is asked for.
const ANSWER_WITHIN: Duration = Duration::from_secs(5 * 60);
/// Longest wait for all of what a GET gives: a series is gigabytes.
const GIVEN_WITHIN: Duration = Duration::from_secs(60 * 60);

/// Where to ask, and how to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `http://` or `https://`.
    pub url: String,
    /// How to be let in.
    pub credentials: Option<Credentials>,
    /// PEM file of authorities that are trusted besides the system's.
    pub authorities: Option<PathBuf>,
}

/// What lets one in.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A token (RFC 6750).
    Bearer(String),
    /// A name and a password (RFC 7617).
    Basic(String, String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    /// The value of `Authorization`.
    fn header(&self) -> String {
        match self {
            Self::Bearer(token) => format!("Bearer {token}"),
            Self::Basic(name, password) => {
                format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
            }
        }
    }
}

/// What a GET gives.
pub struct Answer {
    /// Content-Type.
    pub content_type: String,
    /// The body, as it comes.
    pub body: ureq::BodyReader<'static>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

/// Why a server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
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
pub fn post(target: &Target, content_type: &str, body: &[u8]) -> Result<(), HttpError> {
    let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE));
    let request = agent(config, target)?
        .post(&target.url)
        .header("Content-Type", content_type);
    taken(target, authorized(request, target).send(body))?;
    Ok(())
}

/// Asks for something, of a media type: blocks, and so does the reading of what comes.
///
/// # Errors
/// There is no answer, or it is none of success.
pub fn get(target: &Target, accept: &str) -> Result<Answer, HttpError> {
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(PATIENCE))
        .timeout_per_read(Some(ANSWER_WITHIN))
        .timeout_recv_body(Some(GIVEN_WITHIN));
    let request = agent(config, target)?
        .get(&target.url)
        .header("Accept", accept);
    let answer = taken(target, authorized(request, target).call())?;
    let content_type = answer.headers().get("Content-Type");
    Ok(Answer {
        content_type: content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned(),
        body: answer.into_body().into_reader(),
    })
}

/// Redirects are not followed: what is sent, a secret among it, is for the server that is named.
fn agent(config: ConfigBuilder<AgentScope>, target: &Target) -> Result<ureq::Agent, HttpError> {
    let mut config = config
        .max_redirects(0)
        .user_agent(concat!("irisnode/", env!("CARGO_PKG_VERSION")));
    if target.url.starts_with("https:") {
        let tls = TlsConfig::builder()
            .root_certs(roots(target.authorities.as_deref())?)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        config = config.tls_config(tls);
    }
    Ok(config.build().into())
}

fn authorized<B>(request: RequestBuilder<B>, target: &Target) -> RequestBuilder<B> {
    match &target.credentials {
        Some(credentials) => request.header("Authorization", credentials.header()),
        None => request,
    }
}

fn taken(
    target: &Target,
    answer: Result<Response<Body>, ureq::Error>,
) -> Result<Response<Body>, HttpError> {
    let host = host(&target.url);
    match answer {
        Ok(answer) if answer.status().is_success() => Ok(answer),
        Ok(answer) => Err(HttpError::Answered {
            host,
            status: answer.status().as_u16(),
        }),
        Err(ureq::Error::StatusCode(status)) => Err(HttpError::Answered { host, status }),
        Err(ureq::Error::BadUri(_)) => Err(HttpError::Unreachable {
            host,
            reason: "its address is none".to_owned(),
        }),
        Err(error) => Err(HttpError::Unreachable {
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

fn roots(authorities: Option<&Path>) -> Result<RootCerts, HttpError> {
    let system = rustls_native_certs::load_native_certs().certs;
    let mut trusted: Vec<Certificate<'static>> = system.iter().map(own).collect();
    if let Some(path) = authorities {
        let unusable = |error: rustls::pki_types::pem::Error| HttpError::Authorities {
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
