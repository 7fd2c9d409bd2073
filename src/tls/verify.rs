//! Whom to believe: certificates held against the authorities, and against what a peer is configured to show.

use super::certificate::Certificate;
use super::files::Authorities;
use super::provider;
use super::revocation::Revoked;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

impl Authorities {
    /// Whether the certificate is itself among the authorities, and valid now: two systems that know each other's
    /// self-signed certificate need no authority above them.
    fn names_itself(
        &self,
        shown: &CertificateDer<'_>,
        revoked: &Revoked,
        now: UnixTime,
    ) -> Result<bool, Error> {
        if !self.certificates.iter().any(|own| own == shown) {
            return Ok(false);
        }
        if revoked.names(shown) {
            return Err(Error::InvalidCertificate(CertificateError::Revoked));
        }
        let read = Certificate::read(shown)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
        match now {
            now if now > read.not_after => {
                Err(Error::InvalidCertificate(CertificateError::Expired))
            }
            now if now < read.not_before => {
                Err(Error::InvalidCertificate(CertificateError::NotValidYet))
            }
            _ => Ok(true),
        }
    }
}

fn is_signed12(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let algorithms = provider().signature_verification_algorithms;
    verify_tls12_signature(message, certificate, signed, &algorithms)
}

fn is_signed13(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let algorithms = provider().signature_verification_algorithms;
    verify_tls13_signature(message, certificate, signed, &algorithms)
}

fn schemes() -> Vec<SignatureScheme> {
    let algorithms = provider().signature_verification_algorithms;
    algorithms.supported_schemes()
}

/// Every caller shows a certificate of one of the authorities.
#[derive(Debug)]
pub(super) struct Callers {
    authorities: Authorities,
    revoked: Revoked,
    chain: Arc<dyn ClientCertVerifier>,
}

impl Callers {
    /// The error is why no certificate could ever be held against these authorities.
    pub(super) fn new(authorities: Authorities, revoked: Revoked) -> Result<Self, String> {
        let roots = Arc::clone(&authorities.roots);
        let chain = WebPkiClientVerifier::builder_with_provider(roots, provider())
            .with_crls(revoked.encoded.iter().cloned())
            .allow_unknown_revocation_status()
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            authorities,
            revoked,
            chain,
        })
    }
}

impl ClientCertVerifier for Callers {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let (authorities, revoked) = (&self.authorities, &self.revoked);
        if authorities.names_itself(shown, revoked, now)? {
            return Ok(ClientCertVerified::assertion());
        }
        self.chain.verify_client_cert(shown, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        is_signed12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        is_signed13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

/// A peer that is called shows a certificate of one of the authorities: one that it is configured to show, or else one
/// for the host it is called at.
#[derive(Debug)]
pub(super) struct Called {
    authorities: Authorities,
    revoked: Revoked,
    only_with: Vec<String>,
    chain: Arc<WebPkiServerVerifier>,
}

impl Called {
    /// The error is why no certificate could ever be held against these authorities.
    pub(super) fn new(
        authorities: Authorities,
        revoked: Revoked,
        only_with: Vec<String>,
    ) -> Result<Self, String> {
        let roots = Arc::clone(&authorities.roots);
        let chain = WebPkiServerVerifier::builder_with_provider(roots, provider())
            .with_crls(revoked.encoded.iter().cloned())
            .allow_unknown_revocation_status()
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            authorities,
            revoked,
            only_with,
            chain,
        })
    }
}

impl ServerCertVerifier for Called {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.authorities.names_itself(shown, &self.revoked, now)? {
            use CertificateError::{NotValidForName, NotValidForNameContext};
            match self
                .chain
                .verify_server_cert(shown, intermediates, host, &[], now)
            {
                Ok(_) => {}
                // The name is looked at last, when all else is well; and here by `only_with`, where there is one.
                Err(Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
                    if !self.only_with.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        if self.only_with.is_empty() {
            rustls::client::verify_server_name(&ParsedCertificate::try_from(shown)?, host)?;
        } else if !Certificate::read(shown).is_ok_and(|read| read.is_one_of(&self.only_with)) {
            return Err(Error::InvalidCertificate(CertificateError::NotValidForName));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        is_signed12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        is_signed13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}
