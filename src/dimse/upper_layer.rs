//! The DICOM upper layer (PS3.8) over any byte stream: TCP, TLS on it, or memory in a test.

use bytes::{Buf, BytesMut};
use dicom_ul::pdu::{AbortRQServiceProviderReason, AbortRQSource, Pdu, read_pdu, write_pdu};
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Largest PDU taken, bytes after its header: large enough that a slice is a few reads, small enough that 64
/// associations fit in memory.
pub const MAX_PDU_LENGTH: u32 = 128 * 1024;
/// PDU type, a reserved byte, length (PS3.8 section 9.3.1).
const HEADER: usize = 6;
/// First byte of a TLS record that carries a handshake or an alert (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
const TLS_ALERT: u8 = 0x15;
/// How long good manners at the end may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// What an association can run on.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// Why the peer cannot be heard or answered any more.
#[derive(Debug, thiserror::Error)]
pub enum UpperLayerError {
    /// Nothing whole came, or nothing could be written, for this long.
    #[error("the peer said nothing for {}", humantime::format_duration(*.0))]
    Silent(Duration),
    /// The peer closed the connection.
    #[error("the peer closed the connection")]
    Closed,
    /// The connection broke.
    #[error("the connection failed: {0}")]
    Connection(std::io::Error),
    /// A PDU longer than was agreed on.
    #[error("the peer sent a PDU of {0} bytes, {MAX_PDU_LENGTH} is the most")]
    TooLong(u32),
    /// The bytes are those of TLS.
    #[error("the peer speaks TLS here, and DICOM without TLS was expected")]
    SpeaksTls,
    /// The bytes are no PDU.
    #[error("the peer sent what is no DICOM PDU")]
    Malformed,
    /// A PDU of ours that has no encoding.
    #[error("a PDU could not be encoded")]
    Unencodable,
}

/// PDUs over a byte stream.
pub struct UpperLayer {
    stream: Box<dyn ByteStream>,
    /// What was read and is no whole PDU yet.
    unread: BytesMut,
    outgoing: Vec<u8>,
    patience: Duration,
}

impl UpperLayer {
    /// `patience` bounds the wait for each PDU, whole, in either direction.
    pub fn new(stream: impl ByteStream + 'static, patience: Duration) -> Self {
        Self {
            stream: Box::new(stream),
            unread: BytesMut::with_capacity(MAX_PDU_LENGTH as usize + HEADER),
            outgoing: Vec::new(),
            patience,
        }
    }

    /// From now on waits no longer than this for each PDU.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The next PDU. May be dropped half-way and called again: what was read is kept.
    ///
    /// # Errors
    /// The association cannot go on.
    pub async fn receive(&mut self) -> Result<Pdu, UpperLayerError> {
        let patience = self.patience;
        tokio::time::timeout(patience, self.next_pdu())
            .await
            .unwrap_or(Err(UpperLayerError::Silent(patience)))
    }

    async fn next_pdu(&mut self) -> Result<Pdu, UpperLayerError> {
        loop {
            if let Some(length) = whole(&self.unread)? {
                let pdu = parse(&self.unread[..length]);
                self.unread.advance(length);
                return pdu;
            }
            self.unread.reserve(64 * 1024);
            let read = self.stream.read_buf(&mut self.unread).await;
            if read.map_err(UpperLayerError::Connection)? == 0 {
                return Err(UpperLayerError::Closed);
            }
        }
    }

    /// Sends a PDU.
    ///
    /// # Errors
    /// The association cannot go on.
    pub async fn send(&mut self, pdu: &Pdu) -> Result<(), UpperLayerError> {
        self.outgoing.clear();
        write_pdu(&mut self.outgoing, pdu).map_err(|_| UpperLayerError::Unencodable)?;
        let written = async {
            self.stream.write_all(&self.outgoing).await?;
            // TLS may hold a record back.
            self.stream.flush().await
        };
        match tokio::time::timeout(self.patience, written).await {
            Ok(written) => written.map_err(UpperLayerError::Connection),
            Err(_) => Err(UpperLayerError::Silent(self.patience)),
        }
    }

    /// Asks for the end of the association, waits for the answer, and closes (PS3.8 section 7.2).
    pub async fn release(mut self, limit: Duration) {
        let released = async {
            self.send(&Pdu::ReleaseRQ).await?;
            self.receive().await
        };
        let _ = tokio::time::timeout(limit, released).await;
        self.close().await;
    }

    /// Ends the association at once (A-P-ABORT, PS3.8 section 7.4).
    pub async fn abort(mut self) {
        let pdu = Pdu::AbortRQ {
            source: AbortRQSource::ServiceProvider(
                AbortRQServiceProviderReason::ReasonNotSpecified,
            ),
        };
        let _ = tokio::time::timeout(FAREWELL, self.send(&pdu)).await;
        self.close().await;
    }

    /// Says the last word, and waits until the peer has taken it: closing a socket with unread bytes resets what was
    /// just written away.
    pub async fn send_last(mut self, pdu: &Pdu) {
        let said = async {
            let _ = self.send(pdu).await;
            let _ = self.stream.shutdown().await;
            let mut rest = self.stream.take(MAX_PDU_LENGTH.into());
            let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
        };
        let _ = tokio::time::timeout(2 * FAREWELL, said).await;
    }

    /// Closes the connection, TLS in good order too.
    pub async fn close(mut self) {
        let _ = tokio::time::timeout(FAREWELL, self.stream.shutdown()).await;
    }
}

/// Length of the whole PDU that the bytes begin with, header included; `None` while it is not all there.
fn whole(bytes: &[u8]) -> Result<Option<usize>, UpperLayerError> {
    if bytes
        .first()
        .is_some_and(|first| [TLS_HANDSHAKE, TLS_ALERT].contains(first))
    {
        return Err(UpperLayerError::SpeaksTls);
    }
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([header[2], header[3], header[4], header[5]]);
    if length > MAX_PDU_LENGTH {
        return Err(UpperLayerError::TooLong(length));
    }
    let length = length as usize + HEADER;
    Ok((bytes.len() >= length).then_some(length))
}

/// Reads one whole PDU. A panic of the parser, which trusts some lengths, is a malformed PDU and no more.
fn parse(bytes: &[u8]) -> Result<Pdu, UpperLayerError> {
    let parsed = std::panic::catch_unwind(AssertUnwindSafe(|| {
        read_pdu(std::io::Cursor::new(bytes), MAX_PDU_LENGTH, true)
    }));
    match parsed {
        Ok(Ok(Some(pdu))) => Ok(pdu),
        _ => Err(UpperLayerError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heard(bytes: &[u8]) -> Vec<Result<Pdu, UpperLayerError>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            // A buffer smaller than a PDU: it comes in pieces.
            let (mut peer, stream) = tokio::io::duplex(7);
            let mut layer = UpperLayer::new(stream, Duration::from_secs(5));
            let said = async {
                let _ = peer.write_all(bytes).await;
                drop(peer);
            };
            let hearing = async {
                let mut heard = Vec::new();
                loop {
                    heard.push(layer.receive().await);
                    if heard.last().is_some_and(Result::is_err) {
                        return heard;
                    }
                }
            };
            tokio::join!(said, hearing).1
        })
    }

    #[test]
    fn pdus_that_come_in_pieces_are_whole_and_the_end_is_an_end() {
        let mut bytes = Vec::new();
        write_pdu(&mut bytes, &Pdu::ReleaseRQ).unwrap();
        write_pdu(&mut bytes, &Pdu::ReleaseRP).unwrap();
        let heard = heard(&bytes);
        assert!(
            matches!(
                heard.as_slice(),
                [
                    Ok(Pdu::ReleaseRQ),
                    Ok(Pdu::ReleaseRP),
                    Err(UpperLayerError::Closed)
                ]
            ),
            "{heard:?}"
        );
    }

    #[test]
    fn what_is_no_pdu_is_told_by_its_kind() {
        let tls = heard(&[0x16, 3, 1, 2, 0, 1, 0]).pop().unwrap();
        assert!(matches!(tls, Err(UpperLayerError::SpeaksTls)), "{tls:?}");
        let long = heard(&[4, 0, 0xFF, 0xFF, 0xFF, 0xFF]).pop().unwrap();
        assert!(
            matches!(long, Err(UpperLayerError::TooLong(u32::MAX))),
            "{long:?}"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(kind in 1u8..8, rest in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = vec![kind, 0];
            bytes.extend(u32::try_from(rest.len()).unwrap().to_be_bytes());
            bytes.extend(rest);
            let _ = parse(&bytes);
        }
    }
}
