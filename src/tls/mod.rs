//! DICOM TLS (PS3.15 annex B.12: BCP 195, TLS 1.3 and 1.2 and nothing weaker), for associations in both directions.
//!
//! [`Acceptor`] answers callers, [`connect`] calls peers. Both read their files again when these change; files that
//! cannot be used then leave the earlier ones in force, and the log says why.

mod acceptor;
mod certificate;
mod connector;
mod error;
mod files;
mod reload;
mod revocation;
mod verify;

pub use acceptor::Acceptor;
pub use certificate::{Certificate, EXPIRES_SOON};
pub use connector::{Trust, connect};
pub use error::{HandshakeError, TlsError, reason};
pub use files::{Identity, check_authorities};
pub use revocation::{RevocationList, check_revocation_lists};

use rustls::crypto::CryptoProvider;
use std::sync::{Arc, LazyLock};

/// The cryptography: ring's, with every suite that rustls has for TLS 1.3 and 1.2 (all with forward secrecy and AEAD).
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
    Arc::clone(&PROVIDER)
}
