//! TLS as the one who is called.

use super::certificate::Certificate;
use super::error::{HandshakeError, TlsError};
use super::files::{Identity, authorities};
use super::provider;
use super::reload::Reloading;
use super::revocation::Revoked;
use super::verify::Callers;
use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Answers callers in TLS.
#[derive(Debug)]
pub struct Acceptor {
    config: Reloading<ServerConfig>,
}

impl Acceptor {
    /// With `callers_of` every caller must show a certificate of one of the authorities in that file, and none that the
    /// lists in `revoked` name.
    ///
    /// # Errors
    /// A file cannot be used.
    pub fn new(
        identity: Identity,
        callers_of: Option<PathBuf>,
        revoked: Option<PathBuf>,
    ) -> Result<Self, TlsError> {
        let mut paths = vec![identity.certificate.clone(), identity.key.clone()];
        paths.extend(callers_of.clone());
        paths.extend(revoked.clone());
        let config = Reloading::new(paths, move || {
            server_config(&identity, callers_of.as_deref(), revoked.as_deref())
        })?;
        Ok(Self { config })
    }

    /// Shakes hands; gives the certificate that the caller showed, where one is asked for.
    ///
    /// # Errors
    /// Why there is no session; the caller has been told by a TLS alert.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> Result<(TlsStream<S>, Option<Certificate>), HandshakeError> {
        let stream = TlsAcceptor::from(self.config.current())
            .accept(stream)
            .await?;
        let shown = stream.get_ref().1.peer_certificates();
        let certificate = shown
            .and_then(|chain| chain.first())
            .and_then(|first| Certificate::read(first).ok());
        Ok((stream, certificate))
    }
}

fn server_config(
    identity: &Identity,
    callers_of: Option<&Path>,
    revoked: Option<&Path>,
) -> Result<ServerConfig, TlsError> {
    let key = identity.load()?;
    let callers = match callers_of {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(path) => {
            let lists = Revoked::read(revoked)?;
            lists.remind();
            let callers = Callers::new(authorities(path)?, lists);
            Arc::new(callers.map_err(|reason| TlsError::Unusable {
                path: revoked.unwrap_or(path).to_owned(),
                reason,
            })?)
        }
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Unusable {
            path: identity.certificate.clone(),
            reason: error.to_string(),
        })?
        .with_client_cert_verifier(callers)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    // A session taken up again would not be held against files that have changed since.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
