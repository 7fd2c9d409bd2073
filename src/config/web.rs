//! `[web]`: the status page and the metrics.

use super::problem::Problem;
use super::section::Section;
use super::value;
use std::net::SocketAddr;

/// `[web]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Web {
    /// Address of the HTTP listener, one of this machine's loopback; none when there is to be no page.
    pub listen: Option<SocketAddr>,
}

pub(super) fn read(mut section: Section<'_, '_>) -> Web {
    let listen = section.optional("listen", value::socket_address);
    if let Some(placed) = &listen
        && !placed.value.ip().is_loopback()
    {
        // The page asks nobody for a name yet.
        section.problems().push(
            Problem::error(
                placed.span.clone(),
                "`listen` of [web] is open to the network",
                "not this machine only",
            )
            .with_help(
                "write \"127.0.0.1:8042\"; for others, put a web server before it that asks who they are",
            ),
        );
    }
    section.finish();
    Web {
        listen: listen.map(|placed| placed.value),
    }
}
