//! Retrieval by C-GET (PS3.4 annex C.4.3): a peer gives a series on the association that asks for it, so that it need
//! know neither an address nor a port of this side.

use super::association::Association;
use super::command::{Request, Response};
use super::error::{DeliverError, describe};
use super::negotiation::Proposal;
use super::retrieve::{LONGEST_MOVE, Moved, identifier};
use super::service::{Role, Service};
use super::status::MoveStatus;
use crate::archive::{Acceptance, Archive, Arriving, NotKept};
use crate::config::{Delivery, Peer};
use crate::dimse::{Command, CommandError, Status, response};
use dicom_dictionary_std::uids;
use dicom_encoding::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use dicom_ul::pdu::{PDataValueType, PresentationContextNegotiated};
use std::sync::Arc;
use tokio::runtime::Handle;

/// The information model that series are retrieved by.
pub const GET_CLASS: &str = uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_GET;

/// What labels are drawn on. With every transfer syntax each, they and [`GET_CLASS`] are the 127 presentation contexts
/// that an association has room for.
pub const IMAGE_CLASSES: [&str; 9] = [
    uids::CT_IMAGE_STORAGE,
    uids::ENHANCED_CT_IMAGE_STORAGE,
    uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE,
    uids::MR_IMAGE_STORAGE,
    uids::ENHANCED_MR_IMAGE_STORAGE,
    uids::LEGACY_CONVERTED_ENHANCED_MR_IMAGE_STORAGE,
    uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE,
    uids::ENHANCED_PET_IMAGE_STORAGE,
    uids::LEGACY_CONVERTED_ENHANCED_PET_IMAGE_STORAGE,
];
const UNCOMPRESSED: [&str; 2] = [
    uids::EXPLICIT_VR_LITTLE_ENDIAN,
    uids::IMPLICIT_VR_LITTLE_ENDIAN,
];
/// Most instances of a series.
const MOST_INSTANCES: u32 = 100_000;

/// Asks a peer, as `calling_ae`, for a series, and keeps what it gives by `acceptance`. Comes back when the peer has
/// given everything.
///
/// # Errors
/// Why the peer did not do it. That it holds no such series is no error: then nothing came.
pub async fn get_series(
    peer: &Peer,
    calling_ae: &str,
    study_uid: &str,
    series_uid: &str,
    delivery: &Delivery,
    archive: Arc<Archive>,
    acceptance: Acceptance,
) -> Result<Moved, DeliverError> {
    let getting = Getting {
        peer: peer.clone(),
        calling_ae: calling_ae.to_owned(),
        keys: (study_uid.to_owned(), series_uid.to_owned()),
        delivery: Delivery {
            response_timeout: delivery.response_timeout.max(LONGEST_MOVE),
            ..delivery.clone()
        },
        archive,
        acceptance,
    };
    let failed = || DeliverError::Lost {
        peer: describe(peer),
        reason: "keeping what it gave failed; the node's log says where".to_owned(),
    };
    let runtime = Handle::current();
    // Writing to the disk blocks.
    let got = tokio::task::spawn_blocking(move || runtime.block_on(getting.run()));
    got.await.unwrap_or_else(|_| Err(failed()))
}

/// Asks a peer whether it provides C-GET at all.
///
/// # Errors
/// Why not, or why it did not answer.
pub async fn accepts_get(
    peer: &Peer,
    calling_ae: &str,
    delivery: &Delivery,
) -> Result<(), DeliverError> {
    let opened = Service::open(peer, calling_ae, GET_CLASS, Role::User, delivery).await;
    let opened = opened.map_err(|error| match error {
        DeliverError::SopClassRefused { peer, .. } => DeliverError::NoGet { peer },
        other => other,
    });
    opened?.end(Ok(())).await
}

/// A retrieval under way.
struct Getting {
    peer: Peer,
    calling_ae: String,
    /// Study and Series Instance UID.
    keys: (String, String),
    delivery: Delivery,
    archive: Arc<Archive>,
    acceptance: Acceptance,
}

impl Getting {
    async fn run(self) -> Result<Moved, DeliverError> {
        let refused = || DeliverError::NoGet {
            peer: describe(&self.peer),
        };
        let mut association = Association::open_as(
            &self.peer,
            &self.calling_ae,
            proposals(&self.acceptance.transfer_syntaxes),
            &IMAGE_CLASSES,
            &self.delivery,
        )
        .await?
        .ok_or_else(refused)?;
        let contexts = association.contexts().to_vec();
        let accepted = contexts.iter().find(|c| c.abstract_syntax == GET_CLASS);
        let Some(accepted) = accepted else {
            association.release().await;
            return Err(refused());
        };
        let got = self.exchange(&mut association, &contexts, accepted).await;
        match got {
            Ok((response, moved)) => {
                association.release().await;
                let status = MoveStatus(response.status);
                let done = status == MoveStatus::SUCCESS || status.is_warning();
                done.then_some(moved).ok_or_else(|| DeliverError::NotGiven {
                    peer: describe(&self.peer),
                    status,
                })
            }
            Err(error) => {
                association.abort().await;
                Err(error)
            }
        }
    }

    /// Asks, keeps what comes, and gives the last response, with what became of the instances.
    async fn exchange(
        &self,
        association: &mut Association,
        contexts: &[PresentationContextNegotiated],
        accepted: &PresentationContextNegotiated,
    ) -> Result<(Response, Moved), DeliverError> {
        let unencodable = || association.protocol("an identifier that has no encoding".into());
        let syntax = TransferSyntaxRegistry
            .get(&accepted.transfer_syntax)
            .ok_or_else(unencodable)?;
        let mut keys = Vec::new();
        identifier("SERIES", &self.keys.0, &self.keys.1)
            .write_dataset_with_ts(&mut keys, syntax)
            .map_err(|_| unencodable())?;
        let request = Request::Get {
            sop_class: GET_CLASS,
        };
        let message_id = association
            .ask(accepted.id, request, Some(keys.as_slice()))
            .await?;
        let mut moved = Moved {
            completed: 0,
            failed: 0,
        };
        loop {
            let heard = association.receive_command().await;
            let (id, bytes) = match heard {
                // Some do not answer whom they do not let in (Orthanc).
                Err(DeliverError::Lost { peer, reason }) if moved.completed + moved.failed == 0 => {
                    return Err(DeliverError::Lost {
                        peer,
                        reason: format!(
                            "{reason} when asked for a series by C-GET; perhaps {} may not retrieve by it there",
                            self.calling_ae
                        ),
                    });
                }
                heard => heard?,
            };
            match Command::decode(&bytes) {
                Err(CommandError::Response(_)) => {
                    let response = Response::decode(&bytes, request, message_id)
                        .map_err(|what| association.protocol(what))?;
                    if response.has_data {
                        association.pass_over_data_set().await?;
                    }
                    if !response.is_pending() {
                        moved.failed = moved.failed.max(response.failed);
                        return Ok((response, moved));
                    }
                }
                Ok(command @ Command::Store { .. })
                    if moved.completed + moved.failed < MOST_INSTANCES =>
                {
                    let context = contexts.iter().find(|context| context.id == id);
                    let status = self.keep(association, context, id, &command).await?;
                    match status {
                        Status::Success => moved.completed += 1,
                        _ => moved.failed += 1,
                    }
                    let answer = response(&command, status).unwrap_or_default();
                    association.respond(id, &answer).await?;
                }
                _ => return Err(association.protocol("a command that answers no C-GET".into())),
            }
        }
    }

    /// Takes the data set of a C-STORE sub-operation, and says what to answer: success when it is durable.
    async fn keep(
        &self,
        association: &mut Association,
        context: Option<&PresentationContextNegotiated>,
        id: u8,
        command: &Command,
    ) -> Result<Status, DeliverError> {
        let mut arriving = self.begin(context, command);
        let mut length = 0u64;
        loop {
            let value = association.receive_value().await?;
            if value.value_type != PDataValueType::Data || value.presentation_context_id != id {
                return Err(association.protocol("a data set that is broken off".into()));
            }
            length += value.data.len() as u64;
            if length > self.acceptance.max_instance_bytes {
                arriving = Err(Status::OutOfResources);
            }
            if let Ok(kept) = &mut arriving
                && let Err(not_kept) = kept.write(&value.data)
            {
                arriving = Err(refused(&not_kept));
            }
            if value.is_last {
                break;
            }
        }
        let arrived = arriving.and_then(|arriving| {
            let finished = arriving.finish(|_| Ok(()));
            finished.map_err(|not_kept| refused(&not_kept))
        });
        Ok(match arrived {
            Ok(instance) => match self.archive.store(instance).await {
                Ok(()) => {
                    metrics::counter!("irisnode_instances_received_total").increment(1);
                    Status::Success
                }
                Err(error) => refused(&error.into()),
            },
            Err(status) => status,
        })
    }

    fn begin(
        &self,
        context: Option<&PresentationContextNegotiated>,
        command: &Command,
    ) -> Result<Arriving, Status> {
        let (
            Some(context),
            Command::Store {
                sop_class_uid,
                sop_instance_uid,
                ..
            },
        ) = (context, command)
        else {
            return Err(Status::SopClassNotSupported);
        };
        if context.abstract_syntax != *sop_class_uid {
            return Err(Status::SopClassNotSupported);
        }
        let archive = &self.archive;
        let begun = archive
            .may_take_more(self.acceptance.min_free_bytes)
            .and_then(|()| {
                Arriving::begin(
                    archive,
                    sop_class_uid,
                    sop_instance_uid,
                    &context.transfer_syntax,
                    &self.acceptance.sender,
                )
            });
        begun.map_err(|not_kept| refused(&not_kept))
    }
}

/// The answer to an instance that is not kept; the log has the reason.
fn refused(not_kept: &NotKept) -> Status {
    let status = Status::from(not_kept.fault);
    tracing::warn!(
        status = format!("{:04X}H", status.code()),
        reason = %not_kept.reason,
        "an instance that was asked for is not kept"
    );
    status
}

/// A presentation context for each image class and compression, so that the peer can give every instance as it has it.
fn proposals(transfer_syntaxes: &[&str]) -> Vec<Proposal> {
    let owned = |syntaxes: &[&str]| syntaxes.iter().map(|&uid| uid.to_owned()).collect();
    let compressed = transfer_syntaxes
        .iter()
        .filter(|syntax| !UNCOMPRESSED.contains(syntax));
    let mut proposals = vec![(GET_CLASS.to_owned(), owned(&UNCOMPRESSED))];
    for class in IMAGE_CLASSES {
        proposals.push((class.to_owned(), owned(&UNCOMPRESSED)));
        proposals.extend(
            compressed
                .clone()
                .map(|syntax| (class.to_owned(), owned(&[syntax]))),
        );
    }
    proposals
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_image_can_come_in_every_transfer_syntax_within_one_association() {
        let taken = crate::receive::statement().transfer_syntaxes;
        let proposals = proposals(&taken);
        assert!(proposals.len() <= 128, "{}", proposals.len());
        for class in IMAGE_CLASSES {
            let of_class = proposals.iter().filter(|(proposed, _)| proposed == class);
            let syntaxes: BTreeSet<&str> = of_class
                .flat_map(|(_, syntaxes)| syntaxes.iter().map(String::as_str))
                .collect();
            assert_eq!(syntaxes, taken.iter().copied().collect());
        }
    }
}
