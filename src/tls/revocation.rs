//! Lists of certificates that their authorities have revoked (CRL, RFC 5280 section 5).
//!
//! A certificate is held against the list of whoever issued it, and so are those between it and the authority; one whose
//! issuer has no list in the file is not held against any. A list whose time is over stays in force: what was revoked
//! stays so, and `irisnode check` and the log ask for a newer one.

use super::error::TlsError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use std::path::Path;
use std::time::SystemTime;
use x509_cert::der::Decode;
use x509_cert::serial_number::SerialNumber;

/// First byte of a list that lies in its file as it is, without PEM: authorities publish them so.
const DER: u8 = 0x30;

/// A list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationList {
    /// Distinguished name of the authority, as RFC 4514 writes it.
    pub issuer: String,
    /// How many certificates it names.
    pub revoked: usize,
    /// When the authority will have made the next one; none where it does not say.
    pub next_update: Option<SystemTime>,
    serials: Vec<SerialNumber>,
}

impl RevocationList {
    /// A newer one should be here.
    pub fn is_over(&self) -> bool {
        self.next_update
            .is_some_and(|next| next < SystemTime::now())
    }
}

/// Reads a file of lists, in PEM or one in DER.
///
/// # Errors
/// What is wrong with the file.
pub fn check_revocation_lists(path: &Path) -> Result<Vec<RevocationList>, TlsError> {
    Ok(Revoked::read(Some(path))?.lists)
}

/// What is revoked: nothing, where no file is named.
#[derive(Debug, Default)]
pub(super) struct Revoked {
    pub(super) encoded: Vec<CertificateRevocationListDer<'static>>,
    lists: Vec<RevocationList>,
}

impl Revoked {
    pub(super) fn read(path: Option<&Path>) -> Result<Self, TlsError> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let unusable = |reason: String| TlsError::Unusable {
            path: path.to_owned(),
            reason,
        };
        let bytes = std::fs::read(path).map_err(|error| TlsError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let encoded = match bytes.first() {
            Some(&DER) => vec![CertificateRevocationListDer::from(bytes)],
            _ => CertificateRevocationListDer::pem_slice_iter(&bytes)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| unusable(error.to_string()))?,
        };
        if encoded.is_empty() {
            return Err(TlsError::Empty {
                path: path.to_owned(),
                what: "list of revoked certificates (X509 CRL)",
            });
        }
        let lists = encoded
            .iter()
            .map(|list| read(list))
            .collect::<Result<Vec<_>, _>>()
            .map_err(unusable)?;
        Ok(Self { encoded, lists })
    }

    /// Whether a list of its issuer names a certificate: for one that is trusted itself, and held against no authority.
    pub(super) fn names(&self, certificate: &CertificateDer<'_>) -> bool {
        let Ok(read) = x509_cert::Certificate::from_der(certificate) else {
            return false;
        };
        let read = read.tbs_certificate;
        let issuer = read.issuer.to_string();
        self.lists
            .iter()
            .any(|list| list.issuer == issuer && list.serials.contains(&read.serial_number))
    }

    /// Says in the log which lists are over.
    pub(super) fn remind(&self) {
        for list in self.lists.iter().filter(|list| list.is_over()) {
            tracing::warn!(
                issuer = list.issuer,
                "the list of revoked certificates should have been replaced by a newer one"
            );
        }
    }
}

fn read(list: &CertificateRevocationListDer<'_>) -> Result<RevocationList, String> {
    let read = x509_cert::crl::CertificateList::from_der(list)
        .map_err(|error| format!("it is no list of revoked certificates ({error})"))?;
    let read = read.tbs_cert_list;
    let serials: Vec<SerialNumber> = read
        .revoked_certificates
        .into_iter()
        .flatten()
        .map(|revoked| revoked.serial_number)
        .collect();
    Ok(RevocationList {
        issuer: read.issuer.to_string(),
        revoked: serials.len(),
        next_update: read.next_update.map(|next| next.to_system_time()),
        serials,
    })
}
