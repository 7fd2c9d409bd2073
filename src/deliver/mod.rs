//! C-STORE, C-ECHO, C-FIND, C-MOVE, C-GET and storage commitment as service class user, and reports of storage commitment: hands files to a peer until the peer acknowledges them.
//!
//! [`store`] makes one attempt and reports per file; [`store_patiently`] repeats
//! what failed for a passing reason ([`DeliverError::is_transient`]) as
//! [`RetryPolicy`] says. A file goes out byte for byte in its own transfer syntax
//! where the peer takes it, and is decoded only where the peer does not.

mod association;
mod command;
mod commitment;
mod commitment_request;
mod compression;
mod contexts;
mod echo;
mod error;
mod find;
mod get;
mod instance;
mod negotiation;
mod retrieve;
mod retry;
mod rle;
mod service;
mod status;
mod store;

pub use command::{Request, Response};
pub use commitment::report_commitment;
pub use commitment_request::{accepts_commitment, instance_of, request_commitment};
pub use echo::echo;
pub use error::DeliverError;
pub use find::count_instances;
pub use get::{GET_CLASS, IMAGE_CLASSES, Keeping, accepts_get, get_series};
pub use retrieve::{MOVE_CLASS, Moved, move_series};
pub use retry::{RetryPolicy, store_patiently};
pub use status::{CommitmentFailure, MoveStatus, StoreStatus};
pub use store::{FileOutcome, Stored, store};
