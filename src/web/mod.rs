//! HTTP: the status page, health and metrics. Read only, and for this machine only.

mod guard;
mod health;
mod jobs_page;
mod layout;
mod metrics;

use crate::archive::Archive;
use axum::routing::get;
use axum::{Router, middleware};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use metrics::Metrics;

/// What the pages tell of the node, besides what its archive holds.
#[derive(Debug, Clone)]
pub struct About {
    /// AE title the node answers to.
    pub ae_title: String,
    /// SHA-256 of the network's weights, in hexadecimal.
    pub weights: String,
    /// Less than this free on the data folder's disk, bytes, and instances are refused.
    pub min_free_bytes: u64,
}

/// Why there is no status page.
#[derive(Debug, thiserror::Error)]
#[error("the status page cannot listen on {address}: {source}")]
pub struct WebError {
    address: SocketAddr,
    source: std::io::Error,
}

/// What every page is made from.
#[derive(Debug)]
struct Shared {
    archive: Arc<Archive>,
    about: About,
    metrics: Metrics,
}

/// The HTTP listener.
#[derive(Debug)]
pub struct WebServer {
    listener: TcpListener,
    pages: Router,
}

impl WebServer {
    /// Binds the listener; connections wait until [`WebServer::run`].
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(
        address: SocketAddr,
        archive: Arc<Archive>,
        about: About,
        metrics: Metrics,
    ) -> Result<Self, WebError> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| WebError { address, source })?;
        let pages = Router::new()
            .route("/", get(jobs_page::page))
            .route("/style.css", get(layout::style))
            .route("/live.js", get(layout::script))
            .route("/healthz", get(health::alive))
            .route("/readyz", get(health::ready))
            .route("/metrics", get(metrics::scrape))
            .fallback(layout::not_found)
            .layer(middleware::from_fn(guard::guard))
            .with_state(Arc::new(Shared {
                archive,
                about,
                metrics,
            }));
        Ok(Self { listener, pages })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let stop = async move { shutdown.cancelled().await };
        // axum's loop goes on over every failed connection; it ends when it is told to.
        if let Err(error) = axum::serve(self.listener, self.pages)
            .with_graceful_shutdown(stop)
            .await
        {
            tracing::error!(%error, "the status page ended");
        }
    }
}
