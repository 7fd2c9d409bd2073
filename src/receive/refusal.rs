//! Why a request is not done.

use crate::archive::{ArchiveError, Fault, NotKept};
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
        let status = match not_kept.fault {
            Fault::OutOfResources => Status::OutOfResources,
            Fault::CannotUnderstand => Status::CannotUnderstand,
            Fault::Mismatch => Status::DataSetDoesNotMatchSopClass,
            Fault::ProcessingFailure => Status::ProcessingFailure,
        };
        Self::new(status, not_kept.reason)
    }
}
