//! Certificates, keys and authorities as they lie in PEM files.

use super::certificate::Certificate;
use super::error::TlsError;
use super::provider;
use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What one side shows of itself: its certificate, those of its issuers after it, and the key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// PEM file of the certificate and, where there are, the intermediate ones.
    pub certificate: PathBuf,
    /// PEM file of the private key (PKCS #8, PKCS #1 or SEC 1), without a password.
    pub key: PathBuf,
}

impl Identity {
    /// Reads both, and holds one against the other; gives the certificate.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn check(&self) -> Result<Certificate, TlsError> {
        let loaded = self.load()?;
        let first = loaded.cert.first().ok_or_else(|| TlsError::Empty {
            path: self.certificate.clone(),
            what: "certificate",
        })?;
        Certificate::read(first).map_err(|reason| unusable(&self.certificate, reason))
    }

    pub(super) fn load(&self) -> Result<CertifiedKey, TlsError> {
        let chain = certificates(&self.certificate)?;
        for certificate in &chain {
            rustls::server::ParsedCertificate::try_from(certificate)
                .map_err(|error| unusable(&self.certificate, error.to_string()))?;
        }
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| of_pem(&self.key, "private key", &error))?;
        CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::OtherKey {
                path: self.key.clone(),
            },
            other => unusable(&self.key, other.to_string()),
        })
    }
}

/// The authorities that certificates are held against.
#[derive(Debug)]
pub(super) struct Authorities {
    pub(super) roots: Arc<RootCertStore>,
    /// As they lie in the file: one that is shown itself is trusted itself.
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

/// Reads a file of authorities; gives how many there are.
///
/// # Errors
/// What is wrong with the file.
pub fn check_authorities(path: &Path) -> Result<usize, TlsError> {
    Ok(authorities(path)?.certificates.len())
}

pub(super) fn authorities(path: &Path) -> Result<Authorities, TlsError> {
    let certificates = certificates(path)?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots
            .add(certificate.clone())
            .map_err(|error| unusable(path, error.to_string()))?;
    }
    Ok(Authorities {
        roots: Arc::new(roots),
        certificates,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |error: PemError| of_pem(path, "certificate", &error);
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    if certificates.is_empty() {
        return Err(TlsError::Empty {
            path: path.to_owned(),
            what: "certificate",
        });
    }
    Ok(certificates)
}

fn of_pem(path: &Path, what: &'static str, error: &PemError) -> TlsError {
    let path = path.to_owned();
    match error {
        PemError::Io(error) => TlsError::Unreadable {
            path,
            reason: error.to_string(),
        },
        PemError::NoItemsFound => TlsError::Empty { path, what },
        other => TlsError::Unusable {
            path,
            reason: other.to_string(),
        },
    }
}

fn unusable(path: &Path, reason: String) -> TlsError {
    TlsError::Unusable {
        path: path.to_owned(),
        reason,
    }
}
