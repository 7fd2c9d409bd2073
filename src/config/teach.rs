//! `[teach]`: labels sent over DICOM that teach.

use super::section::{Placed, Section};
use super::value;

/// `[teach]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Teach {
    /// AE title that labels are sent to, on the port of the node; none when nobody teaches over DICOM.
    pub ae_title: Option<String>,
    /// Names of the peers that may teach; empty for every peer.
    pub from: Vec<String>,
    /// Names of the peers that are asked for images that labels refer to, in order; empty for the one that sent the labels.
    pub fetch_from: Vec<String>,
}

impl Teach {
    /// Whether labels of a peer, by its name, make proposals.
    pub fn may_teach(&self, peer: &str) -> bool {
        self.from.is_empty() || self.from.iter().any(|name| name == peer)
    }
}

/// `[teach]` with the places of the names in it.
#[derive(Default)]
pub(super) struct PlacedTeach {
    pub(super) ae_title: Option<Placed<String>>,
    /// Names of peers, of both lists.
    pub(super) peers: Vec<Placed<String>>,
    pub(super) teach: Teach,
}

/// Reads `[teach]`.
pub(super) fn read(mut section: Section<'_, '_>) -> PlacedTeach {
    let ae_title = section.optional("ae_title", value::ae_title);
    let from = section.or("from", Vec::new(), value::texts);
    let fetch_from = section.or("fetch_from", Vec::new(), value::texts);
    section.finish();
    let names = |placed: &[Placed<String>]| placed.iter().map(|one| one.value.clone()).collect();
    PlacedTeach {
        teach: Teach {
            ae_title: ae_title.as_ref().map(|placed| placed.value.clone()),
            from: names(&from),
            fetch_from: names(&fetch_from),
        },
        ae_title,
        peers: from.into_iter().chain(fetch_from).collect(),
    }
}
