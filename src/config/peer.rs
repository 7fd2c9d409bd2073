//! `[[peer]]`: the application entities the node talks to.

use super::compression::{self, Compression};
use super::section::{Complaint, Placed, Section};
use super::value;
use std::net::IpAddr;
use toml::de::DeValue;

/// `[[peer]]`: a remote application entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The name rules use.
    pub name: String,
    /// Its AE title.
    pub ae_title: String,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Lossless compressions of results that are offered to it, the most wanted first.
    pub compress: Vec<Compression>,
    /// Addresses that it may call from; empty for any.
    pub only_from: Vec<IpAddr>,
}

/// A peer with the places of what must be unique. What is `None` was absent or wrong, and is a problem already.
pub(super) struct PlacedPeer {
    pub(super) name: Option<Placed<String>>,
    pub(super) ae_title: Option<Placed<String>>,
    pub(super) peer: Option<Peer>,
}

/// Reads one `[[peer]]`.
pub(super) fn read(mut section: Section<'_, '_>) -> PlacedPeer {
    let name = section.required("name", "\"pacs\"", value::text);
    let ae_title = section.required("ae_title", "\"PACS\"", value::ae_title);
    let host = section.required("host", "\"192.0.2.10\"", |value| {
        let host = value::text(value)?;
        let help = "write only the host name or address here, and the port as `port`";
        // `::1` is an address, `pacs:104` is not a host.
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        if !is_address && (host.contains([':', '/', ' ']) || !host.is_ascii()) {
            return Err(
                Complaint::new("is not a host name or address", "not a host name").with_help(help),
            );
        }
        Ok(host)
    });
    let port = section.required("port", "4242", value::port);
    let compress = section.or("compress", Vec::new(), compression::read);
    let only_from = section.or("only_from", Vec::new(), addresses);
    section.finish();
    let peer = match (&name, &ae_title, host, port) {
        (Some(name), Some(ae_title), Some(host), Some(port)) => Some(Peer {
            name: name.value.clone(),
            ae_title: ae_title.value.clone(),
            host: host.value,
            port: port.value,
            compress,
            only_from,
        }),
        _ => None,
    };
    PlacedPeer {
        name,
        ae_title,
        peer,
    }
}

/// A list of IP addresses.
fn addresses(value: &DeValue<'_>) -> Result<Vec<IpAddr>, Complaint> {
    let help = "write IP addresses, not host names: [\"192.0.2.10\", \"2001:db8::10\"]";
    value::texts(value)
        .map_err(|complaint| complaint.with_help(help))?
        .into_iter()
        .map(|placed| {
            placed.value.parse().map_err(|_| {
                Complaint::new(
                    "holds an item that is no IP address",
                    format!("{:?} is no IP address", placed.value),
                )
                .with_help(help)
            })
        })
        .collect()
}
