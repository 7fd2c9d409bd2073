//! Answers that are written as they are sent: however much there is, little of it is in memory.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

/// Pieces on their way to the client.
const PIECES: usize = 4;
/// Bytes of a piece of a file.
const PIECE: usize = 256 << 10;
/// A client that takes nothing for this long is gone.
const STALLED: Duration = Duration::from_secs(60);

/// The client is gone, or takes nothing.
#[derive(Debug)]
pub(super) struct Gone;

/// Where an answer is written.
pub(super) struct Out {
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Out {
    /// Sends bytes, as soon as the client takes them.
    pub(super) async fn send(&self, bytes: impl Into<Bytes>) -> Result<(), Gone> {
        let sent = self.sender.send_timeout(Ok(bytes.into()), STALLED);
        sent.await.map_err(|_| Gone)
    }

    /// Sends a file.
    pub(super) async fn file(&self, path: PathBuf) -> Result<(), Gone> {
        let mut file = match tokio::fs::File::open(&path).await {
            Ok(file) => file,
            Err(error) => return self.fail(error).await,
        };
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            match (&mut file).take(PIECE as u64).read_to_end(&mut piece).await {
                Ok(0) => return Ok(()),
                Ok(_) => self.send(piece).await?,
                Err(error) => return self.fail(error).await,
            }
        }
    }

    /// Breaks the answer off, so that the client does not take it for a whole one.
    pub(super) async fn fail(&self, error: io::Error) -> Result<(), Gone> {
        tracing::warn!(%error, "a DICOMweb answer was broken off");
        let _ = self.sender.send_timeout(Err(error), STALLED).await;
        Err(Gone)
    }
}

/// A body that `write` writes.
pub(super) fn streamed<W>(write: impl FnOnce(Out) -> W) -> Body
where
    W: Future<Output = Result<(), Gone>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::spawn(write(Out { sender }));
    let pieces = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    Body::from_stream(pieces)
}

/// What separates the parts of an answer: nobody can know it before.
#[derive(Debug, Clone)]
pub(super) struct Boundary {
    text: String,
    /// Nothing stands before the first part.
    before: &'static str,
}

impl Boundary {
    pub(super) fn new() -> Self {
        Self {
            text: format!("irisnode-{:032x}", rand::random::<u128>()),
            before: "",
        }
    }

    /// The head of a part.
    pub(super) fn part(&mut self, content_type: &str, location: Option<&str>) -> String {
        let before = std::mem::replace(&mut self.before, "\r\n");
        let location = location.map_or(String::new(), |uri| format!("Content-Location: {uri}\r\n"));
        format!(
            "{before}--{}\r\nContent-Type: {content_type}\r\n{location}\r\n",
            self.text
        )
    }

    /// What stands after the last part.
    pub(super) fn end(&self) -> String {
        format!("\r\n--{}--\r\n", self.text)
    }

    /// An answer of parts of a media type (RFC 2387).
    pub(super) fn answer(&self, of: &str, body: Body) -> Response {
        let content_type = format!("multipart/related; type=\"{of}\"; boundary={}", self.text);
        typed(&content_type, body)
    }
}

/// A body with its Content-Type.
pub(super) fn typed(content_type: &str, body: impl IntoResponse) -> Response {
    let mut answer = body.into_response();
    if let Ok(value) = HeaderValue::from_str(content_type) {
        answer.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    answer
}
