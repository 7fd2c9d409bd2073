//! Retrieval by C-MOVE (PS3.4 annex C.4.2): a peer is asked to send a series to an AE title of ours.

use super::command::{Request, Response};
use super::error::{DeliverError, describe};
use super::service::{Role, Service};
use super::status::MoveStatus;
use crate::config::{Delivery, Peer};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use std::time::Duration;

/// The information model that series are retrieved by.
pub const MOVE_CLASS: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE;

/// Longest wait for one response: a peer need not say anything while a whole series goes over.
pub(super) const LONGEST_MOVE: Duration = Duration::from_secs(30 * 60);

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
    let patient = Delivery {
        response_timeout: delivery.response_timeout.max(LONGEST_MOVE),
        ..delivery.clone()
    };
    let mut retrieval = Service::open(peer, calling_ae, MOVE_CLASS, Role::User, &patient).await?;
    let answer = asked(&mut retrieval, destination, study_uid, series_uid).await;
    let response = retrieval.end(answer).await?;
    outcome(&response).ok_or_else(|| DeliverError::NotMoved {
        peer: describe(peer),
        destination: destination.to_owned(),
        status: MoveStatus(response.status),
    })
}

/// The last response.
async fn asked(
    retrieval: &mut Service,
    destination: &str,
    study_uid: &str,
    series_uid: &str,
) -> Result<Response, DeliverError> {
    let identifier = retrieval.encode(&identifier("SERIES", study_uid, series_uid))?;
    let request = Request::Move {
        sop_class: MOVE_CLASS,
        destination,
    };
    retrieval
        .association
        .exchange_to_the_end(retrieval.context, request, identifier.as_slice())
        .await
}

/// `None` when the peer could not do it at all.
fn outcome(response: &Response) -> Option<Moved> {
    let status = MoveStatus(response.status);
    let moved = Moved {
        completed: response.completed,
        failed: response.failed,
    };
    // A warning (B000H) says that some instances did not get through.
    status.is_done().then_some(moved)
}

/// The identifier of a series, or of what is below it (PS3.4 sections C.4.1.1.3 and C.4.2.1.4).
pub(super) fn identifier(level: &str, study_uid: &str, series_uid: &str) -> InMemDicomObject {
    let text = |tag, vr, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
    InMemDicomObject::from_element_iter([
        text(tags::QUERY_RETRIEVE_LEVEL, VR::CS, level),
        text(tags::STUDY_INSTANCE_UID, VR::UI, study_uid),
        text(tags::SERIES_INSTANCE_UID, VR::UI, series_uid),
    ])
}
