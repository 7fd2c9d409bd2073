//! Who asks by a name of this machine: what is let in where nobody says who they are.

use axum::http::HeaderMap;
use axum::http::header::HOST;
use std::net::IpAddr;

/// Whether the Host is a name of this machine's loopback.
///
/// A page elsewhere can give its own name this machine's address (DNS rebinding), and then read in the browser of
/// whoever visits it what only this machine is to see. The name it asks by remains its own.
pub fn is_for_loopback(headers: &HeaderMap) -> bool {
    asked_name(headers).is_some_and(is_loopback)
}

/// The name or address that is asked for, without its port.
pub fn asked_name(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(HOST)?.to_str().ok()?;
    Some(match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    })
}

/// Whether a name is this machine's own for itself.
pub fn is_loopback(name: &str) -> bool {
    let plain = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || plain
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

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
