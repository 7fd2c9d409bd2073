//! One association as its requestor: negotiate, exchange requests for responses, release.

use super::command::{Request, Response};
use super::error::{DeliverError, describe};
use super::status::MoveStatus;
use crate::config::{Delivery, Peer};
use dicom_ul::association::Error as UlError;
use dicom_ul::association::client::{AsyncClientAssociation, ClientAssociationOptions};
use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu, PresentationContextNegotiated};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;

/// Most bytes of a fragment: larger ones gain nothing and cost memory at both ends.
const LARGEST_FRAGMENT: u32 = 128 * 1024;
/// What a fragment needs of the peer's maximum PDU length beside its bytes: item length, context ID, control header (PS3.8 section 9.3.5.1).
const FRAGMENT_OVERHEAD: u32 = 6;

/// A proposed presentation context: an abstract syntax and transfer syntaxes for it.
pub(super) type Proposal = (String, Vec<String>);

/// An established association.
pub(super) struct Association {
    upper_layer: AsyncClientAssociation<TcpStream>,
    peer: Peer,
    calling_ae: String,
    response_timeout: Duration,
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
        Self::open_as(peer, calling_ae, proposals, None, delivery).await
    }

    /// As [`Association::open`], with this side as the *provider* of a SOP class: SCP/SCU Role Selection (PS3.7 annex
    /// D.3.3.4).
    pub(super) async fn open_as(
        peer: &Peer,
        calling_ae: &str,
        proposals: Vec<Proposal>,
        provided: Option<&str>,
        delivery: &Delivery,
    ) -> Result<Option<Self>, DeliverError> {
        let mut options = ClientAssociationOptions::new()
            .calling_ae_title(calling_ae)
            .called_ae_title(peer.ae_title.as_str())
            .connection_timeout(delivery.connect_timeout)
            .read_timeout(delivery.response_timeout)
            .write_timeout(delivery.response_timeout);
        for (abstract_syntax, transfer_syntaxes) in proposals {
            options = options.with_presentation_context(abstract_syntax, transfer_syntaxes);
        }
        if let Some(sop_class) = provided {
            options = options.with_role_selection(sop_class.to_owned(), false, true);
        }
        // The upper layer bounds each step; this bounds them together.
        let limit = delivery.connect_timeout + delivery.response_timeout;
        let opening = options.establish_async((peer.host.as_str(), peer.port));
        match tokio::time::timeout(limit, opening).await {
            Ok(Ok(upper_layer)) => {
                // Requests and responses alternate: waiting to fill packets only adds latency.
                let mut upper_layer = upper_layer;
                let _ = upper_layer.inner_stream().set_nodelay(true);
                Ok(Some(Self {
                    upper_layer,
                    peer: peer.clone(),
                    calling_ae: calling_ae.to_owned(),
                    response_timeout: delivery.response_timeout,
                    last_message_id: 0,
                    received: VecDeque::new(),
                }))
            }
            Ok(Err(UlError::NoAcceptedPresentationContexts { .. })) => Ok(None),
            Ok(Err(error)) => Err(DeliverError::from_upper_layer(
                error, peer, calling_ae, limit,
            )),
            Err(_) => Err(DeliverError::TimedOut {
                peer: describe(peer),
                waited: limit,
            }),
        }
    }

    /// The accepted presentation contexts.
    pub(super) fn contexts(&self) -> &[PresentationContextNegotiated] {
        self.upper_layer.presentation_contexts()
    }

    /// Makes a request, with its data set where there is one, and waits for the response.
    pub(super) async fn exchange<D: AsyncRead + Unpin>(
        &mut self,
        context: u8,
        request: Request<'_>,
        data_set: Option<D>,
    ) -> Result<Response, DeliverError> {
        let message_id = self.ask(context, request, data_set).await?;
        let response = self.receive_command().await?;
        Response::decode(&response, request, message_id).map_err(|what| self.protocol(what))
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
            let response = self.receive_command().await?;
            let response = Response::decode(&response, request, message_id)
                .map_err(|what| self.protocol(what))?;
            if response.has_data {
                self.pass_over_data_set().await?;
            }
            if !MoveStatus(response.status).is_pending() {
                return Ok(response);
            }
        }
    }

    /// Sends a request; gives its message ID.
    async fn ask<D: AsyncRead + Unpin>(
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

    /// Ends the association in good order; nothing depends on the peer's answer any more.
    pub(super) async fn release(self) {
        let _ = tokio::time::timeout(Duration::from_secs(5), self.upper_layer.release()).await;
    }

    /// Ends the association at once.
    pub(super) async fn abort(self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.upper_layer.abort()).await;
    }

    async fn send_fragments<D: AsyncRead + Unpin>(
        &mut self,
        context: u8,
        value_type: PDataValueType,
        mut bytes: D,
    ) -> Result<(), DeliverError> {
        let room = self
            .upper_layer
            .acceptor_max_pdu_length()
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
                .map_err(|e| self.translate(e))?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Waits for a whole command set.
    async fn receive_command(&mut self) -> Result<Vec<u8>, DeliverError> {
        // A command set is some hundred bytes; a peer that never ends it must not fill memory.
        const LARGEST_COMMAND: usize = 64 * 1024;
        let mut command = Vec::new();
        loop {
            let value = self.receive_value().await?;
            if value.value_type != PDataValueType::Command {
                return Err(self.protocol("a data set where a response is due".into()));
            }
            command.extend(value.data);
            if command.len() > LARGEST_COMMAND {
                return Err(self.protocol("a command set without end".into()));
            }
            if value.is_last {
                return Ok(command);
            }
        }
    }

    /// Waits for the end of a data set that nobody wants.
    async fn pass_over_data_set(&mut self) -> Result<(), DeliverError> {
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

    async fn receive_value(&mut self) -> Result<PDataValue, DeliverError> {
        loop {
            if let Some(value) = self.received.pop_front() {
                return Ok(value);
            }
            let pdu = self.upper_layer.receive().await;
            match pdu.map_err(|e| self.translate(e))? {
                Pdu::PData { data } => self.received.extend(data),
                Pdu::AbortRQ { .. } => return Err(self.lost("it aborted")),
                Pdu::ReleaseRQ => return Err(self.lost("it asked to release")),
                _ => return Err(self.protocol("a PDU that is no P-DATA".into())),
            }
        }
    }

    fn translate(&self, error: UlError) -> DeliverError {
        DeliverError::from_upper_layer(error, &self.peer, &self.calling_ae, self.response_timeout)
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

    fn protocol(&self, what: String) -> DeliverError {
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
