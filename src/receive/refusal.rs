//! Why a request is not done.

use crate::archive::{ArchiveError, NotKept};
use crate::dimse::Status;

/// Why an instance is not kept, or a request not done: the status to answer, and a sentence for the log (no patient data
/// in it).
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(super) struct Refusal {
    pub(super) status: Status,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn new(status: Status, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
        }
    }
}

impl From<ArchiveError> for Refusal {
    fn from(error: ArchiveError) -> Self {
        Self::new(Status::OutOfResources, error.to_string())
    }
}

impl From<NotKept> for Refusal {
    fn from(not_kept: NotKept) -> Self {
        Self::new(not_kept.fault.into(), not_kept.reason)
    }
}
