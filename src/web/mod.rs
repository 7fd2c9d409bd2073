//! HTTP: the pages, health and metrics; for this machine only, or in TLS for others.
//!
//! Where no users are configured the pages change nothing and show nothing of a patient. Else a page wants a session, and
//! what acts wants an admin and the session's token. Other machines see no page before there are users.

mod access;
mod actions;
mod activity_page;
mod dropping;
mod guard;
mod health;
mod job_page;
mod jobs_page;
mod layout;
mod login;
mod metrics;
mod peers_page;
mod plot;
mod tasks_page;
mod teach_page;
mod viewed;

use crate::archive::{Acceptance, Archive};
use crate::config::Current;
use crate::http_server::{HttpListener, serve};
use crate::tasks::TaskLibrary;
use crate::tls::Acceptor;
use crate::users::Throttle;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use axum::{Router, middleware};
use peers_page::Echoes;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration;
use tower_sessions::{Expiry, MemoryStore, SessionManagerLayer};
use viewed::Viewed;

pub use metrics::Metrics;

/// A session that nobody uses for this long ends.
const IDLE: Duration = Duration::hours(2);
/// Where files are dropped.
const FILES: &str = "/teach/files";
/// No form of ours is larger, bytes.
const LARGEST_FORM: usize = 16 * 1024;

/// What the pages tell of the node, besides what its archive holds.
#[derive(Debug, Clone)]
pub struct About {
    /// AE title the node answers to.
    pub ae_title: String,
    /// SHA-256 of the network's weights, in hexadecimal.
    pub weights: String,
}

/// What the pages work with.
#[derive(Debug)]
pub struct WebOptions {
    /// Where to listen.
    pub address: SocketAddr,
    /// With it HTTPS is spoken, and nothing else.
    pub tls: Option<Acceptor>,
    /// A connection on which nothing moves for this long is closed.
    pub idle_timeout: std::time::Duration,
    /// What the pages tell of the node.
    pub about: About,
    /// The file of users.
    pub users: PathBuf,
    /// The task library.
    pub library: TaskLibrary,
    /// What the node runs by.
    pub current: Current,
    /// Which files are taken from an admin's browser, as sent by the node itself.
    pub acceptance: Acceptance,
}

/// Why there is no status page.
#[derive(Debug, thiserror::Error)]
#[error(
    "the status page cannot listen on {address}: {source}; another program may be there (Orthanc has 8042): write a free port as `listen` under [web]"
)]
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
    users: PathBuf,
    /// Whether other machines reach the pages.
    is_open: bool,
    library: TaskLibrary,
    current: Current,
    acceptance: Acceptance,
    echoes: Echoes,
    throttle: Throttle,
    /// Held while a password is verified: argon2 takes memory.
    verifying: Mutex<()>,
    viewed: Viewed,
}

/// The HTTP listener.
#[derive(Debug)]
pub struct WebServer {
    listener: HttpListener,
    pages: Router,
}

impl WebServer {
    /// Binds the listener; connections wait until [`WebServer::run`].
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(
        options: WebOptions,
        archive: Arc<Archive>,
        metrics: Metrics,
    ) -> Result<Self, WebError> {
        let address = options.address;
        // Without TLS the page is on loopback, and a `Secure` cookie would not come back.
        let is_secure = options.tls.is_some();
        let is_open = !address.ip().is_loopback();
        let sessions = SessionManagerLayer::new(MemoryStore::default())
            .with_name("irisnode")
            .with_secure(is_secure)
            .with_http_only(true)
            .with_same_site(SameSite::Strict)
            .with_expiry(Expiry::OnInactivity(IDLE));
        let listener = HttpListener::bind(address, options.tls, options.idle_timeout)
            .await
            .map_err(|source| WebError { address, source })?;
        let pages = Router::new()
            .route("/", get(jobs_page::page))
            .route("/jobs/{id}", get(job_page::page))
            .route("/jobs/{id}/slice.png", get(job_page::slice))
            .route("/jobs/{id}/{act}", post(actions::job))
            .route("/tasks", get(tasks_page::page))
            .route("/tasks/{name}/{number}/picture.png", get(tasks_page::sheet))
            .route("/teach", get(teach_page::page))
            .route("/teach/{id}/picture.png", get(teach_page::sheet))
            .route("/teach/{id}/{act}", post(actions::proposal))
            .route(FILES, dropping::files())
            .route("/activity", get(activity_page::page))
            .route("/peers", get(peers_page::page))
            .route("/peers/{name}/echo", post(peers_page::call))
            .route("/login", get(login::form).post(login::enter))
            .route("/logout", post(login::leave))
            .layer(sessions)
            .layer(DefaultBodyLimit::max(LARGEST_FORM))
            .route("/slices.js", get(layout::slices_script))
            .route("/style.css", get(layout::style))
            .route("/live.js", get(layout::script))
            .route("/healthz", get(health::alive))
            .route("/readyz", get(health::ready))
            .route("/metrics", get(metrics::scrape))
            .fallback(layout::not_found)
            .layer(middleware::from_fn_with_state(is_open, guard::guard))
            .with_state(Arc::new(Shared {
                archive,
                about: options.about,
                metrics,
                users: options.users,
                is_open,
                library: options.library,
                current: options.current,
                acceptance: options.acceptance,
                echoes: Echoes::default(),
                throttle: Throttle::default(),
                verifying: Mutex::default(),
                viewed: Viewed::default(),
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
        serve(self.listener, self.pages, shutdown).await;
    }
}
