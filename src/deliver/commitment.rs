//! The report of a storage commitment (N-EVENT-REPORT, PS3.4 section J.3.3), to the one who asked for it.

use super::command::Request;
use super::error::{DeliverError, describe};
use super::service::{Role, Service};
use super::status::CommitmentFailure;
use crate::config::{Delivery, Peer};
use crate::dimse::{ALL_COMMITTED, COMMITMENT_INSTANCE, Committed, FAILURES_EXIST};
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

/// Reports a transaction to a peer.
///
/// # Errors
/// Why the report did not get through.
pub async fn report_commitment(
    peer: &Peer,
    calling_ae: &str,
    transaction_uid: &str,
    instances: &[Committed],
    delivery: &Delivery,
) -> Result<(), DeliverError> {
    let class = uids::STORAGE_COMMITMENT_PUSH_MODEL;
    let mut commitment = Service::open(peer, calling_ae, class, Role::Provider, delivery).await?;
    let request = Request::EventReport {
        sop_class: class,
        sop_instance: COMMITMENT_INSTANCE,
        event_type: match instances.iter().all(|instance| instance.failure.is_none()) {
            true => ALL_COMMITTED,
            false => FAILURES_EXIST,
        },
    };
    let answer = match commitment.encode(&event_information(transaction_uid, instances)) {
        Ok(event) => {
            commitment
                .association
                .exchange(commitment.context, request, Some(event.as_slice()))
                .await
        }
        Err(error) => Err(error),
    };
    let response = commitment.end(answer).await?;
    match response.status {
        0 => Ok(()),
        status => Err(DeliverError::Commitment {
            peer: describe(peer),
            what: "report",
            status: CommitmentFailure(status),
        }),
    }
}

/// Event Information (PS3.4 table J.3-2).
fn event_information(transaction_uid: &str, instances: &[Committed]) -> InMemDicomObject {
    let ui = |tag, value: &str| DataElement::new(tag, VR::UI, PrimitiveValue::from(value));
    let sequence = |tag: Tag, failed: bool| {
        let items: Vec<InMemDicomObject> = instances
            .iter()
            .filter(|instance| instance.failure.is_some() == failed)
            .map(|instance| {
                let mut item = InMemDicomObject::from_element_iter([
                    ui(tags::REFERENCED_SOP_CLASS_UID, &instance.sop_class),
                    ui(tags::REFERENCED_SOP_INSTANCE_UID, &instance.sop_instance),
                ]);
                if let Some(reason) = instance.failure {
                    let reason = PrimitiveValue::from(reason);
                    item.put(DataElement::new(tags::FAILURE_REASON, VR::US, reason));
                }
                item
            })
            .collect();
        (!items.is_empty()).then(|| DataElement::new(tag, VR::SQ, DataSetSequence::from(items)))
    };
    let mut event =
        InMemDicomObject::from_element_iter([ui(tags::TRANSACTION_UID, transaction_uid)]);
    for element in [
        sequence(tags::REFERENCED_SOP_SEQUENCE, false),
        sequence(tags::FAILED_SOP_SEQUENCE, true),
    ]
    .into_iter()
    .flatten()
    {
        event.put(element);
    }
    event
}
