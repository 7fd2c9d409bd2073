//! The listeners: accept connections, bound how many are open, drain on shutdown.

use super::association::Handler;
use super::negotiation::{answer, not_now, rejection};
use super::policy::{Admission, Callers, Origin};
use crate::archive::Archive;
use crate::dimse::{Prompt, UpperLayer, UpperLayerError};
use crate::tls::{Acceptor, Certificate};
use dicom_ul::pdu::Pdu;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections that may be without an association, beside those that have one.
pub const MOST_HALF_OPEN: usize = 32;
/// How long open associations may go on after shutdown was asked for.
const GRACE: Duration = Duration::from_secs(20);

/// What the receiver needs to know.
#[derive(Debug)]
pub struct ReceiveOptions {
    /// AE title callers must call.
    pub ae_title: String,
    /// Where to listen.
    pub listen: SocketAddr,
    /// What `listen` speaks TLS by; without, it speaks DICOM alone.
    pub tls: Option<Acceptor>,
    /// Where to listen without TLS, beside `listen`.
    pub plain_listen: Option<SocketAddr>,
    /// Who may call; each association is held against what it says at its beginning, and then goes on.
    pub admission: watch::Receiver<Arc<Admission>>,
    /// Associations at once; more are rejected as transient (local limit exceeded).
    pub max_associations: usize,
    /// A connection that has no association after this long is closed, the TLS handshake included.
    pub association_timeout: Duration,
    /// An association that says nothing for this long is aborted.
    pub idle_timeout: Duration,
    /// Instances are refused (A700H) when less than this is free, bytes.
    pub min_free_bytes: u64,
}

/// Why the node cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The address cannot be bound.
    #[error(
        "cannot listen on {address}: {source}; is another irisnode running, or the port below 1024?"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What every association shares.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: ReceiveOptions,
    pub(super) archive: Arc<Archive>,
    /// Places for associations. A connection has none before it has asked for one in good order.
    places: Arc<Semaphore>,
}

/// Bound listeners.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    plain: Option<TcpListener>,
    shared: Arc<Shared>,
}

impl Server {
    /// Binds the listeners; nothing is accepted before [`Server::run`].
    pub async fn bind(
        options: ReceiveOptions,
        archive: Arc<Archive>,
    ) -> Result<Self, ReceiveError> {
        let listener = bind(options.listen).await?;
        let plain = match options.plain_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let places = Arc::new(Semaphore::new(options.max_associations));
        Ok(Self {
            listener,
            plain,
            shared: Arc::new(Shared {
                options,
                archive,
                places,
            }),
        })
    }

    /// The address it listens on (the port chosen, when 0 was asked for).
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts associations until `shutdown`, then lets those in the middle of an instance finish.
    pub async fn run(self, shutdown: CancellationToken) {
        let connections = self.shared.options.max_associations + MOST_HALF_OPEN;
        let door = Door {
            shared: self.shared,
            connections: Arc::new(Semaphore::new(connections)),
            tasks: TaskTracker::new(),
            shutdown,
        };
        let plain = async {
            if let Some(plain) = self.plain {
                door.listen(plain, false).await;
            }
        };
        let speaks_tls = door.shared.options.tls.is_some();
        tokio::join!(door.listen(self.listener, speaks_tls), plain);
        door.tasks.close();
        if tokio::time::timeout(GRACE, door.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("associations were still open at the end of the grace time");
        }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ReceiveError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ReceiveError::Bind { address, source })
}

/// What the listeners share.
struct Door {
    shared: Arc<Shared>,
    /// Places for connections, with an association or not yet.
    connections: Arc<Semaphore>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Door {
    async fn listen(&self, listener: TcpListener, speaks_tls: bool) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.shutdown.cancelled() => return,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, say: wait for some to come free instead of spinning.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            };
            let Ok(connection) = Arc::clone(&self.connections).try_acquire_owned() else {
                tracing::warn!(%address, "too many connections without an association; one was closed");
                continue;
            };
            let (shared, shutdown) = (Arc::clone(&self.shared), self.shutdown.clone());
            self.tasks.spawn_blocking(move || {
                on_this_thread(stream, address, speaks_tls, shared, shutdown);
                drop(connection);
            });
        }
    }
}

/// Serves an association on the thread it is called on, which it may block: an instance is written and synced where
/// its bytes are read. Handing each to another thread and back cost more than the sync.
fn on_this_thread(
    stream: TcpStream,
    address: SocketAddr,
    speaks_tls: bool,
    shared: Arc<Shared>,
    shutdown: CancellationToken,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    let served = runtime.and_then(|runtime| {
        let stream = stream.into_std()?;
        runtime.block_on(async {
            let stream = TcpStream::from_std(stream)?;
            serve(stream, address, speaks_tls, shared, shutdown).await;
            Ok(())
        })
    });
    if let Err(error) = served {
        tracing::warn!(%address, %error, "a connection could not be served");
    }
}

async fn serve(
    stream: TcpStream,
    address: SocketAddr,
    speaks_tls: bool,
    shared: Arc<Shared>,
    shutdown: CancellationToken,
) {
    let options = &shared.options;
    // One time limit for all of it: a peer that sends a byte now and then is as silent as one that sends none.
    let limit = options.association_timeout.min(options.idle_timeout);
    let established = tokio::select! {
        established = tokio::time::timeout(limit, establish(stream, address, speaks_tls, &shared)) => established,
        () = shutdown.cancelled() => return,
    };
    let (mut handler, calling_ae, _place) = match established {
        Ok(Ok(established)) => established,
        Ok(Err(NotEstablished::Closed)) => {
            tracing::debug!(%address, "a connection was closed before it asked for an association");
            return;
        }
        Ok(Err(NotEstablished::Failed(reason))) => {
            tracing::warn!(%address, %reason, "an association was not established");
            return;
        }
        Err(_) => {
            tracing::warn!(%address, waited = ?limit, "a connection asked for no association");
            return;
        }
    };
    tracing::debug!(%address, calling_ae, "association established");
    let ended = handler.run(&shutdown).await;
    let (stored, refused) = (handler.stored, handler.refused);
    let end = if ended.is_ok() { "released" } else { "aborted" };
    metrics::counter!("irisnode_associations_total", "end" => end).increment(1);
    match ended {
        Ok(()) if shutdown.is_cancelled() => handler.abort().await,
        Ok(()) => handler.close().await,
        Err(error) => {
            tracing::warn!(%address, calling_ae, %error, "an association was aborted");
            handler.abort().await;
        }
    }
    tracing::info!(%address, calling_ae, stored, refused, "association ended");
}

/// Why there is no association.
enum NotEstablished {
    /// Whoever looks whether the port is open, every few seconds perhaps.
    Closed,
    /// Anything else, in a sentence for the log.
    Failed(String),
}

/// From a connection to an association, by TLS where the listener speaks it.
async fn establish(
    stream: TcpStream,
    address: SocketAddr,
    speaks_tls: bool,
    shared: &Arc<Shared>,
) -> Result<(Handler, String, OwnedSemaphorePermit), NotEstablished> {
    let options = &shared.options;
    let (upper_layer, certificate) = match options.tls.as_ref().filter(|_| speaks_tls) {
        None => (
            UpperLayer::new(Prompt::new(stream), options.idle_timeout),
            None,
        ),
        Some(tls) => shake_hands(tls, stream, options.idle_timeout).await?,
    };
    let mut upper_layer = upper_layer;
    let request = match upper_layer.receive().await {
        Ok(Pdu::AssociationRQ(request)) => request,
        Ok(_) => {
            upper_layer.abort().await;
            let reason = "it sent another PDU than a request for an association";
            return Err(NotEstablished::Failed(reason.to_owned()));
        }
        Err(UpperLayerError::Closed) => return Err(NotEstablished::Closed),
        Err(error) => return Err(NotEstablished::Failed(error.to_string())),
    };
    let admission = options.admission.borrow().clone();
    let callers = Callers {
        ae_title: &options.ae_title,
        teaching: admission.teaching.as_ref(),
        known: &admission.callers,
        accept_unknown: admission.accept_unknown,
    };
    let origin = Origin {
        address: address.ip(),
        certificate,
    };
    let (agreed, accepted) = match answer(request, &callers, &origin) {
        Ok(answered) => answered,
        Err((reason, why)) => {
            upper_layer.send_last(&rejection(reason)).await;
            return Err(NotEstablished::Failed(why));
        }
    };
    let Ok(place) = Arc::clone(&shared.places).try_acquire_owned() else {
        upper_layer.send_last(&not_now()).await;
        let reason = "too many associations; it was rejected for now".to_owned();
        return Err(NotEstablished::Failed(reason));
    };
    upper_layer
        .send(&accepted)
        .await
        .map_err(|error| NotEstablished::Failed(error.to_string()))?;
    let calling_ae = agreed.calling_ae.clone();
    let handler = Handler::new(upper_layer, agreed, Arc::clone(shared));
    Ok((handler, calling_ae, place))
}

async fn shake_hands(
    tls: &Acceptor,
    stream: TcpStream,
    patience: Duration,
) -> Result<(UpperLayer, Option<Certificate>), NotEstablished> {
    if matches!(stream.peek(&mut [0]).await, Ok(0) | Err(_)) {
        return Err(NotEstablished::Closed);
    }
    match tls.accept(Prompt::new(stream)).await {
        Ok((stream, certificate)) => Ok((UpperLayer::new(stream, patience), certificate)),
        Err(error) => Err(NotEstablished::Failed(format!("TLS: {error}"))),
    }
}
