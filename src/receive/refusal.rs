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

/// What is answered to a C-STORE whose instance is not kept (PS3.4 table B.2-1).
pub fn status_of(fault: Fault) -> Status {
    match fault {
        Fault::OutOfResources => Status::OutOfResources,
        Fault::CannotUnderstand => Status::CannotUnderstand,
        Fault::Mismatch => Status::DataSetDoesNotMatchSopClass,
        Fault::ProcessingFailure => Status::ProcessingFailure,
    }
}

impl From<ArchiveError> for Refusal {
    fn from(error: ArchiveError) -> Self {
        Self::new(Status::OutOfResources, error.to_string())
    }
}

impl From<NotKept> for Refusal {
    fn from(not_kept: NotKept) -> Self {
        Self::new(status_of(not_kept.fault), not_kept.reason)
    }
}
