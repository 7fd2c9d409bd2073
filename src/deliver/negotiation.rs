//! How an association begins: a connection, what this side proposes on it, and what the peer makes of that.

use super::error::{DeliverError, describe, rejected};
use crate::config::{Delivery, Peer};
use crate::dimse::{
    APPLICATION_CONTEXT, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, MAX_PDU_LENGTH,
    Prompt, UpperLayer, UpperLayerError,
};
use crate::tls::{HandshakeError, Identity, Trust};
use dicom_ul::pdu::{
    AssociationAC, AssociationRQ, Pdu, PresentationContextNegotiated, PresentationContextProposed,
    PresentationContextResultReason, RequestorRoles, UserVariableItem,
};
use tokio::net::TcpStream;

/// What a peer that names no maximum PDU length is taken to take: what every implementation takes.
const CAUTIOUS_PDU_LENGTH: u32 = 16 * 1024;

/// A proposed presentation context: an abstract syntax and transfer syntaxes for it.
pub(super) type Proposal = (String, Vec<String>);

/// What both sides agreed on.
pub(super) struct Negotiated {
    pub(super) upper_layer: UpperLayer,
    /// The accepted presentation contexts, one at least.
    pub(super) contexts: Vec<PresentationContextNegotiated>,
    /// Longest PDU that the peer takes, bytes after its header.
    pub(super) max_pdu_length: u32,
}

/// TCP, and TLS where the peer is called by it.
pub(super) async fn connect(peer: &Peer, delivery: &Delivery) -> Result<UpperLayer, DeliverError> {
    let timed_out = || DeliverError::TimedOut {
        peer: describe(peer),
        waited: delivery.connect_timeout,
    };
    let connecting = TcpStream::connect((peer.host.as_str(), peer.port));
    let stream = tokio::time::timeout(delivery.connect_timeout, connecting)
        .await
        .map_err(|_| timed_out())?
        .map_err(|error| DeliverError::Unreachable {
            peer: describe(peer),
            reason: error.to_string(),
        })?;
    let stream = Prompt::new(stream);
    let Some(tls) = &peer.tls else {
        return Ok(UpperLayer::new(stream, delivery.response_timeout));
    };
    let trust = Trust {
        authorities: tls.authorities.clone(),
        revoked: tls.revoked.clone(),
        only_with: peer.only_with.clone(),
        identity: tls.identity.as_ref().map(|own| Identity {
            certificate: own.certificate.clone(),
            key: own.key.clone(),
        }),
    };
    let shaking = crate::tls::connect(&trust, &peer.host, stream);
    match tokio::time::timeout(delivery.connect_timeout, shaking).await {
        Ok(Ok(stream)) => Ok(UpperLayer::new(stream, delivery.response_timeout)),
        Ok(Err(error)) => Err(of_tls(peer, &error)),
        Err(_) => Err(timed_out()),
    }
}

fn of_tls(peer: &Peer, error: &HandshakeError) -> DeliverError {
    DeliverError::Tls {
        peer: describe(peer),
        reason: error.to_string(),
    }
}

/// Proposes, and reads what the peer makes of it (PS3.8 section 9.3.2 and 9.3.3).
pub(super) async fn negotiate(
    mut upper_layer: UpperLayer,
    peer: &Peer,
    calling_ae: &str,
    proposals: Vec<Proposal>,
    provided: &[&str],
) -> Result<Option<Negotiated>, DeliverError> {
    let proposed: Vec<PresentationContextProposed> = proposals
        .into_iter()
        .zip((1..=u8::MAX).step_by(2))
        .map(
            |((abstract_syntax, transfer_syntaxes), id)| PresentationContextProposed {
                id,
                abstract_syntax,
                transfer_syntaxes,
            },
        )
        .collect();
    let mut user_variables = vec![
        UserVariableItem::MaxLength(MAX_PDU_LENGTH),
        UserVariableItem::ImplementationClassUID(IMPLEMENTATION_CLASS_UID.to_owned()),
        UserVariableItem::ImplementationVersionName(IMPLEMENTATION_VERSION_NAME.to_owned()),
    ];
    user_variables.extend(provided.iter().map(|&sop_class| {
        let roles = RequestorRoles {
            scu: false,
            scp: true,
        };
        UserVariableItem::ScuScpRoleSelectionSubItem(sop_class.to_owned(), roles)
    }));
    let request = Pdu::AssociationRQ(AssociationRQ {
        protocol_version: 1,
        calling_ae_title: calling_ae.to_owned(),
        called_ae_title: peer.ae_title.clone(),
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: proposed.clone(),
        user_variables,
    });
    upper_layer
        .send(&request)
        .await
        .map_err(|error| DeliverError::from_upper_layer(error, peer))?;
    let answer = upper_layer.receive().await;
    let (reason, aborts) = match answer.map_err(|error| unanswered(peer, error))? {
        Pdu::AssociationAC(accepted) => {
            return Ok(established(upper_layer, &proposed, accepted).await);
        }
        Pdu::AssociationRJ(rejection) => {
            upper_layer.close().await;
            return Err(rejected(rejection, peer, calling_ae));
        }
        Pdu::AbortRQ { .. } => ("it aborted", true),
        _ => ("an answer to no request for an association", false),
    };
    upper_layer.abort().await;
    let peer = describe(peer);
    Err(match aborts {
        true => DeliverError::Lost {
            peer,
            reason: reason.to_owned(),
        },
        false => DeliverError::Protocol {
            peer,
            what: reason.to_owned(),
        },
    })
}

/// The association as the peer accepted it; `None`, and its end, where it accepted no presentation context.
async fn established(
    upper_layer: UpperLayer,
    proposed: &[PresentationContextProposed],
    accepted: AssociationAC,
) -> Option<Negotiated> {
    let contexts: Vec<PresentationContextNegotiated> = accepted
        .presentation_contexts
        .into_iter()
        .filter(|context| context.reason == PresentationContextResultReason::Acceptance)
        .filter_map(|context| {
            let proposed = proposed.iter().find(|proposed| proposed.id == context.id)?;
            Some(PresentationContextNegotiated {
                id: context.id,
                reason: context.reason,
                transfer_syntax: context.transfer_syntax,
                abstract_syntax: proposed.abstract_syntax.clone(),
            })
        })
        .collect();
    if contexts.is_empty() {
        upper_layer.abort().await;
        return None;
    }
    let max_pdu_length = accepted
        .user_variables
        .iter()
        .find_map(|item| match item {
            // No limit (PS3.8 annex D.1).
            UserVariableItem::MaxLength(0) => Some(u32::MAX),
            UserVariableItem::MaxLength(length) => Some(*length),
            _ => None,
        })
        .unwrap_or(CAUTIOUS_PDU_LENGTH);
    Some(Negotiated {
        upper_layer,
        contexts,
        max_pdu_length,
    })
}

/// What it means when no answer comes to a request for an association.
fn unanswered(peer: &Peer, error: UpperLayerError) -> DeliverError {
    match DeliverError::from_upper_layer(error, peer) {
        DeliverError::Lost { peer: name, reason } if peer.tls.is_none() => DeliverError::Lost {
            peer: name,
            reason: format!("{reason} when asked for an association; perhaps this port wants TLS"),
        },
        other => other,
    }
}
