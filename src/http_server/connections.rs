//! Connections: so many at a time, and none for ever. A client that sends nothing, or takes nothing of an answer, is closed
//! after a while; one that sends its request byte by byte is given up by [`super::serving`].

use crate::tls::Acceptor;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

/// Connections at a time; a browser opens six.
const MOST: usize = 256;
/// A TLS handshake takes no longer.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Pause after a connection could not be accepted (out of file descriptors, say).
const TROUBLE: Duration = Duration::from_millis(200);

/// A listener whose connections are bounded.
#[derive(Debug)]
pub(super) struct Connections {
    listener: TcpListener,
    tls: Option<Arc<Acceptor>>,
    /// Clients that have connected and are still shaking hands: a slow one keeps no other waiting.
    greeting: JoinSet<Option<Connection>>,
    places: Arc<Semaphore>,
    silence: Duration,
}

impl Connections {
    /// Connections on which nothing moves for `silence` are closed. With `tls` they speak nothing else.
    pub(super) fn new(listener: TcpListener, tls: Option<Acceptor>, silence: Duration) -> Self {
        Self {
            listener,
            tls: tls.map(Arc::new),
            greeting: JoinSet::new(),
            places: Arc::new(Semaphore::new(MOST)),
            silence,
        }
    }

    /// The next connection, once it has shaken hands.
    pub(super) async fn accept(&mut self) -> Connection {
        loop {
            let (stream, place) = tokio::select! {
                connected = connected(&self.listener, &self.places) => connected,
                Some(greeted) = self.greeting.join_next() => match greeted {
                    Ok(Some(greeted)) => return greeted,
                    _ => continue,
                },
            };
            let silence = self.silence;
            let Some(tls) = self.tls.clone() else {
                return Connection::new(Either::Left(stream), silence, place);
            };
            self.greeting.spawn(async move {
                match timeout(HANDSHAKE, tls.accept(stream)).await {
                    Ok(Ok((stream, _))) => {
                        let stream = Either::Right(Box::new(stream));
                        Some(Connection::new(stream, silence, place))
                    }
                    Ok(Err(error)) => {
                        tracing::debug!(%error, "HTTP: no TLS session");
                        None
                    }
                    Err(_) => None,
                }
            });
        }
    }
}

/// The next connection, with its place among so many.
async fn connected(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        // More wait in the system's own queue.
        let Ok(place) = Arc::clone(places).acquire_owned().await else {
            std::future::pending::<()>().await;
            continue;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                return (stream, place);
            }
            Err(error) => {
                tracing::warn!(%error, "HTTP: a connection could not be accepted");
                sleep(TROUBLE).await;
            }
        }
    }
}

/// A connection that ends when nothing moves on it.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Either<TcpStream, Box<TlsStream<TcpStream>>>,
    silence: Duration,
    until: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn new(
        stream: Either<TcpStream, Box<TlsStream<TcpStream>>>,
        silence: Duration,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            stream,
            silence,
            until: Box::pin(sleep(silence)),
            _place: place,
        }
    }

    /// What became of reading or writing; nothing for too long is an error.
    fn moved<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            let until = Instant::now() + self.silence;
            self.until.as_mut().reset(until);
            return polled;
        }
        match self.until.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.moved(context, polled)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.moved(context, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.moved(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
