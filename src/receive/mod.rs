//! DIMSE associations: Verification, Storage and Storage Commitment SCP (PS3.4 annexes A, B and J).
//!
//! Success is answered only when the archive has made the instance durable.

mod association;
mod commitment;
mod instance;
mod policy;
mod server;
mod statement;

pub use policy::{Caller, TeachingTitle};
pub use server::{ReceiveError, ReceiveOptions, Server};
pub use statement::{Statement, statement};
