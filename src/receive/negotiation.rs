//! The association request (A-ASSOCIATE, PS3.8 section 9.3.2) and what is answered to it.

use super::policy::{Callers, NoEntry, Origin, STORAGE_CLASSES, TRANSFER_SYNTAXES};
use super::statement::SERVICES;
use crate::dimse::{
    APPLICATION_CONTEXT, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, MAX_PDU_LENGTH,
};
use dicom_dictionary_std::uids;
use dicom_ul::pdu::{
    AssociationAC, AssociationRJ, AssociationRJResult,
    AssociationRJServiceProviderPresentationReason, AssociationRJServiceUserReason,
    AssociationRJSource, AssociationRQ, Pdu, PresentationContextNegotiated,
    PresentationContextProposed, PresentationContextResult, PresentationContextResultReason,
    UserVariableItem,
};
use std::collections::BTreeSet;

/// Context IDs are the odd numbers below 256 (PS3.8 section 9.3.2.2).
pub(super) const MOST_CONTEXTS: usize = 128;
/// Bit 0: version 1, the only one there is (PS3.8 table 9-11).
const PROTOCOL_VERSION: u16 = 1;

/// What both sides have agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// Calling AE title.
    pub calling_ae: String,
    /// Called AE title.
    pub called_ae: String,
    /// Presentation contexts, those rejected among them.
    pub contexts: Vec<PresentationContextNegotiated>,
}

impl Agreed {
    /// A presentation context, if it was accepted.
    pub fn accepted(&self, id: u8) -> Option<&PresentationContextNegotiated> {
        self.contexts.iter().find(|context| {
            context.id == id && context.reason == PresentationContextResultReason::Acceptance
        })
    }
}

/// Answers a request: what is agreed on, and the A-ASSOCIATE-AC that says so.
///
/// # Errors
/// The reason for [`rejection`], and a sentence for the log.
pub fn answer(
    request: AssociationRQ,
    callers: &Callers<'_>,
    origin: &Origin,
) -> Result<(Agreed, Pdu), NoEntry> {
    use AssociationRJServiceUserReason::{ApplicationContextNameNotSupported, NoReasonGiven};
    let refuse = |reason, why: &str| Err((reason, why.to_owned()));
    if request.protocol_version & PROTOCOL_VERSION == 0 {
        return refuse(NoReasonGiven, "it speaks no version 1 of the protocol");
    }
    if uid(&request.application_context_name) != APPLICATION_CONTEXT {
        return refuse(
            ApplicationContextNameNotSupported,
            "its application context is not DICOM's",
        );
    }
    let ids: BTreeSet<u8> = request.presentation_contexts.iter().map(|c| c.id).collect();
    let proposed = request.presentation_contexts.len();
    if proposed > MOST_CONTEXTS || ids.len() != proposed || ids.iter().any(|id| id % 2 == 0) {
        return refuse(
            NoReasonGiven,
            "its presentation contexts have no odd number of their own each",
        );
    }
    let calling_ae = request.calling_ae_title.trim().to_owned();
    let called_ae = request.called_ae_title.trim().to_owned();
    callers.check(&called_ae, &calling_ae, origin)?;
    let contexts: Vec<_> = request
        .presentation_contexts
        .into_iter()
        .map(negotiated)
        .collect();
    let mut user_variables = vec![
        UserVariableItem::MaxLength(MAX_PDU_LENGTH),
        UserVariableItem::ImplementationClassUID(IMPLEMENTATION_CLASS_UID.to_owned()),
        UserVariableItem::ImplementationVersionName(IMPLEMENTATION_VERSION_NAME.to_owned()),
    ];
    user_variables.extend(request.user_variables.into_iter().filter_map(role));
    let accepted = Pdu::AssociationAC(AssociationAC {
        protocol_version: PROTOCOL_VERSION,
        // Returned as they came (PS3.8 table 9-17).
        calling_ae_title: request.calling_ae_title,
        called_ae_title: request.called_ae_title,
        application_context_name: APPLICATION_CONTEXT.to_owned(),
        presentation_contexts: contexts
            .iter()
            .map(|context| PresentationContextResult {
                id: context.id,
                reason: context.reason.clone(),
                transfer_syntax: context.transfer_syntax.clone(),
            })
            .collect(),
        user_variables,
    });
    let agreed = Agreed {
        calling_ae,
        called_ae,
        contexts,
    };
    Ok((agreed, accepted))
}

/// Of the transfer syntaxes proposed the first that is known, in the *requestor's* order.
fn negotiated(proposed: PresentationContextProposed) -> PresentationContextNegotiated {
    use PresentationContextResultReason::{
        AbstractSyntaxNotSupported, Acceptance, TransferSyntaxesNotSupported,
    };
    let abstract_syntax = uid(&proposed.abstract_syntax);
    let known = SERVICES
        .iter()
        .chain(STORAGE_CLASSES)
        .any(|class| *class == abstract_syntax);
    let transfer_syntax = proposed
        .transfer_syntaxes
        .iter()
        .map(|syntax| uid(syntax))
        .find(|syntax| TRANSFER_SYNTAXES.contains(syntax));
    let reason = match (known, transfer_syntax) {
        (false, _) => AbstractSyntaxNotSupported,
        (true, None) => TransferSyntaxesNotSupported,
        (true, Some(_)) => Acceptance,
    };
    PresentationContextNegotiated {
        id: proposed.id,
        reason,
        // Not significant where the context is rejected (PS3.8 table 9-18).
        transfer_syntax: transfer_syntax
            .unwrap_or(uids::IMPLICIT_VR_LITTLE_ENDIAN)
            .to_owned(),
        abstract_syntax: abstract_syntax.to_owned(),
    }
}

/// The answer to a proposal of roles (PS3.7 annex D.3.3.4): of storage commitment the requestor may be the provider,
/// who reports on what this node asked, and either role is accepted as proposed. Any other class has the roles it has
/// without an answer.
fn role(proposed: UserVariableItem) -> Option<UserVariableItem> {
    match proposed {
        UserVariableItem::ScuScpRoleSelectionSubItem(class, roles)
            if uid(&class) == uids::STORAGE_COMMITMENT_PUSH_MODEL =>
        {
            Some(UserVariableItem::ScuScpRoleSelectionSubItem(class, roles))
        }
        _ => None,
    }
}

/// A UID without the padding that some peers send.
fn uid(text: &str) -> &str {
    text.trim_end_matches(['\0', ' '])
}

/// Rejected-permanent (A-ASSOCIATE-RJ, PS3.8 section 9.3.4).
pub fn rejection(reason: AssociationRJServiceUserReason) -> Pdu {
    Pdu::AssociationRJ(AssociationRJ {
        result: AssociationRJResult::Permanent,
        source: AssociationRJSource::ServiceUser(reason),
    })
}

/// Rejected-transient, local limit exceeded (PS3.8 table 9-21): the peer may try again.
pub(super) fn not_now() -> Pdu {
    Pdu::AssociationRJ(AssociationRJ {
        result: AssociationRJResult::Transient,
        source: AssociationRJSource::ServiceProviderPresentation(
            AssociationRJServiceProviderPresentationReason::LocalLimitExceeded,
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::policy::Caller;
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn asked(change: impl FnOnce(&mut AssociationRQ)) -> Result<Agreed, String> {
        let mut request = AssociationRQ {
            protocol_version: 1,
            calling_ae_title: "SCANNER".into(),
            called_ae_title: "IRISNODE".into(),
            application_context_name: APPLICATION_CONTEXT.into(),
            presentation_contexts: vec![PresentationContextProposed {
                id: 1,
                abstract_syntax: uids::CT_IMAGE_STORAGE.into(),
                transfer_syntaxes: vec![uids::JPEG2000.into(), uids::RLE_LOSSLESS.into()],
            }],
            user_variables: Vec::new(),
        };
        change(&mut request);
        let known = [Caller {
            ae_title: "SCANNER".into(),
            only_from: Vec::new(),
            only_with: Vec::new(),
        }];
        let callers = Callers {
            ae_title: "IRISNODE",
            teaching: None,
            known: &known,
            accept_unknown: false,
        };
        let origin = Origin {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            certificate: None,
        };
        answer(request, &callers, &origin)
            .map(|(agreed, _)| agreed)
            .map_err(|(_, why)| why)
    }

    #[test]
    fn the_first_known_transfer_syntax_in_the_requestors_order_is_taken() {
        let agreed = asked(|_| {}).unwrap();
        assert_eq!(agreed.accepted(1).unwrap().transfer_syntax, uids::JPEG2000);
        let padded = asked(|request| {
            request.presentation_contexts[0].transfer_syntaxes =
                vec!["1.2.3".into(), format!("{}\0", uids::RLE_LOSSLESS)];
        });
        let padded = padded.unwrap();
        assert_eq!(
            padded.accepted(1).unwrap().transfer_syntax,
            uids::RLE_LOSSLESS
        );
    }

    #[test]
    fn presentation_contexts_have_an_odd_number_of_their_own() {
        for ids in [vec![1, 1], vec![2], (0..129).map(|n| n as u8).collect()] {
            let refused = asked(|request| {
                let first = request.presentation_contexts[0].clone();
                request.presentation_contexts = ids
                    .iter()
                    .map(|id| PresentationContextProposed {
                        id: *id,
                        ..first.clone()
                    })
                    .collect();
            });
            assert!(refused.unwrap_err().contains("odd number"), "{ids:?}");
        }
    }
}
