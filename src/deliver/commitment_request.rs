//! Asking a peer whether it commits to what it stored (N-ACTION, PS3.4 section J.3.2), and its report where that comes on
//! the same association (N-EVENT-REPORT, section J.3.3).

use super::association::Association;
use super::command::Request;
use super::error::{DeliverError, describe};
use super::instance::Instance;
use super::service::{Role, Service};
use super::status::CommitmentFailure;
use crate::config::{Delivery, Peer};
use crate::dimse::{
    COMMITMENT_INSTANCE, Command, CommitmentReport, Fragment, LARGEST_COMMITMENT,
    REQUEST_COMMITMENT, Reassembly, Status, check_commitment, read_report, response,
};
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use dicom_ul::pdu::PDataValueType;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

const CLASS: &str = uids::STORAGE_COMMITMENT_PUSH_MODEL;

/// SOP class and instance UID of a file, from its file meta information.
///
/// # Errors
/// It cannot be read.
pub fn instance_of(file: &Path) -> Result<(String, String), DeliverError> {
    let instance = Instance::read(file)?;
    Ok((instance.sop_class, instance.sop_instance))
}

/// Asks a peer to commit to instances (SOP class and instance UID each) under a Transaction UID that it has not seen.
///
/// Its report may come on the same association, which is held open for `delivery.commitment_linger`; `heard` gets each
/// one that comes so, and gives the status to answer. Without one it comes on an association that the peer opens.
///
/// # Errors
/// Why the peer was not asked, or did not take the request.
pub async fn request_commitment<F, S>(
    peer: &Peer,
    calling_ae: &str,
    transaction_uid: &str,
    instances: &[(String, String)],
    delivery: &Delivery,
    heard: F,
) -> Result<(), DeliverError>
where
    F: Fn(CommitmentReport) -> S,
    S: Future<Output = Status>,
{
    let mut commitment = open(peer, calling_ae, delivery).await?;
    let request = Request::Action {
        sop_class: CLASS,
        sop_instance: COMMITMENT_INSTANCE,
        action_type: REQUEST_COMMITMENT,
    };
    let answer = match commitment.encode(&action_information(transaction_uid, instances)) {
        Ok(action) => {
            commitment
                .association
                .exchange(commitment.context, request, Some(action.as_slice()))
                .await
        }
        Err(error) => Err(error),
    };
    match answer {
        Ok(response) if response.status == 0 => {}
        Ok(response) => {
            let status = CommitmentFailure(response.status);
            commitment.association.release().await;
            return Err(DeliverError::Commitment {
                peer: describe(peer),
                what: "request",
                status,
            });
        }
        Err(error) => return commitment.end(Err(error)).await,
    }
    let listened = listen(&mut commitment, transaction_uid, delivery, heard).await;
    if let Err(error) = commitment.end(listened).await {
        // The peer has taken the request all the same.
        tracing::debug!(%error, "the association was lost while a report on storage commitment could come");
    }
    Ok(())
}

/// Asks a peer whether it provides storage commitment at all.
///
/// # Errors
/// Why not, or why it did not answer.
pub async fn accepts_commitment(
    peer: &Peer,
    calling_ae: &str,
    delivery: &Delivery,
) -> Result<(), DeliverError> {
    open(peer, calling_ae, delivery).await?.end(Ok(())).await
}

async fn open(peer: &Peer, calling_ae: &str, delivery: &Delivery) -> Result<Service, DeliverError> {
    let opened = Service::open(peer, calling_ae, CLASS, Role::User, delivery).await;
    opened.map_err(|error| match error {
        DeliverError::SopClassRefused { peer, .. } => DeliverError::NoCommitment { peer },
        other => other,
    })
}

/// Hears reports until the one on this transaction has come, or none has begun for as long as the association lingers.
async fn listen<F, S>(
    commitment: &mut Service,
    transaction_uid: &str,
    delivery: &Delivery,
    heard: F,
) -> Result<(), DeliverError>
where
    F: Fn(CommitmentReport) -> S,
    S: Future<Output = Status>,
{
    let until = Instant::now() + delivery.commitment_linger;
    let context = commitment.context;
    let syntax = commitment.syntax.uid();
    let association = &mut commitment.association;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let Some((command, information)) = message(association, left).await? else {
            return Ok(());
        };
        let report = event(&command, &information, syntax);
        let is_awaited = report
            .as_ref()
            .is_ok_and(|report| report.transaction_uid == transaction_uid);
        let status = match report {
            Ok(report) => heard(report).await,
            Err(status) => status,
        };
        if let Some(response) = response(&command, status) {
            association.respond(context, &response).await?;
        }
        if is_awaited {
            return Ok(());
        }
    }
}

/// A whole message of the peer's; `None` when none begins within `wait`.
async fn message(
    association: &mut Association,
    wait: Duration,
) -> Result<Option<(Command, Vec<u8>)>, DeliverError> {
    let mut reassembly = Reassembly::default();
    let mut information = Vec::new();
    let mut begun: Option<Command> = None;
    let Ok(first) = tokio::time::timeout(wait, association.receive_value()).await else {
        return Ok(None);
    };
    let mut value = first?;
    loop {
        let is_command = value.value_type == PDataValueType::Command;
        let fragment = reassembly
            .push(
                value.presentation_context_id,
                is_command,
                value.is_last,
                &value.data,
            )
            .map_err(|error| association.protocol(error.to_string()))?;
        match fragment {
            Fragment::Command { command, .. } if command.has_data() => begun = Some(command),
            Fragment::Command { command, .. } => return Ok(Some((command, information))),
            Fragment::Data { bytes, is_last } => {
                if information.len() + bytes.len() > LARGEST_COMMITMENT {
                    return Err(association.protocol("a report without end".into()));
                }
                information.extend_from_slice(bytes);
                if is_last && let Some(command) = begun.take() {
                    return Ok(Some((command, information)));
                }
            }
            Fragment::Partial => {}
        }
        value = association.receive_value().await?;
    }
}

/// The report that an N-EVENT-REPORT carries, or the status that says why it is none.
fn event(command: &Command, information: &[u8], syntax: &str) -> Result<CommitmentReport, Status> {
    check_commitment(command)?;
    match command {
        Command::EventReport { .. } => {
            read_report(information, syntax).ok_or(Status::InvalidArgument)
        }
        _ => Err(Status::UnrecognizedOperation),
    }
}

/// Action Information (PS3.4 table J.3-1).
fn action_information(transaction_uid: &str, instances: &[(String, String)]) -> InMemDicomObject {
    let ui = |tag, value: &str| DataElement::new(tag, VR::UI, PrimitiveValue::from(value));
    let items: Vec<InMemDicomObject> = instances
        .iter()
        .map(|(class, instance)| {
            InMemDicomObject::from_element_iter([
                ui(tags::REFERENCED_SOP_CLASS_UID, class),
                ui(tags::REFERENCED_SOP_INSTANCE_UID, instance),
            ])
        })
        .collect();
    InMemDicomObject::from_element_iter([
        ui(tags::TRANSACTION_UID, transaction_uid),
        DataElement::new(
            tags::REFERENCED_SOP_SEQUENCE,
            VR::SQ,
            DataSetSequence::from(items),
        ),
    ])
}
