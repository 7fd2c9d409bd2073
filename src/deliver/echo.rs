//! Verification (C-ECHO).

use super::association::Association;
use super::command::Request;
use super::error::{DeliverError, describe};
use super::instance::{sop_class_name, transfer_syntax_name};
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
    let proposal = (
        uids::VERIFICATION.to_owned(),
        vec![
            uids::EXPLICIT_VR_LITTLE_ENDIAN.to_owned(),
            uids::IMPLICIT_VR_LITTLE_ENDIAN.to_owned(),
        ],
    );
    let refused = || DeliverError::SopClassRefused {
        peer: describe(peer),
        sop_class: sop_class_name(uids::VERIFICATION),
        transfer_syntax: transfer_syntax_name(uids::EXPLICIT_VR_LITTLE_ENDIAN),
    };
    let mut association = Association::open(peer, calling_ae, vec![proposal], delivery)
        .await?
        .ok_or_else(refused)?;
    let context = association.contexts().first().ok_or_else(refused)?.id;
    let response = association
        .exchange(context, Request::Echo, None::<&[u8]>)
        .await;
    match response {
        Ok(response) if response.status == StoreStatus::SUCCESS.0 => {
            association.release().await;
            Ok(started.elapsed())
        }
        Ok(response) => {
            association.release().await;
            Err(DeliverError::Failed {
                peer: describe(peer),
                status: StoreStatus(response.status),
                offending_elements: response.offending_elements,
            })
        }
        Err(error) => {
            association.abort().await;
            Err(error)
        }
    }
}
