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
    match shared
        .archive
        .obstacle(shared.acceptance.min_free_bytes)
        .await
    {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}
