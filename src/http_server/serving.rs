//! Requests of one listener, until the node stops.

use super::connections::Connections;
use crate::tls::Acceptor;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The head of a request comes within this (or within the listener's silence, where that is less), or its connection
/// is closed.
const HEAD: Duration = Duration::from_secs(30);
/// How long open requests may go on after shutdown was asked for.
const GRACE: Duration = Duration::from_secs(10);

/// A bound listener, and how it is spoken to.
#[derive(Debug)]
pub struct HttpListener {
    listener: TcpListener,
    tls: Option<Acceptor>,
    silence: Duration,
}

impl HttpListener {
    /// Binds; connections wait until [`serve`]. With `tls` HTTPS is spoken, and nothing else; a connection on which
    /// nothing moves for `silence` is closed.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(
        address: SocketAddr,
        tls: Option<Acceptor>,
        silence: Duration,
    ) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::bind(address).await?,
            tls,
            silence,
        })
    }

    /// What URLs of it begin with: `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        match self.tls {
            Some(_) => "https",
            None => "http",
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Answers requests until `shutdown`; those that are open then have [`GRACE`] to end.
pub async fn serve(listener: HttpListener, pages: Router, shutdown: CancellationToken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD.min(listener.silence));
    let mut connections = Connections::new(listener.listener, listener.tls, listener.silence);
    let open = GracefulShutdown::new();
    loop {
        let connection = tokio::select! {
            connection = connections.accept() => connection,
            () = shutdown.cancelled() => break,
        };
        let service = TowerToHyperService::new(pages.clone());
        let served = open.watch(http.serve_connection(TokioIo::new(connection), service));
        tokio::spawn(async move {
            // Closed by the client, or because nothing moved: no fault of the node's.
            if let Err(error) = served.await {
                tracing::debug!(%error, "HTTP: a connection ended early");
            }
        });
    }
    // Nobody else is let in.
    drop(connections);
    if tokio::time::timeout(GRACE, open.shutdown()).await.is_err() {
        tracing::warn!("HTTP requests were still open at the end of the grace time");
    }
}
