//! Storage Commitment Push Model as its SCP: the request (PS3.4 section J.3.2).
//!
//! What is asked for is written into the index before the request is answered; the report follows on an association
//! of its own.

use super::commitment_request::read_request;
use super::instance::Refusal;
use crate::archive::{ArchiveError, CommitmentRequest};
use crate::dimse::Status;

/// SOP Instance UID of the one instance there is (PS3.4 section J.3.5).
pub(super) const WELL_KNOWN_INSTANCE: &str = "1.2.840.10008.1.20.1.1";
/// Request Storage Commitment (PS3.4 table J.3-1).
pub(super) const REQUEST: u16 = 1;

/// Some 30,000 instances; held in memory.
const MOST_BYTES: usize = 4 << 20;

/// Action information on its way in.
#[derive(Debug)]
pub(super) struct Asking {
    transfer_syntax: String,
    bytes: Vec<u8>,
}

impl Asking {
    pub(super) fn begin(transfer_syntax: &str) -> Self {
        Self {
            transfer_syntax: transfer_syntax.to_owned(),
            bytes: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.bytes.len() + bytes.len() > MOST_BYTES {
            return Err(Refusal::new(
                Status::ProcessingFailure,
                "a request for storage commitment of more than 4 MiB",
            ));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// What is asked for.
    pub(super) fn finish(self, calling_ae: &str) -> Result<CommitmentRequest, Refusal> {
        let (transaction, instances) = read_request(&self.bytes, &self.transfer_syntax)
            .ok_or_else(|| {
                Refusal::new(
                    Status::InvalidArgument,
                    "a request for storage commitment that cannot be read",
                )
            })?;
        Ok(CommitmentRequest {
            transaction_uid: transaction,
            calling_ae: calling_ae.to_owned(),
            instances,
        })
    }
}

impl Refusal {
    /// The answer to a request that could not be written down.
    pub(super) fn of_commitment(error: &ArchiveError) -> Self {
        Self::new(Status::ProcessingFailure, error.to_string())
    }
}
