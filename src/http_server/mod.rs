//! What the HTTP listeners share: connections that are bounded in number and time, in TLS where there is a certificate;
//! and how they are answered until the node stops.

mod connections;
mod serving;

pub use serving::{HttpListener, serve};
