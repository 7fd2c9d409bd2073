//! Why a peer did not take what was sent, in an administrator's words.

use super::status::{CommitmentFailure, MoveStatus, StoreStatus};
use crate::config::Peer;
use crate::dimse::UpperLayerError;
use dicom_ul::pdu::{
    AssociationRJ, AssociationRJResult, AssociationRJServiceUserReason, AssociationRJSource,
};
use std::path::PathBuf;
use std::time::Duration;

/// Why a peer did not take what was sent. `peer` reads `AE_TITLE at host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliverError {
    /// No TCP connection.
    #[error(
        "cannot connect to {peer}: {reason}; check that it is running, its address and port, and the firewall between"
    )]
    Unreachable {
        /// The peer.
        peer: String,
        /// The operating system's word.
        reason: String,
    },
    /// No TLS session.
    #[error("no TLS with {peer}: {reason}; check certificates and authorities at both ends")]
    Tls {
        /// The peer.
        peer: String,
        /// What went wrong.
        reason: String,
    },
    /// Nothing came in time.
    #[error("{peer} did not answer within {}; check that this port speaks DICOM, and the load of the peer", humantime::format_duration(*.waited))]
    TimedOut {
        /// The peer.
        peer: String,
        /// How long was waited.
        waited: Duration,
    },
    /// A-ASSOCIATE-RJ: the peer does not want to talk.
    #[error("{peer} rejected the association of {calling_ae}: {reason}; {advice}")]
    Rejected {
        /// The peer.
        peer: String,
        /// The AE title this side gave.
        calling_ae: String,
        /// The peer's reason (PS3.8 table 9-21).
        reason: String,
        /// What to check.
        advice: String,
        /// The peer said that trying again later may help.
        transient: bool,
    },
    /// No presentation context for this SOP class was accepted.
    #[error(
        "{peer} does not accept {sop_class}, in its own transfer syntax ({transfer_syntax}) or uncompressed; check which SOP classes it is configured to store"
    )]
    SopClassRefused {
        /// The peer.
        peer: String,
        /// Name of the SOP class.
        sop_class: String,
        /// Name of the file's transfer syntax.
        transfer_syntax: String,
    },
    /// The peer answered with a failure status.
    #[error("{peer} did not store the instance: status {status}{}; the peer's log says more", offending(.offending_elements))]
    Failed {
        /// The peer.
        peer: String,
        /// The status.
        status: StoreStatus,
        /// Offending Element (0000,0901): tags the peer complained of.
        offending_elements: Vec<String>,
    },
    /// The peer answered a query with a failure status.
    #[error("{peer} did not answer the query: status {status:04X}H; the peer's log says more")]
    QueryFailed {
        /// The peer.
        peer: String,
        /// The status.
        status: u16,
    },
    /// The peer did not move a series.
    #[error(
        "{peer} did not send the series to {destination}: status {status}; check that it holds the series, that it knows {destination} at this machine's address and port, and that {destination} may retrieve from it"
    )]
    NotMoved {
        /// The peer.
        peer: String,
        /// Move Destination: an AE title of this side.
        destination: String,
        /// The status.
        status: MoveStatus,
    },
    /// The peer does not provide retrieval by C-GET.
    #[error(
        "{peer} does not accept C-GET ({}); allow this node to retrieve by it there, or leave out c_get for this peer",
        super::GET_CLASS
    )]
    NoGet {
        /// The peer.
        peer: String,
    },
    /// The peer refused a retrieval by C-GET.
    #[error(
        "{peer} did not give the series: status {status}; check that it holds the series, and that this node may retrieve from it"
    )]
    NotGiven {
        /// The peer.
        peer: String,
        /// The status.
        status: MoveStatus,
    },
    /// The peer does not provide storage commitment.
    #[error(
        "{peer} does not accept Storage Commitment Push Model ({}); switch it on there, or leave out storage_commitment for this peer",
        dicom_dictionary_std::uids::STORAGE_COMMITMENT_PUSH_MODEL
    )]
    NoCommitment {
        /// The peer.
        peer: String,
    },
    /// The peer did not take a request for storage commitment, or the report on one of its own.
    #[error(
        "{peer} did not take the {what} of storage commitment: status {status}; the peer's log says more"
    )]
    Commitment {
        /// The peer.
        peer: String,
        /// `request` or `report`.
        what: &'static str,
        /// The status.
        status: CommitmentFailure,
    },
    /// The association ended in the middle of the exchange.
    #[error(
        "{peer} ended the association before it acknowledged: {reason}; the peer's log says more"
    )]
    Lost {
        /// The peer.
        peer: String,
        /// How it ended.
        reason: String,
    },
    /// The peer broke the protocol.
    #[error("{peer} sent what DICOM does not allow here: {what}")]
    Protocol {
        /// The peer.
        peer: String,
        /// What was wrong.
        what: String,
    },
    /// A file that cannot be sent.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
}

fn offending(elements: &[String]) -> String {
    if elements.is_empty() {
        String::new()
    } else {
        format!(", it names {}", elements.join(", "))
    }
}

impl DeliverError {
    /// Whether the same attempt may succeed later with nothing changed on this side.
    pub fn is_transient(&self) -> bool {
        match self {
            // A certificate is put right at the other end, or by files that are read again.
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Lost { .. }
            | Self::Tls { .. } => true,
            Self::Rejected { transient, .. } => *transient,
            Self::Failed { status, .. } => status.is_transient(),
            Self::NotMoved { status, .. } | Self::NotGiven { status, .. } => status.is_transient(),
            Self::Commitment { status, .. } => status.is_transient(),
            Self::SopClassRefused { .. }
            | Self::NoCommitment { .. }
            | Self::NoGet { .. }
            | Self::QueryFailed { .. }
            | Self::Protocol { .. }
            | Self::Unreadable { .. } => false,
        }
    }

    /// Whether every further file of the same association would fail the same way.
    pub(super) fn ends_association(&self) -> bool {
        !matches!(
            self,
            Self::SopClassRefused { .. } | Self::Failed { .. } | Self::Unreadable { .. }
        )
    }

    /// Translates an error of the upper layer.
    pub(super) fn from_upper_layer(error: UpperLayerError, peer: &Peer) -> Self {
        let name = describe(peer);
        let lost = |reason: String| Self::Lost {
            peer: name.clone(),
            reason,
        };
        match error {
            UpperLayerError::Silent(waited) => Self::TimedOut { peer: name, waited },
            UpperLayerError::Closed if peer.tls.is_none() => {
                lost("it closed the connection".into())
            }
            UpperLayerError::Closed => lost(
                "it closed the TLS connection, perhaps for want of a certificate it trusts".into(),
            ),
            UpperLayerError::Connection(error) => match error.get_ref() {
                // In TLS 1.3 the peer looks at our certificate when we think that all is done.
                Some(inner) if inner.is::<rustls::Error>() => Self::Tls {
                    peer: name,
                    reason: crate::tls::reason(&error),
                },
                _ => lost(error.to_string()),
            },
            UpperLayerError::SpeaksTls => Self::Tls {
                peer: name,
                reason: "it speaks TLS, and is called without; write tls = true for this peer"
                    .into(),
            },
            UpperLayerError::TooLong(_)
            | UpperLayerError::Malformed
            | UpperLayerError::Unencodable => Self::Protocol {
                peer: name,
                what: error.to_string(),
            },
        }
    }
}

pub(super) fn rejected(rejection: AssociationRJ, peer: &Peer, calling_ae: &str) -> DeliverError {
    use AssociationRJServiceUserReason as Reason;
    let (reason, advice) = match &rejection.source {
        AssociationRJSource::ServiceUser(Reason::CallingAETitleNotRecognized) => (
            "calling AE title not recognized".to_owned(),
            format!(
                "add {calling_ae} to the AE titles the peer knows, with this machine's address"
            ),
        ),
        AssociationRJSource::ServiceUser(Reason::CalledAETitleNotRecognized) => (
            "called AE title not recognized".to_owned(),
            format!("{} is not the peer's own AE title", peer.ae_title),
        ),
        AssociationRJSource::ServiceUser(reason) => (
            reason.to_string(),
            format!(
                "check both AE titles ({calling_ae} calls {}) and the peer's log",
                peer.ae_title
            ),
        ),
        AssociationRJSource::ServiceProviderASCE(reason) => {
            (reason.to_string(), "the peer's log says more".to_owned())
        }
        AssociationRJSource::ServiceProviderPresentation(reason) => (
            reason.to_string(),
            "the peer is busy: try later, or raise its limit of associations".to_owned(),
        ),
    };
    DeliverError::Rejected {
        peer: describe(peer),
        calling_ae: calling_ae.to_owned(),
        reason,
        advice,
        transient: rejection.result == AssociationRJResult::Transient,
    }
}

/// `AE_TITLE at host:port`.
pub(super) fn describe(peer: &Peer) -> String {
    format!("{} at {}:{}", peer.ae_title, peer.host, peer.port)
}
