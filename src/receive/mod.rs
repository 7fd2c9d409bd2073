//! DIMSE associations: Verification and Storage SCP (PS3.4 annexes A and B).
//!
//! Success is answered only when the archive has made the instance durable.

mod association;
mod instance;
mod policy;
mod server;

pub use server::{ReceiveError, ReceiveOptions, Server};
