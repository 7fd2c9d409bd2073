//! Start, stop and wiring: the one place where the whole road is visible.
//!
//! ```text
//! receive → archive ─ complete ─▶ route ─▶ segment + encode ─▶ deliver
//! ```
//!
//! Each arrow is a state in the archive's job table and a loop here that moves
//! jobs from it to the next. The loops share nothing but the table, so a
//! restart goes on wherever each job stood.

mod delivering;
mod encoding;
mod network_thread;
mod pace;
mod plan;
mod review;
mod routing;
mod segmenting;
mod step;

use crate::archive::{Archive, ArchiveError};
use crate::config::Config;
use crate::receive::{ReceiveError, ReceiveOptions, Server};
use crate::web::{About, Metrics, WebError, WebServer};
pub use encoding::{encode_report, encode_result};
use network_thread::NetworkThread;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Why the node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The archive cannot be opened.
    #[error("the data folder cannot be used: {0}")]
    Archive(#[from] ArchiveError),
    /// The listener cannot be bound.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// The network cannot be loaded.
    #[error("the network cannot be loaded: {0}")]
    Network(String),
    /// The status page's listener cannot be bound.
    #[error(transparent)]
    Web(#[from] WebError),
    /// What the node does cannot be counted.
    #[error("the metrics cannot be kept: {0}")]
    Metrics(String),
    /// The listener's address is not known.
    #[error("the listener failed: {0}")]
    Listener(#[from] std::io::Error),
}

/// What every loop of the node has at hand.
#[derive(Debug)]
struct Rooms {
    config: Config,
    archive: Arc<Archive>,
    network: NetworkThread,
}

/// Runs a node until `shutdown`; `ready` hears the address it listens on.
///
/// On shutdown no new association is accepted, instances under way are kept,
/// and what is being segmented or delivered is finished or left to the next
/// start: nothing acknowledged is lost either way.
pub async fn run(
    config: Config,
    shutdown: CancellationToken,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), NodeError> {
    let archive = Arc::new(Archive::open(&config.node.data_dir).await?);
    let network = NetworkThread::start(&config.node)
        .await
        .map_err(NodeError::Network)?;
    let server = Server::bind(receive_options(&config), Arc::clone(&archive)).await?;
    let address = server.local_addr()?;
    let web = status_page(&config, &archive, network.weights()).await?;
    let rooms = Arc::new(Rooms {
        config,
        archive,
        network,
    });
    let loops = TaskTracker::new();
    loops.spawn(complete_quiet_series(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(routing::run(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(segmenting::run(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(delivering::run(Arc::clone(&rooms), shutdown.clone()));
    if let Some(web) = web {
        tracing::info!(address = %web.local_addr()?, "status page");
        loops.spawn(web.run(shutdown.clone()));
    }
    loops.close();
    ready(address);
    server.run(shutdown.clone()).await;
    loops.wait().await;
    Ok(())
}

/// The status page, where the configuration asks for one.
async fn status_page(
    config: &Config,
    archive: &Arc<Archive>,
    weights: &str,
) -> Result<Option<WebServer>, NodeError> {
    let Some(address) = config.web.listen else {
        return Ok(None);
    };
    let metrics = Metrics::install().map_err(|error| NodeError::Metrics(error.to_string()))?;
    let about = About {
        ae_title: config.node.ae_title.clone(),
        weights: weights.to_owned(),
        min_free_bytes: config.node.min_free_bytes,
    };
    Ok(Some(
        WebServer::bind(address, Arc::clone(archive), about, metrics).await?,
    ))
}

fn receive_options(config: &Config) -> ReceiveOptions {
    let node = &config.node;
    ReceiveOptions {
        ae_title: node.ae_title.clone(),
        listen: node.listen,
        callers: (!node.accept_unknown_callers).then(|| {
            config
                .peers
                .iter()
                .map(|peer| peer.ae_title.clone())
                .collect()
        }),
        max_associations: node.max_associations,
        idle_timeout: node.idle_timeout,
        min_free_bytes: node.min_free_bytes,
    }
}

/// received → complete: looks often enough that the look adds little to the quiet time.
async fn complete_quiet_series(rooms: Arc<Rooms>, shutdown: CancellationToken) {
    let quiet = rooms.config.node.quiet_time;
    let period = (quiet / 10).clamp(Duration::from_millis(50), Duration::from_secs(1));
    while pace::sleep(period, &shutdown).await {
        match rooms.archive.complete_quiet(quiet).await {
            Ok(0) => {}
            Ok(series) => tracing::info!(series, "series complete"),
            Err(error) => tracing::error!(%error, "the index cannot be read; trying again"),
        }
    }
}
