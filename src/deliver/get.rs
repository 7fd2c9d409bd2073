//! Retrieval by C-GET (PS3.4 annex C.4.3): a peer gives a series on the association that asks for it, so that it need
//! know neither an address nor a port of this side.

use super::association::Association;
use super::command::{Request, Response};
use super::error::{DeliverError, describe};
use super::negotiation::Proposal;
use super::retrieve::{LONGEST_MOVE, Moved, identifier};
use super::service::{Role, Service};
use super::status::MoveStatus;
use crate::config::{Delivery, Peer};
use crate::dimse::{Command, CommandError, Status, response};
use dicom_dictionary_std::uids;
use dicom_encoding::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use dicom_ul::pdu::{PDataValueType, PresentationContextNegotiated};
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
/// Whoever has one of them can give another.
const UNCOMPRESSED: [&str; 3] = [
    uids::EXPLICIT_VR_LITTLE_ENDIAN,
    uids::IMPLICIT_VR_LITTLE_ENDIAN,
    // Explicit VR Big Endian, retired in 2006.
    "1.2.840.10008.1.2.2",
];
/// Most instances of a series.
const MOST_INSTANCES: u32 = 100_000;

/// What keeps the instances that a peer gives. It may block: it is called on a thread that may.
pub trait Keeping: Send {
    /// An instance begins, of this class, UID and transfer syntax.
    fn begin(&mut self, sop_class_uid: &str, sop_instance_uid: &str, transfer_syntax: &str);
    /// Bytes of its data set; of one that is not kept, too.
    fn write(&mut self, bytes: &[u8]);
    /// Its data set is over. What is answered: success where it is durable.
    fn end(&mut self) -> impl Future<Output = Status> + Send;
}

/// Asks a peer, as `calling_ae`, for a series in any of `transfer_syntaxes`, and has what it gives kept. Comes back when
/// the peer has given everything.
///
/// # Errors
/// Why the peer did not do it. That it holds no such series is no error: then nothing came.
pub async fn get_series(
    peer: &Peer,
    calling_ae: &str,
    study_uid: &str,
    series_uid: &str,
    delivery: &Delivery,
    transfer_syntaxes: Vec<&'static str>,
    keeping: impl Keeping + 'static,
) -> Result<Moved, DeliverError> {
    let getting = Getting {
        peer: peer.clone(),
        calling_ae: calling_ae.to_owned(),
        keys: (study_uid.to_owned(), series_uid.to_owned()),
        delivery: Delivery {
            response_timeout: delivery.response_timeout.max(LONGEST_MOVE),
            ..delivery.clone()
        },
        transfer_syntaxes,
        keeping,
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
struct Getting<K> {
    peer: Peer,
    calling_ae: String,
    /// Study and Series Instance UID.
    keys: (String, String),
    delivery: Delivery,
    transfer_syntaxes: Vec<&'static str>,
    keeping: K,
}

impl<K: Keeping> Getting<K> {
    async fn run(mut self) -> Result<Moved, DeliverError> {
        let refused = || DeliverError::NoGet {
            peer: describe(&self.peer),
        };
        let mut association = Association::open_as(
            &self.peer,
            &self.calling_ae,
            proposals(&self.transfer_syntaxes),
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
                let done = status.is_done().then_some(moved);
                done.ok_or_else(|| DeliverError::NotGiven {
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
        &mut self,
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

    /// Has the data set of a C-STORE sub-operation kept, and says what to answer.
    async fn keep(
        &mut self,
        association: &mut Association,
        context: Option<&PresentationContextNegotiated>,
        id: u8,
        command: &Command,
    ) -> Result<Status, DeliverError> {
        let known = match (context, command) {
            (
                Some(context),
                Command::Store {
                    sop_class_uid,
                    sop_instance_uid,
                    ..
                },
            ) if context.abstract_syntax == *sop_class_uid => {
                let syntax = &context.transfer_syntax;
                self.keeping.begin(sop_class_uid, sop_instance_uid, syntax);
                true
            }
            _ => false,
        };
        loop {
            let value = association.receive_value().await?;
            if value.value_type != PDataValueType::Data || value.presentation_context_id != id {
                return Err(association.protocol("a data set that is broken off".into()));
            }
            if known {
                self.keeping.write(&value.data);
            }
            if value.is_last {
                break;
            }
        }
        match known {
            true => Ok(self.keeping.end().await),
            false => Ok(Status::SopClassNotSupported),
        }
    }
}

/// A presentation context for each image class and compression, so that the peer can give every instance as it has it.
fn proposals(transfer_syntaxes: &[&str]) -> Vec<Proposal> {
    let owned = |syntaxes: &[&str]| syntaxes.iter().map(|&uid| uid.to_owned()).collect();
    let compressed = transfer_syntaxes
        .iter()
        .filter(|syntax| !UNCOMPRESSED.contains(syntax));
    let mut proposals = vec![(GET_CLASS.to_owned(), owned(&UNCOMPRESSED[..2]))];
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
