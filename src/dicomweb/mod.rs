//! DICOMweb (PS3.18): QIDO-RS and WADO-RS of what the node holds and makes, and STOW-RS into the archive.
//!
//! A listener of its own, apart from the pages: viewers and gateways ask from other machines, by their own credentials,
//! and what they may ask for is patients' data and nothing of the node. No line of a log or a metric has a URL, a UID or a
//! value of it.

mod access;
mod body;
mod bulkdata;
mod data_sets;
mod drawing;
mod film;
mod frames;
mod instances;
mod json;
mod media;
mod metadata;
mod multipart;
mod query;
mod reception;
mod refused;
mod rendered;
mod resource;
mod retrieval;
mod search;
mod statement;
mod store;
mod transcode;
mod viewer;
mod xml;

use crate::archive::{Acceptance, Archive};
use crate::http_server::{HttpListener, serve};
use crate::tls::Acceptor;
use access::Access;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::routing::{MethodRouter, get};
use axum::{Router, middleware};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::cors::{AllowOrigin, CorsLayer};

pub use multipart::{Malformed, Multipart, Piece};
pub use retrieval::{RetrievalError, Retrieved, query_any, retrieve_series};
pub use statement::{Statement, statement};

use refused::Refused;

/// Where the service begins.
pub const ROOT: &str = "/dicom-web";
/// A request waits so long for others to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// Instances decoded or encoded at the same time.
const MOST_AT_WORK: usize = 2;

/// What the service works with.
#[derive(Debug)]
pub struct DicomwebOptions {
    /// Where to listen.
    pub listen: SocketAddr,
    /// With it HTTPS is spoken, and nothing else.
    pub tls: Option<Acceptor>,
    /// Where clients find the service, [`ROOT`] included; as the Host header says where nothing is said.
    pub url: Option<String>,
    /// The file of users, where they are let in by HTTP Basic.
    pub users: Option<PathBuf>,
    /// The file of tokens, one a line, where their holders are let in.
    pub tokens: Option<PathBuf>,
    /// Origins of pages that may ask from a browser; `*` for any.
    pub allow_origin: Vec<String>,
    /// The folder of OHIF, to be served at the root.
    pub viewer: Option<PathBuf>,
    /// Requests at the same time that query or retrieve.
    pub max_requests: usize,
    /// Requests at the same time that store.
    pub max_stores: usize,
    /// A request that sends nothing of its body for this long is given up.
    pub idle_timeout: Duration,
    /// What is stored.
    pub store: Acceptance,
}

/// Why there is no service.
#[derive(Debug, thiserror::Error)]
#[error("DICOMweb cannot listen on {address}: {source}")]
pub struct DicomwebError {
    address: SocketAddr,
    source: std::io::Error,
}

/// What every request is answered from.
#[derive(Debug)]
struct Shared {
    archive: Arc<Archive>,
    access: Access,
    url: Option<String>,
    /// `http` or `https`.
    scheme: &'static str,
    /// The listener's own port.
    port: u16,
    /// Places for requests that read.
    requests: Arc<Semaphore>,
    /// Places for requests that store.
    stores: Arc<Semaphore>,
    store: Arc<Acceptance>,
    idle_timeout: Duration,
    /// Places for those that decode or encode.
    at_work: Arc<Semaphore>,
    opened: frames::Opened,
}

impl Shared {
    /// A place among those that are answered; held until the answer is sent.
    async fn place(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let place = Arc::clone(&self.requests).acquire_owned();
        match tokio::time::timeout(PATIENCE, place).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Refused::busy()),
        }
    }

    /// Does work that takes a processor, off the async threads, and not much of it at a time.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let place = Arc::clone(&self.at_work).acquire_owned().await;
        tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        })
        .await
        .map_err(|_| {
            let sentence = "answering failed; the node's log says where";
            Refused::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, sentence)
        })
    }
}

/// The HTTP listener.
#[derive(Debug)]
pub struct DicomwebServer {
    listener: HttpListener,
    service: Router,
}

impl DicomwebServer {
    /// Binds the listener; connections wait until [`DicomwebServer::run`].
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(
        options: DicomwebOptions,
        archive: Arc<Archive>,
    ) -> Result<Self, DicomwebError> {
        let address = options.listen;
        // Both ways count: what is decoded for a while is not silence of the client's.
        let silence = 2 * options.idle_timeout;
        let listener = HttpListener::bind(address, options.tls, silence)
            .await
            .map_err(|source| DicomwebError { address, source })?;
        let cors = cors(&options.allow_origin);
        let shared = Arc::new(Shared {
            archive,
            access: Access::new(options.users, options.tokens),
            url: options.url,
            scheme: listener.scheme(),
            port: listener
                .local_addr()
                .map_or(address.port(), |bound| bound.port()),
            requests: Arc::new(Semaphore::new(options.max_requests)),
            stores: Arc::new(Semaphore::new(options.max_stores)),
            store: Arc::new(options.store),
            idle_timeout: options.idle_timeout,
            at_work: Arc::new(Semaphore::new(MOST_AT_WORK)),
            opened: frames::Opened::default(),
        });
        let nothing = async || Refused::not_found("resource");
        let root = match &options.viewer {
            Some(folder) => viewer::routes(folder),
            None => Router::new().fallback(nothing),
        };
        let service = root
            .nest(ROOT, resources().fallback(nothing))
            .layer(middleware::from_fn_with_state(
                Arc::clone(&shared),
                access::guard,
            ))
            // Bodies go to the disk as they come, and each part has its limit.
            .layer(DefaultBodyLimit::disable())
            // A browser asks whether it may before it says who it is.
            .layer(cors)
            .with_state(shared);
        Ok(Self { listener, service })
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
        serve(self.listener, self.service, shutdown).await;
    }
}

/// The resources of PS3.18 table 10.1-1.
fn resources() -> Router<Arc<Shared>> {
    let study = "/studies/{study}";
    let series = "/studies/{study}/series/{series}";
    let instance = "/studies/{study}/series/{series}/instances/{instance}";
    let mut resources = Router::new()
        .route("/studies", get(query::studies).post(store::store))
        .route("/series", get(query::series))
        .route("/instances", get(query::instances))
        .route(&format!("{study}/series"), get(query::series))
        .route(&format!("{study}/instances"), get(query::instances))
        .route(&format!("{series}/instances"), get(query::instances));
    for of in [study, series, instance] {
        resources = resources
            .route(of, retrieved(of))
            .route(&format!("{of}/metadata"), get(metadata::retrieve))
            .route(&format!("{of}/rendered"), get(rendered::retrieve))
            .route(&format!("{of}/thumbnail"), get(rendered::thumbnail));
    }
    resources
        .route(
            &format!("{instance}/frames/{{list}}"),
            get(frames::retrieve),
        )
        .route(
            &format!("{instance}/frames/{{list}}/rendered"),
            get(rendered::frame),
        )
        .route(
            &format!("{instance}/bulkdata/{{*path}}"),
            get(bulkdata::retrieve),
        )
}

/// A study can be stored into, too.
fn retrieved(of: &str) -> MethodRouter<Arc<Shared>> {
    let retrieve = get(instances::retrieve);
    match of {
        "/studies/{study}" => retrieve.post(store::store),
        _ => retrieve,
    }
}

/// Which pages of other origins may ask from a browser.
fn cors(origins: &[String]) -> CorsLayer {
    let allowed = match origins.iter().any(|origin| origin == "*") {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(
            origins
                .iter()
                .filter_map(|origin| HeaderValue::from_str(origin).ok()),
        ),
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers([header::ACCEPT, header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::WARNING, HeaderName::from_static("content-location")])
        .max_age(Duration::from_secs(3600))
}
