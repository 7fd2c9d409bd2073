//! What a certificate says of its holder.

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::time::{Duration, SystemTime};
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::{Any, Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Common Name, X.520 attribute type.
const COMMON_NAME: &str = "2.5.4.3";
/// A certificate that ends within this is worth a warning.
pub const EXPIRES_SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Distinguished name of its subject, as RFC 4514 writes it.
    pub subject: String,
    /// Common Name, and the DNS names and addresses of Subject Alternative Name.
    pub names: Vec<String>,
    /// `sha256:` and the hexadecimal digits of its hash.
    pub fingerprint: String,
    /// Valid from.
    pub not_before: SystemTime,
    /// Valid until.
    pub not_after: SystemTime,
}

impl Certificate {
    /// Reads one; the error says what is wrong with it.
    ///
    /// # Errors
    /// It is no X.509 certificate.
    pub fn read(der: &CertificateDer<'_>) -> Result<Self, String> {
        let read = x509_cert::Certificate::from_der(der)
            .map_err(|error| format!("it is no X.509 certificate ({error})"))?;
        let read = read.tbs_certificate;
        let mut names = Vec::new();
        for part in read.subject.0.iter().flat_map(|part| part.0.iter()) {
            if part.oid.to_string() == COMMON_NAME {
                names.extend(text(&part.value));
            }
        }
        if let Ok(Some((_, alternatives))) = read.get::<SubjectAltName>() {
            for name in &alternatives.0 {
                match name {
                    GeneralName::DnsName(name) => names.push(name.to_string()),
                    GeneralName::IpAddress(bytes) => names.extend(address(bytes.as_bytes())),
                    _ => {}
                }
            }
        }
        let mut fingerprint = "sha256:".to_owned();
        for byte in Sha256::digest(der) {
            let _ = write!(fingerprint, "{byte:02x}");
        }
        Ok(Self {
            subject: read.subject.to_string(),
            names,
            fingerprint,
            not_before: read.validity.not_before.to_system_time(),
            not_after: read.validity.not_after.to_system_time(),
        })
    }

    /// Whether it is one of these: fingerprints (`sha256:...`) or names.
    pub fn is_one_of(&self, wanted: &[String]) -> bool {
        wanted.iter().any(|wanted| {
            *wanted == self.fingerprint
                || self
                    .names
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(wanted))
        })
    }
}

impl std::fmt::Display for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.subject, self.fingerprint)
    }
}

fn text(value: &Any) -> Option<String> {
    let text = match value.tag() {
        Tag::Utf8String => Utf8StringRef::try_from(value).ok()?.as_str().to_owned(),
        Tag::PrintableString => PrintableStringRef::try_from(value)
            .ok()?
            .as_str()
            .to_owned(),
        Tag::Ia5String => Ia5StringRef::try_from(value).ok()?.as_str().to_owned(),
        Tag::TeletexString => TeletexStringRef::try_from(value).ok()?.as_str().to_owned(),
        _ => return None,
    };
    Some(text)
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::Ipv6Addr::from(sixteen).to_string())
}
