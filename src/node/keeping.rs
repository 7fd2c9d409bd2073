//! Keeps what a peer gives by C-GET, as if it had been sent.

use crate::archive::{Acceptance, Archive, Arriving, NotKept};
use crate::deliver::Keeping;
use crate::dimse::Status;
use crate::receive::status_of;
use std::sync::Arc;

/// Into the archive, by an acceptance.
pub(super) struct IntoArchive {
    archive: Arc<Archive>,
    acceptance: Acceptance,
    /// The instance under way and its bytes so far, or why it is not kept.
    arriving: Result<(Arriving, u64), Status>,
}

impl IntoArchive {
    pub(super) fn new(archive: Arc<Archive>, acceptance: Acceptance) -> Self {
        Self {
            archive,
            acceptance,
            arriving: Err(Status::ProcessingFailure),
        }
    }
}

impl Keeping for IntoArchive {
    fn begin(&mut self, sop_class_uid: &str, sop_instance_uid: &str, transfer_syntax: &str) {
        let Acceptance {
            sender,
            min_free_bytes,
            ..
        } = &self.acceptance;
        let archive = &self.archive;
        let begun = archive.may_take_more(*min_free_bytes).and_then(|()| {
            Arriving::begin(
                archive,
                sop_class_uid,
                sop_instance_uid,
                transfer_syntax,
                sender,
            )
        });
        self.arriving = begun
            .map(|arriving| (arriving, 0))
            .map_err(|not_kept| refused(&not_kept));
    }

    fn write(&mut self, bytes: &[u8]) {
        let Ok((arriving, length)) = &mut self.arriving else {
            return;
        };
        *length += bytes.len() as u64;
        if *length > self.acceptance.max_instance_bytes {
            tracing::warn!("an instance that was asked for is larger than max_instance");
            self.arriving = Err(Status::OutOfResources);
        } else if let Err(not_kept) = arriving.write(bytes) {
            self.arriving = Err(refused(&not_kept));
        }
    }

    async fn end(&mut self) -> Status {
        let over = Err(Status::ProcessingFailure);
        let (arriving, _) = match std::mem::replace(&mut self.arriving, over) {
            Ok(arrived) => arrived,
            Err(status) => return status,
        };
        let instance = match arriving.finish(|_| Ok(())) {
            Ok(instance) => instance,
            Err(not_kept) => return refused(&not_kept),
        };
        match self.archive.store(instance).await {
            Ok(()) => {
                metrics::counter!("irisnode_instances_received_total").increment(1);
                Status::Success
            }
            Err(error) => refused(&error.into()),
        }
    }
}

/// The answer to an instance that is not kept; the log has the reason.
fn refused(not_kept: &NotKept) -> Status {
    let status = status_of(not_kept.fault);
    tracing::warn!(
        status = format!("{:04X}H", status.code()),
        reason = %not_kept.reason,
        "an instance that was asked for is not kept"
    );
    status
}
