//! What every request must be and every answer says, whatever the page.

use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

/// Our own style, script and pages; nothing from elsewhere, nothing inline.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Lets requests to this machine's own names through, and gives every answer its headers.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let mut answer = if is_from_elsewhere(&request) {
        let why = "this form is on a page of somebody else\n";
        (StatusCode::FORBIDDEN, why).into_response()
    } else if is_for_loopback(request.headers()) {
        next.run(request).await
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

/// Whether the Host is a name of this machine's loopback.
///
/// A page elsewhere can give its own name this machine's address (DNS rebinding), and then read in the browser of
/// whoever visits it what only this machine is to see. The name it asks by remains its own.
fn is_for_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let plain = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || plain
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let asked = |host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            is_for_loopback(&headers)
        };
        for own in [
            "localhost",
            "LOCALHOST:8042",
            "127.0.0.1:8042",
            "127.9.9.9",
            "[::1]:80",
            "[::1]",
        ] {
            assert!(asked(own), "{own}");
        }
        for other in [
            "pacs.example:8042",
            "localhost.example",
            "10.0.0.5:8042",
            "",
            "127.0.0.1.example",
        ] {
            assert!(!asked(other), "{other}");
        }
        assert!(!is_for_loopback(&HeaderMap::new()));
    }
}
