//! Verification (C-ECHO).

use super::command::Request;
use super::error::{DeliverError, describe};
use super::service::{Role, Service};
use super::status::StoreStatus;
use crate::config::{Delivery, Peer};
use dicom_dictionary_std::uids;
use std::time::{Duration, Instant};

/// Asks a peer whether it is there, as `calling_ae`; gives the time from connecting to its answer.
///
/// # Errors
/// Why it did not answer, or answered with a failure.
pub async fn echo(
    peer: &Peer,
    calling_ae: &str,
    delivery: &Delivery,
) -> Result<Duration, DeliverError> {
    let started = Instant::now();
    let mut verification =
        Service::open(peer, calling_ae, uids::VERIFICATION, Role::User, delivery).await?;
    let answer = verification
        .association
        .exchange(verification.context, Request::Echo, None::<&[u8]>)
        .await;
    let response = verification.end(answer).await?;
    if response.status == StoreStatus::SUCCESS.0 {
        return Ok(started.elapsed());
    }
    Err(DeliverError::Failed {
        peer: describe(peer),
        status: StoreStatus(response.status),
        offending_elements: response.offending_elements,
    })
}
