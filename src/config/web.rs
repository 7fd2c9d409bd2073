//! `[web]`: the status page and the metrics.

use super::problem::Problem;
use super::section::{Placed, Section};
use super::tls::{self, TlsIdentity};
use super::value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// `[web]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// Address of the HTTP listener, without `identity` one of this machine's loopback; none when there is to be no page.
    pub listen: Option<SocketAddr>,
    /// What HTTPS is spoken by; HTTP where there is none.
    pub identity: Option<TlsIdentity>,
    /// The file of users; nobody is asked for a name while it is not there, or holds nobody.
    pub users: PathBuf,
}

/// Reads `[web]`, and gives the places of the files of TLS; the file of users is in the data folder unless it is written.
pub(super) fn read(
    mut section: Section<'_, '_>,
    data_dir: &Path,
    base: &Path,
) -> (Web, Vec<Placed<PathBuf>>) {
    let listen = section.optional("listen", value::socket_address);
    let (identity, files) = tls::https(&mut section, base);
    if let Some(placed) = &listen
        && !placed.value.ip().is_loopback()
        && files.is_empty()
    {
        // Passwords and pictures would cross the network in the clear.
        section.problems().push(
            Problem::error(
                placed.span.clone(),
                "`listen` of [web] is open to the network, without TLS",
                "not this machine only",
            )
            .with_help("write \"127.0.0.1:8044\"; for others, `certificate` and `key` beside it, or a web server with TLS before it"),
        );
    }
    let users = section.or("users", data_dir.join("users.toml"), value::path(base));
    section.finish();
    let web = Web {
        users,
        listen: listen.map(|placed| placed.value),
        identity,
    };
    (web, files)
}
