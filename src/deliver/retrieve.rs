//! Retrieval by C-MOVE (PS3.4 annex C.4.2): a peer is asked to send a series to an AE title of ours.

use super::association::Association;
use super::command::{Request, Response};
use super::error::{DeliverError, describe};
use super::instance::{sop_class_name, transfer_syntax_name};
use super::status::MoveStatus;
use crate::config::{Delivery, Peer};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::TransferSyntaxIndex;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::time::Duration;

/// The information model that series are retrieved by.
pub const MOVE_CLASS: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE;

/// Longest wait for one response: a peer need not say anything while a whole series goes over.
const LONGEST_MOVE: Duration = Duration::from_secs(30 * 60);

/// What a peer says it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Instances that were taken, a warning included.
    pub completed: u32,
    /// Instances that were not.
    pub failed: u32,
}

/// Asks a peer, as `calling_ae`, to send a series to the application entity that it knows as `destination`. Comes back
/// when the peer has sent everything.
///
/// # Errors
/// Why the peer did not do it. That it holds no such series is no error: then nothing was sent.
pub async fn move_series(
    peer: &Peer,
    calling_ae: &str,
    destination: &str,
    study_uid: &str,
    series_uid: &str,
    delivery: &Delivery,
) -> Result<Moved, DeliverError> {
    let proposal = (
        MOVE_CLASS.to_owned(),
        vec![
            uids::EXPLICIT_VR_LITTLE_ENDIAN.to_owned(),
            uids::IMPLICIT_VR_LITTLE_ENDIAN.to_owned(),
        ],
    );
    let refused = || DeliverError::SopClassRefused {
        peer: describe(peer),
        sop_class: sop_class_name(MOVE_CLASS),
        transfer_syntax: transfer_syntax_name(uids::EXPLICIT_VR_LITTLE_ENDIAN),
    };
    let patient = Delivery {
        response_timeout: delivery.response_timeout.max(LONGEST_MOVE),
        ..delivery.clone()
    };
    let mut association = Association::open(peer, calling_ae, vec![proposal], &patient)
        .await?
        .ok_or_else(refused)?;
    let context = association.contexts().first().ok_or_else(refused)?;
    let (id, transfer_syntax) = (context.id, context.transfer_syntax.clone());
    let identifier = identifier(study_uid, series_uid, &transfer_syntax).ok_or_else(refused)?;
    let request = Request::Move {
        sop_class: MOVE_CLASS,
        destination,
    };
    let answer = association
        .exchange_to_the_end(id, request, identifier.as_slice())
        .await;
    match answer {
        Ok(response) => {
            association.release().await;
            outcome(&response).ok_or_else(|| DeliverError::NotMoved {
                peer: describe(peer),
                destination: destination.to_owned(),
                status: MoveStatus(response.status),
            })
        }
        Err(error) => {
            association.abort().await;
            Err(error)
        }
    }
}

/// `None` when the peer could not do it at all.
fn outcome(response: &Response) -> Option<Moved> {
    let status = MoveStatus(response.status);
    let moved = Moved {
        completed: response.completed,
        failed: response.failed,
    };
    // A warning (B000H) says that some instances did not get through.
    (status == MoveStatus::SUCCESS || status.is_warning()).then_some(moved)
}

/// The identifier of a series (PS3.4 section C.4.2.1.4).
fn identifier(study_uid: &str, series_uid: &str, transfer_syntax: &str) -> Option<Vec<u8>> {
    let text = |tag, vr, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
    let identifier = InMemDicomObject::from_element_iter([
        text(tags::QUERY_RETRIEVE_LEVEL, VR::CS, "SERIES"),
        text(tags::STUDY_INSTANCE_UID, VR::UI, study_uid),
        text(tags::SERIES_INSTANCE_UID, VR::UI, series_uid),
    ]);
    let mut bytes = Vec::new();
    let syntax = TransferSyntaxRegistry.get(transfer_syntax)?;
    identifier.write_dataset_with_ts(&mut bytes, syntax).ok()?;
    Some(bytes)
}
