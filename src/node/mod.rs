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

mod certificates;
mod clock;
mod committing;
mod confirming;
mod counting;
mod decision;
mod delivering;
mod encoding;
mod fetching;
mod keeping;
mod lanes;
mod lives;
mod memory;
mod network_thread;
mod notifying;
mod pace;
mod plan;
mod reading;
mod reading_ahead;
mod reloading;
mod replaying;
mod review;
mod routing;
mod rule_tasks;
mod segmenting;
mod step;
mod teaching;

use crate::archive::{Acceptance, Archive, ArchiveError, Completeness, Retention, Sender};
use crate::config::{Config, ConfigFile, Current, Keeper, TlsIdentity};
use crate::dicomweb::{DicomwebError, DicomwebOptions, DicomwebServer};
use crate::receive::{Admission, ReceiveError, ReceiveOptions, Server, statement};
use crate::tasks::{TaskError, TaskLibrary};
use crate::telemetry::Traces;
use crate::tls::{Acceptor, TlsError};
use crate::web::{About, Metrics, WebError, WebOptions, WebServer};
use certificates::files_of;
pub use certificates::{certificate_in_words, read_complete, revoked_in_words};
pub use decision::{Decision, decision, first_attributes};
pub use encoding::{encode_report, encode_result};
pub use fetching::service as dicomweb_of;
use network_thread::NetworkThread;
pub use plan::PlannedRule;
pub use reading::{SeriesInput, read_input};
pub use reading_ahead::{ReadAhead, SlicesAhead};
use reloading::{Reloading, admission};
pub use replaying::{ReplayError, Replayed, replay};
pub use rule_tasks::{rule_tasks, taught_tasks};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Timers may fire a little early.
const A_MOMENT: Duration = Duration::from_millis(2);
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
    /// The listener of DICOMweb cannot be bound.
    #[error(transparent)]
    Dicomweb(#[from] DicomwebError),
    /// The tasks cannot be read.
    #[error(transparent)]
    Tasks(#[from] TaskError),
    /// What the node does cannot be counted.
    #[error("the metrics cannot be kept: {0}")]
    Metrics(String),
    /// Traces cannot be sent.
    #[error("traces cannot be sent: {0}")]
    Telemetry(String),
    /// The listener's address is not known.
    #[error("the listener failed: {0}")]
    Listener(#[from] std::io::Error),
}

/// What every loop of the node has at hand.
#[derive(Debug)]
struct Rooms {
    current: Current,
    archive: Arc<Archive>,
    network: NetworkThread,
    /// What was read of series that arrive.
    ahead: Arc<ReadAhead>,
    /// Where steps of jobs are told, if anywhere.
    traces: Option<Arc<Traces>>,
}

impl Rooms {
    /// The configuration of this moment; a step takes it once.
    fn config(&self) -> Arc<Config> {
        self.current.get()
    }
}

/// What a node is told from outside while it runs.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    /// To stop in good order.
    pub shutdown: CancellationToken,
    /// To read its configuration again at once.
    pub reload: Arc<Notify>,
}

/// Runs a node until it is told to stop; `ready` hears the address it listens on.
///
/// The file it was configured by is looked at now and then: rules, peers and what else need not a restart follow it.
///
/// On shutdown no new association is accepted, instances under way are kept,
/// and what is being segmented or delivered is finished or left to the next
/// start: nothing acknowledged is lost either way.
pub async fn run(
    file: ConfigFile,
    orders: Orders,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), NodeError> {
    let Orders { shutdown, reload } = orders;
    let (path, config) = (file.path().to_owned(), file.into_config());
    let archive = Arc::new(Archive::open(&config.node.data_dir).await?);
    let in_place = archive.follow();
    notifying::keep_targets(&archive, &config).await?;
    let network = NetworkThread::start(&config.node)
        .await
        .map_err(NodeError::Network)?;
    let told = config.telemetry.as_ref();
    let traces = told.map(|told| Traces::start(told, &config.node.ae_title));
    let traces = traces
        .transpose()
        .map_err(NodeError::Telemetry)?
        .map(Arc::new);
    let (admit, admitted) = watch::channel(Arc::new(admission(&config)));
    let options = receive_options(&config, admitted)?;
    let dicomweb = dicomweb(&config, &archive).await?;
    let shows_viewer = config.dicomweb.viewer.is_some();
    let (keeper, current) = Keeper::new(config);
    let web = status_page(&current, &archive, network.weights()).await?;
    // Last: whoever reaches it finds the others there.
    let server = Server::bind(options, Arc::clone(&archive)).await?;
    let address = server.local_addr()?;
    let reloading = Reloading {
        path,
        keeper,
        current: current.clone(),
        admission: admit,
    };
    let ahead = ReadAhead::new(network.architecture().spacing_mm);
    let rooms = Arc::new(Rooms {
        current,
        ahead: Arc::new(ahead),
        archive: Arc::clone(&archive),
        network,
        traces: traces.clone(),
    });
    let loops = TaskTracker::new();
    loops.spawn(complete_quiet_series(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(counting::run(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(clock::run(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(remove_old_series(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(committing::run(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(reading_ahead::run(
        Arc::clone(&rooms),
        in_place,
        shutdown.clone(),
    ));
    loops.spawn(routing::run(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(segmenting::run(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(delivering::run(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(confirming::run(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(teaching::run(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(notifying::run(Arc::clone(&rooms), shutdown.clone()));
    loops.spawn(reloading.run(reload, shutdown.clone()));
    if let Some(web) = web {
        tracing::info!(address = %web.local_addr()?, "status page");
        loops.spawn(web.run(shutdown.clone()));
    }
    if let Some(dicomweb) = dicomweb {
        let address = dicomweb.local_addr()?;
        match shows_viewer {
            true => tracing::info!(%address, "DICOMweb, and OHIF at /"),
            false => tracing::info!(%address, "DICOMweb"),
        }
        loops.spawn(dicomweb.run(shutdown.clone()));
    }
    loops.close();
    ready(address);
    server.run(shutdown.clone()).await;
    loops.wait().await;
    if let Some(traces) = traces {
        let _ = tokio::task::spawn_blocking(move || traces.shut_down()).await;
    }
    // Not needed for what was acknowledged to be kept, but for the next start to be quick, and for whoever copies the
    // index or looks into it.
    let closed = async {
        let _ = archive.flush().await;
        archive.close().await;
    };
    let _ = tokio::time::timeout(Duration::from_secs(5), closed).await;
    Ok(())
}

/// The status page, where the configuration asks for one.
async fn status_page(
    current: &Current,
    archive: &Arc<Archive>,
    weights: &str,
) -> Result<Option<WebServer>, NodeError> {
    let config = current.get();
    let Some(address) = config.web.listen else {
        return Ok(None);
    };
    let metrics = Metrics::install().map_err(|error| NodeError::Metrics(error.to_string()))?;
    let about = About {
        ae_title: config.node.ae_title.clone(),
        weights: weights.to_owned(),
    };
    let options = WebOptions {
        address,
        tls: https(config.web.identity.as_ref())?,
        idle_timeout: config.node.idle_timeout,
        about,
        users: config.web.users.clone(),
        library: TaskLibrary::open(&config.node.task_dir)?,
        current: current.clone(),
        acceptance: acceptance(&config, &config.node.ae_title, &config.node.ae_title),
    };
    Ok(Some(
        WebServer::bind(options, Arc::clone(archive), metrics).await?,
    ))
}

/// DICOMweb, where the configuration asks for it.
async fn dicomweb(
    config: &Config,
    archive: &Arc<Archive>,
) -> Result<Option<DicomwebServer>, NodeError> {
    let asked = &config.dicomweb;
    let Some(listen) = asked.listen else {
        return Ok(None);
    };
    let options = DicomwebOptions {
        listen,
        tls: https(asked.identity.as_ref())?,
        url: asked.url.clone(),
        users: asked.users.then(|| config.web.users.clone()),
        tokens: asked.token_file.clone(),
        allow_origin: asked.allow_origin.clone(),
        viewer: asked.viewer.clone(),
        max_requests: asked.max_requests,
        max_stores: asked.max_stores,
        idle_timeout: config.node.idle_timeout,
        store: acceptance(config, &config.dicomweb.ae_title, &config.node.ae_title),
    };
    let server = DicomwebServer::bind(options, Arc::clone(archive)).await?;
    Ok(Some(server))
}

/// HTTPS by a certificate, which no client is asked for.
fn https(identity: Option<&TlsIdentity>) -> Result<Option<Acceptor>, TlsError> {
    let acceptor = identity.map(|identity| Acceptor::new(files_of(identity), None, None));
    acceptor.transpose()
}

/// What is taken over HTTP: the same as by C-STORE, as if sent by one AE title to another.
fn acceptance(config: &Config, calling_ae: &str, called_ae: &str) -> Acceptance {
    let taken = statement();
    Acceptance {
        storage_classes: taken.storage_classes,
        transfer_syntaxes: taken.transfer_syntaxes,
        sender: Sender {
            calling_ae: calling_ae.to_owned(),
            called_ae: called_ae.to_owned(),
            implementation_class_uid: taken.implementation_class_uid,
            implementation_version_name: taken.implementation_version_name,
        },
        min_free_bytes: config.node.min_free_bytes,
        max_instance_bytes: config.dicomweb.max_instance_bytes,
    }
}

fn receive_options(
    config: &Config,
    admission: watch::Receiver<Arc<Admission>>,
) -> Result<ReceiveOptions, TlsError> {
    let node = &config.node;
    let tls = config.tls.as_ref().map(|tls| {
        Acceptor::new(
            files_of(&tls.identity),
            tls.client_authorities.clone(),
            tls.revoked.clone(),
        )
    });
    Ok(ReceiveOptions {
        ae_title: node.ae_title.clone(),
        listen: node.listen,
        tls: tls.transpose()?,
        plain_listen: config.tls.as_ref().and_then(|tls| tls.plain_listen),
        admission,
        max_associations: node.max_associations,
        association_timeout: node.association_timeout,
        idle_timeout: node.idle_timeout,
        min_free_bytes: node.min_free_bytes,
    })
}

/// Looks once a minute for series that retention lets go.
async fn remove_old_series(rooms: Arc<Rooms>, shutdown: CancellationToken) {
    loop {
        let config = rooms.config();
        let retention = Retention {
            keep_for: config.node.keep_for,
            most_bytes: config.node.max_archive_bytes,
        };
        if retention != Retention::default() {
            match rooms.archive.remove_old(&retention).await {
                Ok(0) => {}
                Ok(series) => tracing::info!(series, "old series removed"),
                Err(error) => {
                    tracing::error!(%error, "old series could not be removed; trying again")
                }
            }
        }
        if !pace::sleep(REMOVAL_PERIOD, &shutdown).await {
            return;
        }
    }
}

/// received → complete: looks when the next series can be, and often enough to see what begins to arrive.
async fn complete_quiet_series(rooms: Arc<Rooms>, shutdown: CancellationToken) {
    let mut next = None;
    loop {
        let config = rooms.config();
        let when = Completeness {
            quiet: config.node.quiet_time,
            after_release: config.node.quiet_after_release,
            while_open: config.node.idle_timeout,
        };
        let period = (when.quiet.min(when.after_release) / 10)
            .clamp(Duration::from_millis(50), Duration::from_secs(1));
        // A little later than the moment itself, so that one look is enough.
        let wait = next.map_or(period, |next: Duration| period.min(next + A_MOMENT));
        if !pace::sleep(wait, &shutdown).await {
            return;
        }
        let complete = tokio::select! {
            complete = rooms.archive.complete_quiet(&when) => complete,
            () = shutdown.cancelled() => return,
        };
        match complete {
            Ok((series, soonest)) => {
                next = soonest;
                if series > 0 {
                    tracing::info!(series, "series complete");
                }
            }
            Err(error) => {
                next = None;
                tracing::error!(%error, "the index cannot be read; trying again");
            }
        }
    }
}
