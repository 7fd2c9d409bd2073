//! Addresses of servers that are asked by HTTP.

use super::section::Complaint;
use super::value;
use toml::de::DeValue;

/// An address that begins with `http://` or `https://`.
pub(super) fn read(value: &DeValue<'_>) -> Result<String, Complaint> {
    let text = value::text(value)?;
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.starts_with('/') && !rest.is_empty() && !text.contains([' ', '"']) => {
            Ok(text)
        }
        _ => Err(
            Complaint::new("is not an address", "not http:// or https://")
                .with_help("write the whole address: \"https://hooks.example.org/irisnode\""),
        ),
    }
}

/// Whether a host, or that of an address, is this machine.
pub(super) fn is_here(host: &str) -> bool {
    let rest = host.split_once("://").map_or(host, |(_, rest)| rest);
    let name = rest.split(['/', '?']).next().unwrap_or_default();
    ["localhost", "127.0.0.1", "[::1]", "::1"]
        .iter()
        .any(|here| {
            name == *here
                || name
                    .strip_prefix(here)
                    .is_some_and(|port| port.starts_with(':'))
        })
}
