//! Storage Commitment Push Model: as its provider the request (PS3.4 section J.3.2), as its user the report on what this
//! node asked (section J.3.3).
//!
//! Both are written into the index before they are answered. The report on a request follows on an association of its
//! own; what comes of a report is for the node to see to.

use super::refusal::Refusal;
use crate::archive::{CommitmentOutcome, CommitmentRequest};
use crate::dimse::{
    Command, LARGEST_COMMITMENT, Status, check_commitment, read_report, read_request,
};
use dicom_dictionary_std::uids;
use dicom_ul::pdu::PresentationContextNegotiated;

/// Action or event information on its way in.
#[derive(Debug)]
pub(super) struct Information {
    transfer_syntax: String,
    bytes: Vec<u8>,
}

impl Information {
    /// That of an N-ACTION or N-EVENT-REPORT, if it is one of storage commitment.
    pub(super) fn of(
        command: &Command,
        context: &PresentationContextNegotiated,
    ) -> Result<Self, Refusal> {
        check_commitment(command).map_err(|status| {
            let reason = "a command that Storage Commitment Push Model lacks";
            Refusal::new(status, reason)
        })?;
        if context.abstract_syntax != uids::STORAGE_COMMITMENT_PUSH_MODEL {
            return Err(Refusal::new(
                Status::SopClassNotSupported,
                "the SOP class is not the one of its presentation context",
            ));
        }
        Ok(Self {
            transfer_syntax: context.transfer_syntax.clone(),
            bytes: Vec::new(),
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.bytes.len() + bytes.len() > LARGEST_COMMITMENT {
            return Err(Refusal::new(
                Status::ProcessingFailure,
                "a message on storage commitment of more than 4 MiB",
            ));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// What is asked for.
    pub(super) fn request(self, calling_ae: &str) -> Result<CommitmentRequest, Refusal> {
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

    /// What is reported.
    pub(super) fn report(self, calling_ae: &str) -> Result<CommitmentOutcome, Refusal> {
        let report = read_report(&self.bytes, &self.transfer_syntax).ok_or_else(|| {
            Refusal::new(
                Status::InvalidArgument,
                "a report on storage commitment that cannot be read",
            )
        })?;
        Ok(CommitmentOutcome {
            transaction_uid: report.transaction_uid,
            reporting_ae: calling_ae.to_owned(),
            instances: report
                .instances
                .into_iter()
                .map(|one| (one.sop_instance, one.failure))
                .collect(),
        })
    }
}

/// What is answered to a report on something that its sender was not asked for.
pub(super) fn not_asked() -> Refusal {
    Refusal::new(
        Status::InvalidArgument,
        "a report on storage commitment that this caller was not asked for",
    )
}
