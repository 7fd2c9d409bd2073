//! `/healthz` and `/readyz`: for whatever watches the node.

use super::Shared;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;

/// The process answers.
pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// Whether an instance sent now would be kept: 200, or 503 with the reason.
pub(super) async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    match obstacle(&shared).await {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn obstacle(shared: &Shared) -> Option<String> {
    if let Err(error) = shared.archive.counts().await {
        tracing::warn!(%error, "not ready: the index cannot be read");
        return Some("the index cannot be read; the log says why".to_owned());
    }
    if shared.archive.is_in_trouble() {
        return Some("the index cannot be written: instances are refused".to_owned());
    }
    let least = shared.about.min_free_bytes;
    match shared.archive.free_bytes() {
        Ok(free) if free < least => Some(format!(
            "{} MiB are free for data, less than min_free ({} MiB): instances are refused",
            free >> 20,
            least >> 20
        )),
        Ok(_) => None,
        Err(error) => {
            tracing::warn!(%error, "not ready: the data folder's disk cannot be read");
            Some("the data folder's disk cannot be read; the log says why".to_owned())
        }
    }
}
