//! What keeps TLS from being spoken, in an administrator's words.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};
use std::path::PathBuf;

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's word.
        reason: String,
    },
    /// It holds none of what it should.
    #[error("{} holds no {what} in PEM form", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
    },
    /// It holds something that cannot be used.
    #[error("{} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Certificate and key are not of one pair.
    #[error("the key in {} is not that of the certificate", path.display())]
    OtherKey {
        /// The key.
        path: PathBuf,
    },
}

impl TlsError {
    /// The file it is about.
    pub fn path(&self) -> &PathBuf {
        match self {
            Self::Unreadable { path, .. }
            | Self::Empty { path, .. }
            | Self::Unusable { path, .. }
            | Self::OtherKey { path } => path,
        }
    }
}

/// Why no TLS session came about.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The files of this side.
    #[error(transparent)]
    Files(#[from] TlsError),
    /// What the two sides said.
    #[error("{}", reason(.0))]
    Handshake(#[from] std::io::Error),
}

/// What went wrong on a TLS stream; `None`-like errors of the connection itself read as the system says them.
pub fn reason(error: &std::io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
    match tls {
        Some(error) => in_words(error),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the other side hung up in the middle of the TLS handshake".to_owned()
        }
        None => error.to_string(),
    }
}

fn in_words(error: &Error) -> String {
    use CertificateError as Bad;
    let words = match error {
        Error::NoCertificatesPresented => "the other side shows no certificate",
        Error::InvalidCertificate(Bad::UnknownIssuer) => {
            "the other side's certificate is of no authority that is trusted here"
        }
        Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "the other side's certificate has expired"
        }
        Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            "the other side's certificate is not valid yet; compare the clocks"
        }
        Error::InvalidCertificate(Bad::Revoked) => "the other side's certificate has been revoked",
        Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            "the other side's certificate is for another name"
        }
        Error::InvalidCertificate(Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. }) => {
            "the other side's certificate is for another purpose (Extended Key Usage)"
        }
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the other side does not speak TLS; plain DICOM perhaps"
        }
        Error::PeerIncompatible(_) => {
            "the other side has no TLS version or cipher suite that is safe (TLS 1.2 or 1.3 with forward secrecy)"
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the other side wants a certificate and was shown none"
        }
        Error::AlertReceived(alert) => {
            return format!("the other side refused, alert {alert:?}; its log says more");
        }
        other => return other.to_string(),
    };
    words.to_owned()
}
