//! One association as its acceptor: a small state machine, one handler for each command.

use super::commitment::{Information, not_asked};
use super::negotiation::Agreed;
use super::refusal::Refusal;
use super::server::Shared;
use crate::archive::{ArchiveError, Arriving, Bringing, Sender};
use crate::dimse::{
    Command, Fragment, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, Reassembly,
    ReassemblyError, Status, UpperLayer, UpperLayerError, response,
};
use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu, PresentationContextNegotiated};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// A message that comes slower than this, bytes a second, once `idle_timeout` has passed since it began, is one that never
/// ends: a modem is faster.
const SLOWEST: u64 = 1024;

/// How an association ended, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum AssociationError {
    #[error("the peer broke the protocol: {0}")]
    Protocol(#[from] ReassemblyError),
    #[error("the peer used presentation context {0}, which was not accepted")]
    Context(u8),
    #[error(transparent)]
    UpperLayer(#[from] UpperLayerError),
    #[error("the peer sends a message at less than {SLOWEST} bytes a second")]
    TooSlow,
    #[error("the peer sent an unexpected PDU")]
    UnexpectedPdu,
    #[error("a response could not be written")]
    Response,
}

/// The data set that is under way: being kept, or read past because it was refused at its command.
enum Incoming {
    Keeping(Box<Arriving>),
    /// A request for storage commitment, or the report on one of ours.
    Commitment(Information),
    Refused(Refusal),
    /// A data set of a service we do not provide.
    Ignored,
}

/// A request whose data set is under way.
struct Pending {
    context: u8,
    request: Command,
    incoming: Incoming,
}

/// An association and what it has done so far.
pub(super) struct Handler {
    upper_layer: UpperLayer,
    agreed: Agreed,
    shared: Arc<Shared>,
    reassembly: Reassembly,
    /// When the message under way began, and the bytes of it so far.
    message: Option<(Instant, u64)>,
    pending: Option<Pending>,
    bringing: Bringing,
    pub(super) stored: u64,
    pub(super) refused: u64,
}

impl Handler {
    pub(super) fn new(upper_layer: UpperLayer, agreed: Agreed, shared: Arc<Shared>) -> Self {
        Self {
            upper_layer,
            agreed,
            message: None,
            bringing: shared.archive.association(),
            shared,
            reassembly: Reassembly::default(),
            pending: None,
            stored: 0,
            refused: 0,
        }
    }

    /// Serves until the peer releases or aborts, falls silent, breaks the protocol, or the
    /// node shuts down and no data set is under way.
    pub(super) async fn run(
        &mut self,
        shutdown: &CancellationToken,
    ) -> Result<(), AssociationError> {
        loop {
            let pdu = tokio::select! {
                received = self.upper_layer.receive() => received?,
                () = shutdown.cancelled(), if self.pending.is_none() => {
                    return Ok(());
                }
            };
            match pdu {
                Pdu::PData { data } => {
                    for value in data {
                        self.take(value).await?;
                    }
                }
                Pdu::ReleaseRQ => {
                    self.bringing.released();
                    self.upper_layer.send(&Pdu::ReleaseRP).await?;
                    return Ok(());
                }
                Pdu::AbortRQ { .. } => return Ok(()),
                _ => return Err(AssociationError::UnexpectedPdu),
            }
        }
    }

    /// Closes the connection of an association that is released.
    pub(super) async fn close(self) {
        self.upper_layer.close().await;
    }

    /// Ends the association from our side.
    pub(super) async fn abort(self) {
        self.upper_layer.abort().await;
    }

    async fn take(&mut self, value: PDataValue) -> Result<(), AssociationError> {
        self.keep_pace(value.data.len())?;
        let is_command = value.value_type == PDataValueType::Command;
        let fragment = self.reassembly.push(
            value.presentation_context_id,
            is_command,
            value.is_last,
            &value.data,
        )?;
        match fragment {
            Fragment::Partial => Ok(()),
            Fragment::Command { context, command } => self.command(context, command).await,
            Fragment::Data { bytes, is_last } => {
                if let Some(pending) = &mut self.pending {
                    let written = match &mut pending.incoming {
                        Incoming::Keeping(arriving) => arriving.write(bytes).map_err(Refusal::from),
                        Incoming::Commitment(information) => information.write(bytes),
                        Incoming::Refused(_) | Incoming::Ignored => Ok(()),
                    };
                    if let Err(refusal) = written {
                        pending.incoming = Incoming::Refused(refusal);
                    }
                }
                if is_last {
                    self.data_ended().await
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Counts what comes of a message: a byte now and then must not hold an association for ever.
    fn keep_pace(&mut self, bytes: usize) -> Result<(), AssociationError> {
        let (began, so_far) = self.message.get_or_insert((Instant::now(), 0));
        *so_far += bytes as u64;
        let elapsed = began.elapsed();
        let patience: Duration = self.shared.options.idle_timeout;
        if elapsed > patience && *so_far < SLOWEST * (elapsed - patience).as_secs() {
            return Err(AssociationError::TooSlow);
        }
        Ok(())
    }

    async fn command(&mut self, context: u8, command: Command) -> Result<(), AssociationError> {
        let accepted = self
            .agreed
            .accepted(context)
            .ok_or(AssociationError::Context(context))?
            .clone();
        match &command {
            Command::Echo { .. } => self.respond(context, &command, Status::Success).await,
            Command::Cancel => {
                self.message = None;
                Ok(())
            }
            Command::Store {
                sop_class_uid,
                sop_instance_uid,
                ..
            } => {
                let incoming = match self.begin_store(&accepted, sop_class_uid, sop_instance_uid) {
                    Ok(arriving) => Incoming::Keeping(Box::new(arriving)),
                    Err(refusal) => Incoming::Refused(refusal),
                };
                self.pending = Some(Pending {
                    context,
                    request: command,
                    incoming,
                });
                Ok(())
            }
            Command::Action { .. } | Command::EventReport { .. } => {
                let incoming = match Information::of(&command, &accepted) {
                    Ok(information) => Incoming::Commitment(information),
                    Err(refusal) => Incoming::Refused(refusal),
                };
                self.pending = Some(Pending {
                    context,
                    request: command,
                    incoming,
                });
                Ok(())
            }
            Command::Other { has_data: true, .. } => {
                self.pending = Some(Pending {
                    context,
                    request: command,
                    incoming: Incoming::Ignored,
                });
                Ok(())
            }
            Command::Other { .. } => {
                self.respond(context, &command, Status::UnrecognizedOperation)
                    .await
            }
        }
    }

    /// Whatever can be said before the first byte is said here: no room, wrong SOP class.
    fn begin_store(
        &self,
        context: &PresentationContextNegotiated,
        sop_class_uid: &str,
        sop_instance_uid: &str,
    ) -> Result<Arriving, Refusal> {
        if context.abstract_syntax != sop_class_uid {
            return Err(Refusal::new(
                Status::SopClassNotSupported,
                "the SOP class is not the one of its presentation context",
            ));
        }
        let archive = &self.shared.archive;
        archive.may_take_more(self.shared.options.min_free_bytes)?;
        let sender = Sender {
            calling_ae: self.agreed.calling_ae.clone(),
            called_ae: self.agreed.called_ae.clone(),
            implementation_class_uid: IMPLEMENTATION_CLASS_UID,
            implementation_version_name: IMPLEMENTATION_VERSION_NAME,
        };
        Ok(Arriving::begin(
            archive,
            sop_class_uid,
            sop_instance_uid,
            &context.transfer_syntax,
            &sender,
        )?)
    }

    async fn data_ended(&mut self) -> Result<(), AssociationError> {
        let Some(pending) = self.pending.take() else {
            return Ok(());
        };
        let outcome = match pending.incoming {
            Incoming::Keeping(arriving) => {
                let kept = self.keep(*arriving).await;
                if kept.is_ok() {
                    self.stored += 1;
                    metrics::counter!("irisnode_instances_received_total").increment(1);
                }
                kept
            }
            Incoming::Commitment(information) => match pending.request {
                Command::EventReport { .. } => self.hear(information).await,
                _ => self.ask(information).await,
            },
            Incoming::Refused(refusal) => Err(refusal),
            Incoming::Ignored => {
                return self
                    .respond(
                        pending.context,
                        &pending.request,
                        Status::UnrecognizedOperation,
                    )
                    .await;
            }
        };
        let status = match outcome {
            Ok(()) => Status::Success,
            Err(refusal) => {
                self.refused += 1;
                metrics::counter!("irisnode_requests_refused_total").increment(1);
                tracing::warn!(
                    calling_ae = self.agreed.calling_ae,
                    status = format!("{:04X}H", refusal.status.code()),
                    reason = %refusal.reason,
                    "a request was refused"
                );
                refusal.status
            }
        };
        self.respond(pending.context, &pending.request, status)
            .await
    }

    async fn keep(&mut self, arriving: Arriving) -> Result<(), Refusal> {
        // Blocks this association's own thread, and no other.
        let instance = arriving.finish(|_| Ok(()))?;
        self.bringing.brought(&instance);
        Ok(self.shared.archive.store(instance).await?)
    }

    /// Writes down a request for storage commitment; the node reports when it has looked.
    async fn ask(&self, asked: Information) -> Result<(), Refusal> {
        let calling_ae = self.agreed.calling_ae.as_str();
        let admission = self.shared.options.admission.borrow().clone();
        let mut callers = admission.callers.iter();
        if !callers.any(|caller| caller.ae_title == calling_ae) {
            return Err(Refusal::new(
                Status::ProcessingFailure,
                "storage commitment is reported to a [[peer]], and this caller is none",
            ));
        }
        let request = asked.request(calling_ae)?;
        let written = self.shared.archive.request_commitment(&request).await;
        written.map_err(|error| not_written(&error))
    }

    /// Writes down the report on a storage commitment that this node asked for; the node sees to what follows.
    async fn hear(&self, reported: Information) -> Result<(), Refusal> {
        let report = reported.report(&self.agreed.calling_ae)?;
        match self.shared.archive.commitment_reported(&report).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(not_asked()),
            Err(error) => Err(not_written(&error)),
        }
    }

    async fn respond(
        &mut self,
        context: u8,
        request: &Command,
        status: Status,
    ) -> Result<(), AssociationError> {
        let data = response(request, status).ok_or(AssociationError::Response)?;
        let pdu = Pdu::PData {
            data: vec![PDataValue {
                presentation_context_id: context,
                value_type: PDataValueType::Command,
                is_last: true,
                data,
            }],
        };
        // The message that it answers is over.
        self.message = None;
        Ok(self.upper_layer.send(&pdu).await?)
    }
}

/// The answer to a message on storage commitment that could not be written down.
fn not_written(error: &ArchiveError) -> Refusal {
    Refusal::new(Status::ProcessingFailure, error.to_string())
}
