//! What the HTTP listeners share: connections that are bounded in number and time, in TLS where there is a certificate.

mod connections;

pub use connections::{Connection, Connections};
