//! `[web]`: the status page and the metrics.

use super::problem::Problem;
use super::section::Section;
use super::value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// `[web]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// Address of the HTTP listener, one of this machine's loopback; none when there is to be no page.
    pub listen: Option<SocketAddr>,
    /// The file of users; nobody is asked for a name while it is not there, or holds nobody.
    pub users: PathBuf,
}

/// Reads `[web]`; the file of users is in the data folder unless it is written.
pub(super) fn read(mut section: Section<'_, '_>, data_dir: &Path, base: &Path) -> Web {
    let listen = section.optional("listen", value::socket_address);
    if let Some(placed) = &listen
        && !placed.value.ip().is_loopback()
    {
        // Passwords and pictures would cross the network in the clear.
        section.problems().push(
            Problem::error(
                placed.span.clone(),
                "`listen` of [web] is open to the network",
                "not this machine only",
            )
            .with_help("write \"127.0.0.1:8044\"; for others, put a web server with TLS before it"),
        );
    }
    let users = section.or("users", data_dir.join("users.toml"), value::path(base));
    section.finish();
    Web {
        users,
        listen: listen.map(|placed| placed.value),
    }
}
