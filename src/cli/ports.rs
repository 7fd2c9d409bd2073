//! Whether a node could listen where its configuration says.

use super::mark::Mark;
use crate::archive::is_in_use;
use crate::config::Config;
use std::fmt::Write;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

/// What was found, a line for each address, and the addresses where no node could listen.
pub struct Ports {
    /// Lines to print.
    pub lines: String,
    /// Sentences.
    pub taken: Vec<String>,
}

/// Tries each address for a moment; a node that runs by this configuration already has them, and none is tried.
pub fn try_ports(config: &Config) -> Ports {
    let mut found = Ports {
        lines: String::new(),
        taken: Vec::new(),
    };
    let runs = is_in_use(&config.node.data_dir);
    let plain = config.tls.as_ref().and_then(|tls| tls.plain_listen);
    let listeners = [
        ("listen of [node]", Some(config.node.listen)),
        ("plain_listen of [tls]", plain),
        ("listen of [web]", config.web.listen),
        ("listen of [dicomweb]", config.dicomweb.listen),
    ];
    for (name, address) in listeners {
        let Some(address) = address else { continue };
        let (mark, said) = match runs {
            true => (
                Mark::Good,
                "a node that uses this data folder runs".to_owned(),
            ),
            false => tried(address),
        };
        let _ = writeln!(found.lines, "  {mark} {name}: {address}: {said}");
        if mark == Mark::Bad {
            found.taken.push(format!("{name}, {address}: {said}"));
        }
    }
    found
}

fn tried(address: SocketAddr) -> (Mark, String) {
    match TcpListener::bind(address) {
        Ok(_) => (Mark::Good, "free".to_owned()),
        Err(error) => match error.kind() {
            ErrorKind::AddrInUse => (Mark::Bad, "another program listens there".to_owned()),
            ErrorKind::AddrNotAvailable => {
                (Mark::Bad, "this machine has no such address".to_owned())
            }
            // The service may be allowed what this user is not.
            ErrorKind::PermissionDenied => (
                Mark::Open,
                "not tried, for this user may not listen there".to_owned(),
            ),
            _ => (Mark::Bad, error.to_string()),
        },
    }
}
