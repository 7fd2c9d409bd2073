//! OHIF at the root of the listener, over the DICOMweb beside it: a viewer that needs no web server of its own.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use std::path::Path;
use tower_http::services::{ServeDir, ServeFile};

/// What `packaging/compose` gives OHIF, too: DICOMweb is under the viewer's own origin.
const CONFIGURATION: &str = include_str!("../../packaging/compose/ohif.js");
/// The page asks its own origin and nobody else; it compiles what decodes images, and draws its own styles.
const POLICY: &str =
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'";

/// OHIF's files from a folder; every other path is a page of its own.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(folder: &Path) -> Router<S> {
    let page = ServeFile::new(folder.join("index.html"));
    Router::new()
        .route("/app-config.js", get(configuration))
        .fallback_service(ServeDir::new(folder).fallback(page))
        .layer(middleware::map_response(as_viewer))
}

async fn configuration() -> impl IntoResponse {
    let text = CONFIGURATION.replace("friendlyName: \"Orthanc\"", "friendlyName: \"irisnode\"");
    ([(header::CONTENT_TYPE, "text/javascript")], text)
}

async fn as_viewer(mut answer: Response) -> Response {
    let headers: &mut HeaderMap = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // A file that has not changed is not sent again.
        (header::CACHE_CONTROL, "private, no-cache"),
        // What it decodes with wants memory that its threads share.
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-embedder-policy"),
            "require-corp",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}
