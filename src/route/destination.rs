//! Where a rule's results go.

use crate::config::{Peer, Rule};

/// A rule sends back to the sender, and the sender is no peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "rule `{rule}` sends to the peer a series came from, but no [[peer]] has the AE title `{calling_ae}`: add one, or name destinations in the rule"
)]
pub struct UnknownOrigin {
    /// The rule.
    pub rule: String,
    /// AE title of the sender.
    pub calling_ae: String,
}

/// The peers that get a rule's results: those it names, or the one the series came from, found by its calling AE title.
///
/// # Errors
/// The rule names none and the caller is no peer.
pub fn destinations<'p>(
    rule: &Rule,
    peers: &'p [Peer],
    calling_ae: &str,
) -> Result<Vec<&'p Peer>, UnknownOrigin> {
    if rule.destinations.is_empty() {
        let origin = peers.iter().find(|peer| peer.ae_title == calling_ae.trim());
        return origin.map(|peer| vec![peer]).ok_or_else(|| UnknownOrigin {
            rule: rule.name.clone(),
            calling_ae: calling_ae.trim().to_owned(),
        });
    }
    // A valid configuration names only peers that exist.
    Ok(peers
        .iter()
        .filter(|peer| rule.destinations.contains(&peer.name))
        .collect())
}
