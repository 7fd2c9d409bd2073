//! What every request must be and every answer says, whatever the page.

use crate::users::is_for_loopback;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// From the end of a request's head to the beginning of its answer.
const A_PAGE_TAKES: Duration = Duration::from_secs(60);
/// The same where files are sent.
const FILES_TAKE: Duration = Duration::from_secs(3600);

/// Our own style, script and pages; nothing from elsewhere, nothing inline.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Lets requests to this machine's own names through, and gives every answer its headers. A listener that is open to other
/// machines speaks TLS: there the browser has held the name that it asks for against the certificate, and a page of
/// somebody else's cannot give its own name to this address.
pub(super) async fn guard(State(is_open): State<bool>, request: Request, next: Next) -> Response {
    let mut answer = if is_from_elsewhere(&request) {
        let why = "this form is on a page of somebody else\n";
        (StatusCode::FORBIDDEN, why).into_response()
    } else if is_open || is_for_loopback(request.headers()) {
        // Files may take their time; a form that is sent letter by letter holds a place.
        let longest = match request.uri().path() {
            super::FILES => FILES_TAKE,
            _ => A_PAGE_TAKES,
        };
        match tokio::time::timeout(longest, next.run(request)).await {
            Ok(answer) => answer,
            Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
        }
    } else {
        let why = "ask for this page as 127.0.0.1 or localhost\n";
        (StatusCode::MISDIRECTED_REQUEST, why).into_response()
    };
    let headers = answer.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    answer
}

/// Whether a browser says that another site's page sends this form (Fetch Metadata). Those of sessions carry a token too;
/// signing in has none yet.
fn is_from_elsewhere(request: &Request) -> bool {
    let site = request.headers().get("sec-fetch-site");
    request.method() == Method::POST
        && site.is_some_and(|site| site != "same-origin" && site != "none")
}
