//! TLS as the one who calls.

use super::error::{HandshakeError, TlsError};
use super::files::{Identity, authorities};
use super::provider;
use super::reload::Reloading;
use super::revocation::Revoked;
use super::verify::Called;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whom to believe to be the peer, and what to show it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Trust {
    /// PEM file of the authorities that its certificate may be of.
    pub authorities: PathBuf,
    /// Fingerprints (`sha256:...`) or names of the certificates it may show; empty for any that is for its host.
    pub only_with: Vec<String>,
    /// File of the lists of revoked certificates that it may not show.
    pub revoked: Option<PathBuf>,
    /// What this side shows when asked.
    pub identity: Option<Identity>,
}

/// Client sides by what they were made of: a file that is broken later leaves what was read before in force.
type Known = HashMap<Trust, Arc<Reloading<ClientConfig>>>;

/// Shakes hands with a peer at `host`.
///
/// # Errors
/// Why there is no session.
pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    trust: &Trust,
    host: &str,
    stream: S,
) -> Result<TlsStream<S>, HandshakeError> {
    let config = known(trust)?.current();
    // A host that is no DNS name, with an underscore perhaps, has no certificate for its name, but may have one that
    // `only_with` knows.
    let name = ServerName::try_from(host.to_owned())
        .or_else(|_| ServerName::try_from("peer.invalid"))
        .map_err(std::io::Error::other)?;
    Ok(TlsConnector::from(config).connect(name, stream).await?)
}

fn known(trust: &Trust) -> Result<Arc<Reloading<ClientConfig>>, TlsError> {
    static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(config) = known.get(trust) {
        return Ok(Arc::clone(config));
    }
    let mut paths = vec![trust.authorities.clone()];
    paths.extend(trust.revoked.clone());
    if let Some(identity) = &trust.identity {
        paths.extend([identity.certificate.clone(), identity.key.clone()]);
    }
    let made_of = trust.clone();
    let config = Arc::new(Reloading::new(paths, move || client_config(&made_of))?);
    known.insert(trust.clone(), Arc::clone(&config));
    Ok(config)
}

fn client_config(trust: &Trust) -> Result<ClientConfig, TlsError> {
    let revoked = Revoked::read(trust.revoked.as_deref())?;
    let known = authorities(&trust.authorities)?;
    let verifier = Called::new(known, revoked, trust.only_with.clone());
    let verifier = verifier.map_err(|reason| TlsError::Unusable {
        path: trust
            .revoked
            .clone()
            .unwrap_or_else(|| trust.authorities.clone()),
        reason,
    })?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Unusable {
            path: trust.authorities.clone(),
            reason: error.to_string(),
        })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &trust.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder.with_client_cert_resolver(Arc::new(
            rustls::sign::SingleCertAndKey::from(identity.load()?),
        )),
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}
