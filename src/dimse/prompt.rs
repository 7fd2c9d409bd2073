//! Acknowledging what came before waiting for more of it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP connection on which no peer waits for an acknowledgement that is held back, and no message of ours for the next.
///
/// A peer with Nagle's algorithm (DCMTK as Debian builds it, and so Debian's Orthanc) holds the second part of each
/// message back until the first is acknowledged, and a receiver holds acknowledgements back for 40 ms, in case they can
/// travel with an answer: 200 small instances from such a sender took nine seconds. So whatever came is acknowledged
/// when there is nothing left to read.
#[derive(Debug)]
pub struct Prompt(TcpStream);

impl Prompt {
    /// Of a connection in either direction.
    pub fn new(stream: TcpStream) -> Self {
        // Requests and responses alternate: waiting to fill packets only adds latency.
        let _ = stream.set_nodelay(true);
        Self(stream)
    }
}

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(context, buffer);
        if read.is_pending() {
            acknowledge(&self.0);
        }
        read
    }
}

/// Sends an acknowledgement that is held back, if one is.
fn acknowledge(stream: &TcpStream) {
    // Linux forgets the option by and by, so it is set each time. Without it things go on as they would, more slowly.
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_quickack(true);
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

impl AsyncWrite for Prompt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
