//! One association as its requestor: exchange requests for responses, release.

use super::command::{Request, Response};
use super::error::{DeliverError, describe};
use super::negotiation::{Proposal, connect, negotiate};
use crate::config::{Delivery, Peer};
use crate::dimse::UpperLayer;
use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu, PresentationContextNegotiated};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Most bytes of a fragment: larger ones gain nothing and cost memory at both ends.
const LARGEST_FRAGMENT: u32 = 128 * 1024;
/// What a fragment needs of the peer's maximum PDU length beside its bytes: item length, context ID, control header (PS3.8 section 9.3.5.1).
const FRAGMENT_OVERHEAD: u32 = 6;
/// Most answers to a query: no series has more instances.
const MOST_ANSWERS: usize = 100_000;

/// An established association.
pub(super) struct Association {
    upper_layer: UpperLayer,
    contexts: Vec<PresentationContextNegotiated>,
    /// Longest PDU that the peer takes, bytes after its header.
    max_pdu_length: u32,
    peer: Peer,
    last_message_id: u16,
    /// Came in one PDU with what was taken before it.
    received: VecDeque<PDataValue>,
}

impl Association {
    /// Connects and negotiates. `Ok(None)` means that the peer accepted the association but none of the proposals.
    pub(super) async fn open(
        peer: &Peer,
        calling_ae: &str,
        proposals: Vec<Proposal>,
        delivery: &Delivery,
    ) -> Result<Option<Self>, DeliverError> {
        Self::open_as(peer, calling_ae, proposals, &[], delivery).await
    }

    /// As [`Association::open`], with this side as the *provider* of SOP classes: SCP/SCU Role Selection (PS3.7 annex
    /// D.3.3.4).
    pub(super) async fn open_as(
        peer: &Peer,
        calling_ae: &str,
        proposals: Vec<Proposal>,
        provided: &[&str],
        delivery: &Delivery,
    ) -> Result<Option<Self>, DeliverError> {
        // Each step is bounded; this bounds them together.
        let limit = delivery.connect_timeout + delivery.response_timeout;
        let opening = async {
            let upper_layer = connect(peer, delivery).await?;
            negotiate(upper_layer, peer, calling_ae, proposals, provided).await
        };
        let negotiated = tokio::time::timeout(limit, opening)
            .await
            .unwrap_or_else(|_| {
                Err(DeliverError::TimedOut {
                    peer: describe(peer),
                    waited: limit,
                })
            })?;
        Ok(negotiated.map(|negotiated| Self {
            upper_layer: negotiated.upper_layer,
            contexts: negotiated.contexts,
            max_pdu_length: negotiated.max_pdu_length,
            peer: peer.clone(),
            last_message_id: 0,
            received: VecDeque::new(),
        }))
    }

    /// The accepted presentation contexts.
    pub(super) fn contexts(&self) -> &[PresentationContextNegotiated] {
        &self.contexts
    }

    /// Makes a request, with its data set where there is one, and waits for the response.
    pub(super) async fn exchange<D: AsyncRead + Unpin>(
        &mut self,
        context: u8,
        request: Request<'_>,
        data_set: Option<D>,
    ) -> Result<Response, DeliverError> {
        let message_id = self.ask(context, request, data_set).await?;
        self.response_to(request, message_id).await
    }

    /// Makes a request that is answered step by step, and waits for the last response. Data sets of responses are read
    /// past.
    pub(super) async fn exchange_to_the_end<D: AsyncRead + Unpin>(
        &mut self,
        context: u8,
        request: Request<'_>,
        data_set: D,
    ) -> Result<Response, DeliverError> {
        let message_id = self.ask(context, request, Some(data_set)).await?;
        loop {
            let response = self.response_to(request, message_id).await?;
            if response.has_data {
                self.pass_over_data_set().await?;
            }
            if !response.is_pending() {
                return Ok(response);
            }
        }
    }

    /// Sends a request; gives its message ID.
    pub(super) async fn ask<D: AsyncRead + Unpin>(
        &mut self,
        context: u8,
        request: Request<'_>,
        data_set: Option<D>,
    ) -> Result<u16, DeliverError> {
        self.last_message_id = self.last_message_id.wrapping_add(1);
        let message_id = self.last_message_id;
        let command = request
            .encode(message_id)
            .map_err(|what| self.protocol(what))?;
        self.send_fragments(context, PDataValueType::Command, command.as_slice())
            .await?;
        if let Some(data_set) = data_set {
            self.send_fragments(context, PDataValueType::Data, data_set)
                .await?;
        }
        Ok(message_id)
    }

    /// Answers a request of the peer's.
    pub(super) async fn respond(
        &mut self,
        context: u8,
        response: &[u8],
    ) -> Result<(), DeliverError> {
        self.send_fragments(context, PDataValueType::Command, response)
            .await
    }

    /// Ends the association in good order; nothing depends on the peer's answer any more.
    pub(super) async fn release(self) {
        self.upper_layer.release(Duration::from_secs(5)).await;
    }

    /// Ends the association at once.
    pub(super) async fn abort(self) {
        self.upper_layer.abort().await;
    }

    async fn send_fragments<D: AsyncRead + Unpin>(
        &mut self,
        context: u8,
        value_type: PDataValueType,
        mut bytes: D,
    ) -> Result<(), DeliverError> {
        let room = self
            .max_pdu_length
            .saturating_sub(FRAGMENT_OVERHEAD)
            .clamp(1, LARGEST_FRAGMENT);
        // One fragment is read ahead, so that the last one is known to be last.
        let mut next = read_fragment(&mut bytes, room)
            .await
            .map_err(|e| self.local(&e))?;
        loop {
            let data = next;
            next = read_fragment(&mut bytes, room)
                .await
                .map_err(|e| self.local(&e))?;
            let is_last = next.is_empty();
            let pdu = Pdu::PData {
                data: vec![PDataValue {
                    presentation_context_id: context,
                    value_type: value_type.clone(),
                    is_last,
                    data,
                }],
            };
            self.upper_layer
                .send(&pdu)
                .await
                .map_err(|e| DeliverError::from_upper_layer(e, &self.peer))?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Makes a request with an identifier that is answered by any number of pending responses; gives their data sets.
    pub(super) async fn query(
        &mut self,
        context: u8,
        request: Request<'_>,
        identifier: &[u8],
    ) -> Result<Vec<Vec<u8>>, DeliverError> {
        let message_id = self.ask(context, request, Some(identifier)).await?;
        let mut answers = Vec::new();
        loop {
            let response = self.response_to(request, message_id).await?;
            if response.has_data {
                answers.push(self.receive_part(PDataValueType::Data).await?);
            }
            match response.status {
                0 => return Ok(answers),
                _ if response.is_pending() && answers.len() < MOST_ANSWERS => {}
                _ if response.is_pending() => {
                    return Err(self.protocol("answers without end".into()));
                }
                status => {
                    return Err(DeliverError::QueryFailed {
                        peer: describe(&self.peer),
                        status,
                    });
                }
            }
        }
    }

    /// Waits for a response.
    async fn response_to(
        &mut self,
        request: Request<'_>,
        message_id: u16,
    ) -> Result<Response, DeliverError> {
        let command = self.receive_part(PDataValueType::Command).await?;
        Response::decode(&command, request, message_id).map_err(|what| self.protocol(what))
    }

    /// Waits for a whole command set, and gives the presentation context it came on.
    pub(super) async fn receive_command(&mut self) -> Result<(u8, Vec<u8>), DeliverError> {
        self.receive_message(PDataValueType::Command).await
    }

    /// Waits for a whole command set, or a whole data set of an answer.
    async fn receive_part(&mut self, wanted: PDataValueType) -> Result<Vec<u8>, DeliverError> {
        let (_, part) = self.receive_message(wanted).await?;
        Ok(part)
    }

    async fn receive_message(
        &mut self,
        wanted: PDataValueType,
    ) -> Result<(u8, Vec<u8>), DeliverError> {
        // Either is some hundred bytes; a peer that never ends it must not fill memory.
        const LARGEST: usize = 64 * 1024;
        let mut part = Vec::new();
        loop {
            let value = self.receive_value().await?;
            if value.value_type != wanted {
                return Err(
                    self.protocol("a data set where a response is due, or the reverse".into())
                );
            }
            part.extend(value.data);
            if part.len() > LARGEST {
                return Err(self.protocol("a message without end".into()));
            }
            if value.is_last {
                return Ok((value.presentation_context_id, part));
            }
        }
    }

    /// Waits for the end of a data set that nobody wants.
    pub(super) async fn pass_over_data_set(&mut self) -> Result<(), DeliverError> {
        loop {
            let value = self.receive_value().await?;
            if value.value_type != PDataValueType::Data {
                return Err(self.protocol("a command where a data set is due".into()));
            }
            if value.is_last {
                return Ok(());
            }
        }
    }

    /// The next fragment. May be dropped half-way and called again: nothing is lost.
    pub(super) async fn receive_value(&mut self) -> Result<PDataValue, DeliverError> {
        loop {
            if let Some(value) = self.received.pop_front() {
                return Ok(value);
            }
            let pdu = self.upper_layer.receive().await;
            match pdu.map_err(|e| DeliverError::from_upper_layer(e, &self.peer))? {
                Pdu::PData { data } => self.received.extend(data),
                Pdu::AbortRQ { .. } => return Err(self.lost("it aborted")),
                Pdu::ReleaseRQ => return Err(self.lost("it asked to release")),
                _ => return Err(self.protocol("a PDU that is no P-DATA".into())),
            }
        }
    }

    fn lost(&self, reason: &str) -> DeliverError {
        DeliverError::Lost {
            peer: describe(&self.peer),
            reason: reason.to_owned(),
        }
    }

    /// A file that stopped being readable halfway: the message on the wire cannot be completed.
    fn local(&self, error: &std::io::Error) -> DeliverError {
        self.lost(&format!("the file on this side cannot be read: {error}"))
    }

    pub(super) fn protocol(&self, what: String) -> DeliverError {
        DeliverError::Protocol {
            peer: describe(&self.peer),
            what,
        }
    }
}

/// The next `room` bytes; fewer only at the end, none after it.
async fn read_fragment<D: AsyncRead + Unpin>(bytes: &mut D, room: u32) -> std::io::Result<Vec<u8>> {
    let mut fragment = Vec::with_capacity(room as usize);
    bytes
        .take(u64::from(room))
        .read_to_end(&mut fragment)
        .await?;
    Ok(fragment)
}
