//! Start, stop and wiring: the one place where the whole road is visible.
//!
//! ```text
//! receive → archive ─ complete ─▶ route ─▶ segment + encode ─▶ deliver
//!                                     └──▶ teach ─▶ a person decides
//! ```
//!
//! Each arrow is a state in the archive's job table and a loop here that moves
//! jobs from it to the next. The loops share nothing but the table, so a
//! restart goes on wherever each job stood.

mod committing;
mod counting;
mod delivering;
mod encoding;
mod fetching;
mod network_thread;
mod pace;
mod plan;
mod review;
mod routing;
mod rule_tasks;
mod segmenting;
mod step;
mod teaching;

use crate::archive::{Archive, ArchiveError, Completeness, Retention};
use crate::config::Config;
use crate::receive::{Caller, ReceiveError, ReceiveOptions, Server, TeachingTitle};
use crate::tasks::{TaskError, TaskLibrary};
use crate::tls::{Acceptor, Identity, TlsError};
use crate::web::{About, Metrics, WebError, WebOptions, WebServer};
pub use encoding::{encode_report, encode_result};
use network_thread::NetworkThread;
pub use rule_tasks::{rule_tasks, wants_taught};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often retention is looked after.
const REMOVAL_PERIOD: Duration = Duration::from_secs(60);

/// Why the node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The archive cannot be opened.
    #[error("the data folder cannot be used: {0}")]
    Archive(#[from] ArchiveError),
    /// The listener cannot be bound.
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    /// A certificate, key or authority cannot be used.
    #[error("TLS cannot be spoken: {0}")]
    Tls(#[from] TlsError),
    /// The network cannot be loaded.
    #[error("the network cannot be loaded: {0}")]
    Network(String),
    /// The status page's listener cannot be bound.
    #[error(transparent)]
    Web(#[from] WebError),
    /// The tasks cannot be read.
    #[error(transparent)]
    Tasks(#[from] TaskError),
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
    let server = Server::bind(receive_options(&config)?, Arc::clone(&archive)).await?;
    let address = server.local_addr()?;
    let web = status_page(&config, &archive, network.weights()).await?;
    let rooms = Arc::new(Rooms {
        config,
        archive: Arc::clone(&archive),
        network,
    });
    let loops = TaskTracker::new();
    loops.spawn(complete_quiet_series(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(counting::run(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(remove_old_series(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(committing::run(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(routing::run(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(segmenting::run(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(delivering::run(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(teaching::run(Arc::clone(&rooms), shutdown.clone()));
    if let Some(web) = web {
        tracing::info!(address = %web.local_addr()?, "status page");
        loops.spawn(web.run(shutdown.clone()));
    }
    loops.close();
    ready(address);
    server.run(shutdown.clone()).await;
    loops.wait().await;
    // Not needed for what was acknowledged to be kept, but for the next start to be quick.
    let _ = tokio::time::timeout(Duration::from_secs(5), archive.flush()).await;
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
        teaching_ae: config.teach.ae_title.clone(),
    };
    let options = WebOptions {
        address,
        about,
        users: config.web.users.clone(),
        library: TaskLibrary::open(&config.node.task_dir)?,
        rules: config.rules.clone(),
    };
    Ok(Some(
        WebServer::bind(options, Arc::clone(archive), metrics).await?,
    ))
}

fn receive_options(config: &Config) -> Result<ReceiveOptions, TlsError> {
    let node = &config.node;
    let tls = config.tls.as_ref().map(|tls| {
        let identity = Identity {
            certificate: tls.identity.certificate.clone(),
            key: tls.identity.key.clone(),
        };
        Acceptor::new(identity, tls.client_authorities.clone())
    });
    Ok(ReceiveOptions {
        ae_title: node.ae_title.clone(),
        listen: node.listen,
        tls: tls.transpose()?,
        plain_listen: config.tls.as_ref().and_then(|tls| tls.plain_listen),
        callers: config
            .peers
            .iter()
            .map(|peer| Caller {
                ae_title: peer.ae_title.clone(),
                only_from: peer.only_from.clone(),
                only_with: peer.only_with.clone(),
            })
            .collect(),
        accept_unknown: node.accept_unknown_callers,
        teaching: teaching_title(config),
        max_associations: node.max_associations,
        association_timeout: node.association_timeout,
        idle_timeout: node.idle_timeout,
        min_free_bytes: node.min_free_bytes,
    })
}

/// Who may call the teaching title: those who teach, and those who send images that were asked for.
fn teaching_title(config: &Config) -> Option<TeachingTitle> {
    let teach = &config.teach;
    let may_call = |name: &String| teach.may_teach(name) || teach.fetch_from.contains(name);
    let callers = config.peers.iter().filter(|peer| may_call(&peer.name));
    Some(TeachingTitle {
        ae_title: teach.ae_title.clone()?,
        callers: callers.map(|peer| peer.ae_title.clone()).collect(),
    })
}

/// Looks once a minute for series that retention lets go.
async fn remove_old_series(rooms: Arc<Rooms>, shutdown: CancellationToken) {
    let retention = Retention {
        keep_for: rooms.config.node.keep_for,
        most_bytes: rooms.config.node.max_archive_bytes,
    };
    if retention == Retention::default() {
        return;
    }
    loop {
        match rooms.archive.remove_old(&retention).await {
            Ok(0) => {}
            Ok(series) => tracing::info!(series, "old series removed"),
            Err(error) => tracing::error!(%error, "old series could not be removed; trying again"),
        }
        if !pace::sleep(REMOVAL_PERIOD, &shutdown).await {
            return;
        }
    }
}

/// received → complete: looks often enough that the look adds little to the quiet time.
async fn complete_quiet_series(rooms: Arc<Rooms>, shutdown: CancellationToken) {
    let node = &rooms.config.node;
    let when = Completeness {
        quiet: node.quiet_time,
        after_release: node.quiet_after_release,
        while_open: node.idle_timeout,
    };
    let period = (when.quiet.min(when.after_release) / 10)
        .clamp(Duration::from_millis(50), Duration::from_secs(1));
    while pace::sleep(period, &shutdown).await {
        let complete = tokio::select! {
            complete = rooms.archive.complete_quiet(&when) => complete,
            () = shutdown.cancelled() => return,
        };
        match complete {
            Ok(0) => {}
            Ok(series) => tracing::info!(series, "series complete"),
            Err(error) => tracing::error!(%error, "the index cannot be read; trying again"),
        }
    }
}
