//! DIMSE associations: Verification, Storage and Storage Commitment SCP (PS3.4 annexes A, B and J), and the reports of
//! peers that were asked to commit to results.
//!
//! Success is answered only when the archive has made the instance durable.

mod association;
mod commitment;
mod negotiation;
mod policy;
mod refusal;
mod server;
mod statement;

pub use negotiation::{Agreed, answer, rejection};
pub use policy::{Admission, Caller, Callers, NoEntry, Origin, TeachingTitle};
pub use refusal::status_of;
pub use server::{MOST_HALF_OPEN, ReceiveError, ReceiveOptions, Server};
pub use statement::{Statement, statement};
