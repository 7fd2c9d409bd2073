//! `--to HOST:PORT --called AE`, or `--peer NAME` of the configuration: whom `send` and `echo` call, and as whom.

use super::config_arg::ConfigArg;
use crate::config::{Delivery, Peer};
use miette::{IntoDiagnostic, miette};
use std::time::Duration;

/// Whom to call, and as whom.
#[derive(Debug, clap::Args)]
pub(super) struct PeerArgs {
    /// Address of the peer.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port, required_unless_present = "peer", conflicts_with = "peer")]
    to: Option<(String, u16)>,
    /// AE title of the peer.
    #[arg(long, value_name = "AE", value_parser = ae_title, default_value = "ANY-SCP", conflicts_with = "peer")]
    called: String,
    /// A peer of the configuration, by its name there.
    #[arg(long, value_name = "NAME")]
    peer: Option<String>,
    #[command(flatten)]
    config: ConfigArg,
    /// AE title to call as; with --peer the node's own by default.
    #[arg(long, value_name = "AE", value_parser = ae_title)]
    aet: Option<String>,
    /// Longest wait for one answer of the peer.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
}

/// A peer, the AE title to call it as, and how long to wait.
pub(super) struct Call {
    pub(super) peer: Peer,
    pub(super) calling_ae: String,
    pub(super) delivery: Delivery,
}

impl PeerArgs {
    pub(super) fn resolve(&self) -> miette::Result<Call> {
        let mut call = match (&self.to, &self.peer) {
            (Some((host, port)), _) => Call {
                peer: Peer {
                    name: format!("{host}:{port}"),
                    ae_title: self.called.clone(),
                    host: host.clone(),
                    port: *port,
                    compress: Vec::new(),
                    only_from: Vec::new(),
                    tls: None,
                    only_with: Vec::new(),
                    expected_count: false,
                    storage_commitment: false,
                    c_get: false,
                    dicomweb: None,
                },
                calling_ae: "IRISNODE".to_owned(),
                delivery: Delivery::default(),
            },
            (None, Some(name)) => self.look_up(name)?,
            (None, None) => return Err(miette!("give --to HOST:PORT or --peer NAME")),
        };
        if let Some(aet) = &self.aet {
            call.calling_ae.clone_from(aet);
        }
        if let Some(timeout) = self.timeout {
            call.delivery.response_timeout = timeout;
            call.delivery.connect_timeout = call.delivery.connect_timeout.min(timeout);
        }
        Ok(call)
    }

    fn look_up(&self, name: &str) -> miette::Result<Call> {
        let config = self.config.read()?.into_config();
        let known: Vec<&str> = config.peers.iter().map(|peer| peer.name.as_str()).collect();
        let peer = config.peers.iter().find(|peer| peer.name == name);
        let peer = peer.cloned().ok_or_else(|| {
            miette!(
                help = if known.is_empty() {
                    "it has no [[peer]]".to_owned()
                } else {
                    format!("its peers are: {}", known.join(", "))
                },
                "{} has no peer named `{name}`",
                self.config.path().display()
            )
        })?;
        Ok(Call {
            peer,
            calling_ae: config.node.ae_title,
            delivery: config.delivery,
        })
    }
}

/// A runtime for a command that only talks to a peer.
pub(super) fn runtime() -> miette::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .into_diagnostic()
}

pub(super) fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let (host, port) = text
        .rsplit_once(':')
        .ok_or("write host and port, such as 192.0.2.10:4242")?;
    let port = port
        .parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or("the port is a number from 1 to 65535")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err("the host is missing, such as 192.0.2.10:4242".to_owned());
    }
    Ok((host.to_owned(), port))
}

/// PS3.5 table 6.2-1: VR AE.
pub(super) fn ae_title(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii() && !c.is_ascii_control() && c != '\\';
    if text.trim().is_empty() || text.len() > 16 || !text.chars().all(allowed) {
        return Err("an AE title has 1 to 16 printable ASCII characters, no backslash".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_host_and_port() {
        assert_eq!(host_and_port("pacs:104"), Ok(("pacs".to_owned(), 104)));
        assert_eq!(host_and_port("[::1]:104"), Ok(("::1".to_owned(), 104)));
        for wrong in ["pacs", "pacs:", ":104", "pacs:0", "pacs:70000"] {
            assert!(host_and_port(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_ae_title_is_short_and_plain() {
        assert!(ae_title("ORTHANC").is_ok());
        for wrong in ["", "   ", "SEVENTEEN_LETTERS", "A\\B", "GER\u{c4}T"] {
            assert!(ae_title(wrong).is_err(), "{wrong}");
        }
    }
}
