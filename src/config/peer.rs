//! `[[peer]]`: the application entities the node talks to.

use super::compression::{self, Compression};
use super::peer_dicomweb::{self, PeerDicomweb};
use super::problem::Problem;
use super::section::{Complaint, Placed, Section};
use super::tls::{self, PeerTls, Tls};
use super::value;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
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
    /// How it is called by TLS; without, it is called by DICOM alone.
    pub tls: Option<PeerTls>,
    /// Certificates that it may show, as caller and as called: `sha256:` fingerprints, or names. Empty for any of the
    /// authorities, which must be for `host` when it is called.
    pub only_with: Vec<String>,
    /// Ask it by C-FIND how many instances a series it sends has, and wait no longer than until all are there.
    pub expected_count: bool,
    /// Ask it, once it has stored a result, whether it commits to keeping it (Storage Commitment Push Model).
    pub storage_commitment: bool,
    /// Fetch images that labels refer to by C-GET, on an association of this node's, and not by C-MOVE.
    pub c_get: bool,
    /// Fetch images that labels refer to from there, and not by C-MOVE.
    pub dicomweb: Option<PeerDicomweb>,
}

/// A peer with the places of what must be unique. What is `None` was absent or wrong, and is a problem already.
pub(super) struct PlacedPeer {
    pub(super) name: Option<Placed<String>>,
    pub(super) ae_title: Option<Placed<String>>,
    pub(super) peer: Option<Peer>,
    /// Its own file of authorities.
    pub(super) authorities: Option<Placed<PathBuf>>,
    /// Secrets and authorities of its DICOMweb.
    pub(super) secret_files: Vec<Placed<PathBuf>>,
}

/// Reads one `[[peer]]`; what it does not say of TLS, `[tls]` says.
pub(super) fn read(mut section: Section<'_, '_>, base: &Path, node: Option<&Tls>) -> PlacedPeer {
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
    let (tls, authorities) = peer_tls(&mut section, base, node);
    let only_with = section.optional("only_with", tls::certificates);
    let asks = node.is_some_and(|tls| tls.client_authorities.is_some());
    if let Some(placed) = only_with.as_ref().filter(|_| !asks && tls.is_none()) {
        section.problems().push(
            Problem::error(
                placed.span.clone(),
                "`only_with` can never hold",
                "no certificate is asked of this peer",
            )
            .with_help(
                "set client_authorities under [tls] for its calls to the node, or tls = true here for calls to it",
            ),
        );
    }
    let expected_count = section.or("expected_count", false, value::boolean);
    let storage_commitment = section.or("storage_commitment", false, value::boolean);
    let c_get = section.optional("c_get", value::boolean);
    let mut secret_files = Vec::new();
    let dicomweb = peer_dicomweb::read(&mut section, base, &mut secret_files);
    let c_get = c_get.filter(|placed| placed.value);
    if let Some(placed) = c_get.as_ref().filter(|_| dicomweb.is_some()) {
        section.problems().push(Problem::warning(
            placed.span.clone(),
            "`c_get` does nothing",
            "images come from this peer's DICOMweb",
        ));
    }
    section.finish();
    let peer = match (&name, &ae_title, host, port) {
        (Some(name), Some(ae_title), Some(host), Some(port)) => Some(Peer {
            name: name.value.clone(),
            ae_title: ae_title.value.clone(),
            host: host.value,
            port: port.value,
            compress,
            only_from,
            tls,
            only_with: only_with.map_or_else(Vec::new, |placed| placed.value),
            expected_count,
            storage_commitment,
            c_get: c_get.is_some(),
            dicomweb,
        }),
        _ => None,
    };
    PlacedPeer {
        name,
        ae_title,
        peer,
        authorities,
        secret_files,
    }
}

/// `tls` and `authorities`.
fn peer_tls(
    section: &mut Section<'_, '_>,
    base: &Path,
    node: Option<&Tls>,
) -> (Option<PeerTls>, Option<Placed<PathBuf>>) {
    let called_by_tls = section.optional("tls", value::boolean);
    let authorities = section.optional("authorities", value::path(base));
    let Some(called_by_tls) = called_by_tls.filter(|placed| placed.value) else {
        if let Some(placed) = &authorities {
            section.problems().push(
                Problem::warning(
                    placed.span.clone(),
                    "`authorities` does nothing",
                    "this peer is called without TLS",
                )
                .with_help("add tls = true"),
            );
        }
        return (None, authorities);
    };
    let shared = node.and_then(|tls| tls.client_authorities.as_ref());
    let trusted = authorities.as_ref().map(|placed| &placed.value).or(shared);
    let Some(trusted) = trusted else {
        section.problems().push(
            Problem::error(
                called_by_tls.span,
                "this peer is called by TLS, and no authority is named that its certificate may be of",
                "whose certificates are trusted?",
            )
            .with_help("add authorities = \"FILE\", a PEM file of the authority, or of the peer's own certificate"),
        );
        return (None, authorities);
    };
    let tls = PeerTls {
        authorities: trusted.clone(),
        revoked: node.and_then(|tls| tls.revoked.clone()),
        identity: node.map(|tls| tls.identity.clone()),
    };
    (Some(tls), authorities)
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
