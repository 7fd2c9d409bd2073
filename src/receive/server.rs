//! The listener: accepts connections, bounds how many are open, drains on shutdown.

use super::association::Handler;
use super::policy::{Caller, KnownCallers, STORAGE_CLASSES, TRANSFER_SYNTAXES, TeachingTitle};
use super::statement::SERVICES;
use crate::archive::Archive;
use dicom_ul::association::Association;
use dicom_ul::association::server::ServerAssociationOptions;
use dicom_ul::pdu::{
    AssociationRJ, AssociationRJResult, AssociationRJServiceProviderPresentationReason,
    AssociationRJSource, Pdu, write_pdu,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Largest PDU we take: large enough that a slice is a few reads, small enough that 64 associations fit in memory.
pub(super) const MAX_PDU_LENGTH: u32 = 128 * 1024;
/// How long open associations may go on after shutdown was asked for.
const GRACE: Duration = Duration::from_secs(20);

/// What the receiver needs to know.
#[derive(Debug, Clone)]
pub struct ReceiveOptions {
    /// AE title callers must call.
    pub ae_title: String,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Those who may call; the node can call each of them in turn, and reports storage commitment to no other.
    pub callers: Vec<Caller>,
    /// Others may call too.
    pub accept_unknown: bool,
    /// AE title, on the same port, for labels that teach.
    pub teaching: Option<TeachingTitle>,
    /// Associations at once; more are rejected as transient (local limit exceeded).
    pub max_associations: usize,
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
}

/// A bound listener.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
}

impl Server {
    /// Binds the listener; nothing is accepted before [`Server::run`].
    pub async fn bind(
        options: ReceiveOptions,
        archive: Arc<Archive>,
    ) -> Result<Self, ReceiveError> {
        let address = options.listen;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| ReceiveError::Bind { address, source })?;
        Ok(Self {
            listener,
            shared: Arc::new(Shared { options, archive }),
        })
    }

    /// The address it listens on (the port chosen, when 0 was asked for).
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Accepts associations until `shutdown`, then lets those in the middle of an instance finish.
    pub async fn run(self, shutdown: CancellationToken) {
        let open = Arc::new(Semaphore::new(self.shared.options.max_associations));
        let tasks = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = shutdown.cancelled() => break,
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
            match Arc::clone(&open).try_acquire_owned() {
                Ok(permit) => {
                    let (shared, shutdown) = (Arc::clone(&self.shared), shutdown.clone());
                    tasks.spawn_blocking(move || {
                        on_this_thread(stream, address, shared, shutdown);
                        drop(permit);
                    });
                }
                Err(_) => {
                    tracing::warn!(%address, "too many associations; one was rejected for now");
                    tasks.spawn(reject_for_now(stream));
                }
            }
        }
        tasks.close();
        if tokio::time::timeout(GRACE, tasks.wait()).await.is_err() {
            tracing::warn!("associations were still open at the end of the grace time");
        }
    }
}

/// Serves an association on the thread it is called on, which it may block: an instance is written and synced where
/// its bytes are read. Handing each to another thread and back cost more than the sync.
fn on_this_thread(
    stream: TcpStream,
    address: SocketAddr,
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
            serve(TcpStream::from_std(stream)?, address, shared, shutdown).await;
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
    shared: Arc<Shared>,
    shutdown: CancellationToken,
) {
    // Requests and responses alternate: waiting to fill packets only adds latency.
    let _ = stream.set_nodelay(true);
    let options = &shared.options;
    let mut negotiation = ServerAssociationOptions::new()
        .ae_access_control(KnownCallers {
            known: options.callers.clone(),
            accept_unknown: options.accept_unknown,
            teaching: options.teaching.clone(),
            address: address.ip(),
        })
        .ae_title(options.ae_title.clone())
        .max_pdu_length(MAX_PDU_LENGTH)
        .strict(true)
        .read_timeout(options.idle_timeout)
        .write_timeout(options.idle_timeout);
    for class in SERVICES.iter().chain(STORAGE_CLASSES) {
        negotiation = negotiation.with_abstract_syntax(*class);
    }
    for syntax in TRANSFER_SYNTAXES {
        negotiation = negotiation.with_transfer_syntax(*syntax);
    }
    // One time limit for all of it: a peer that sends a byte now and then is as silent as one that sends none.
    let negotiated =
        tokio::time::timeout(options.idle_timeout, negotiation.establish_async(stream));
    let established = tokio::select! {
        established = negotiated => established,
        () = shutdown.cancelled() => return,
    };
    let association = match established {
        Ok(Ok(association)) => association,
        // Whoever looks whether the port is open, every few seconds perhaps.
        Ok(Err(dicom_ul::association::Error::ConnectionClosed { .. })) => {
            tracing::debug!(%address, "a connection was closed before it asked for an association");
            return;
        }
        Ok(Err(error)) => {
            tracing::warn!(%address, %error, "an association was not established");
            return;
        }
        Err(_) => {
            tracing::warn!(%address, waited = ?options.idle_timeout, "a connection asked for no association");
            return;
        }
    };
    let calling_ae = association.peer_ae_title().trim().to_owned();
    tracing::debug!(%address, calling_ae, "association established");
    let mut handler = Handler::new(association, Arc::clone(&shared));
    let ended = handler.run(&shutdown).await;
    let (stored, refused) = (handler.stored, handler.refused);
    let end = if ended.is_ok() { "released" } else { "aborted" };
    metrics::counter!("irisnode_associations_total", "end" => end).increment(1);
    match ended {
        Ok(()) if shutdown.is_cancelled() => handler.abort().await,
        Ok(()) => {}
        Err(error) => {
            tracing::warn!(%address, calling_ae, %error, "an association was aborted");
            handler.abort().await;
        }
    }
    tracing::info!(%address, calling_ae, stored, refused, "association ended");
}

/// Rejected-transient, local limit exceeded (PS3.8 table 9-21): the peer may try again.
async fn reject_for_now(mut stream: TcpStream) {
    let pdu = Pdu::AssociationRJ(AssociationRJ {
        result: AssociationRJResult::Transient,
        source: AssociationRJSource::ServiceProviderPresentation(
            AssociationRJServiceProviderPresentationReason::LocalLimitExceeded,
        ),
    });
    let mut bytes = Vec::new();
    if write_pdu(&mut bytes, &pdu).is_err() {
        return;
    }
    // The request must be read to its end, or closing the socket resets the
    // answer away; the peer closes when it has read the answer.
    let answered = async {
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut request = stream.take(MAX_PDU_LENGTH.into());
        let _ = tokio::io::copy(&mut request, &mut tokio::io::sink()).await;
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), answered).await;
}
