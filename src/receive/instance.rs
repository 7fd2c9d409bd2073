//! One instance arriving: the file's head is written, the data set follows as it comes, and what it says of itself is read.

use crate::archive::{Archive, ArchiveError, NO_SEAL, SEAL_CREATOR, Spool, Spooled, read_header};
use crate::dimse::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, Status};
use dicom_dictionary_std::tags;
use dicom_object::FileMetaTableBuilder;

/// An instance on its way in.
#[derive(Debug)]
pub(super) struct Arriving {
    spool: Spool,
    sop_class_uid: String,
    sop_instance_uid: String,
    transfer_syntax: String,
    data_offset: u64,
}

/// What an instance says of itself.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) sop_class_uid: String,
    pub(super) sop_instance_uid: String,
    pub(super) transfer_syntax: String,
    pub(super) study_uid: String,
    pub(super) series_uid: String,
    pub(super) modality: String,
    pub(super) bytes: Spooled,
}

/// Why an instance is not kept: the status to answer, and a sentence for the log (no patient data in it).
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

impl Arriving {
    /// Begins the file: preamble and a fresh File Meta Information (PS3.10 section 7.1).
    pub(super) fn begin(
        archive: &Archive,
        sop_class_uid: &str,
        sop_instance_uid: &str,
        transfer_syntax: &str,
        calling_ae: &str,
        called_ae: &str,
    ) -> Result<Self, Refusal> {
        let meta = FileMetaTableBuilder::new()
            .media_storage_sop_class_uid(sop_class_uid)
            .media_storage_sop_instance_uid(sop_instance_uid)
            .transfer_syntax(transfer_syntax)
            .implementation_class_uid(IMPLEMENTATION_CLASS_UID)
            .implementation_version_name(IMPLEMENTATION_VERSION_NAME)
            .source_application_entity_title(calling_ae)
            .receiving_application_entity_title(called_ae)
            .private_information_creator_uid(SEAL_CREATOR)
            .private_information(NO_SEAL)
            .build()
            .map_err(|_| {
                Refusal::new(
                    Status::CannotUnderstand,
                    "the command's UIDs make no file meta information",
                )
            })?;
        let mut head = vec![0u8; 128];
        head.extend_from_slice(b"DICM");
        meta.write(&mut head).map_err(|_| {
            Refusal::new(
                Status::ProcessingFailure,
                "the file meta information cannot be written",
            )
        })?;
        Ok(Self {
            data_offset: head.len() as u64,
            spool: archive.spool(&head)?,
            sop_class_uid: sop_class_uid.to_owned(),
            sop_instance_uid: sop_instance_uid.to_owned(),
            transfer_syntax: transfer_syntax.to_owned(),
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        Ok(self.spool.write(bytes)?)
    }

    /// Ends the file, reads its header back, pixel data excepted, and makes all of it durable.
    ///
    /// Blocking work: call it off the async threads.
    pub(super) fn finish(self) -> Result<Arrived, Refusal> {
        let written = self.spool.finish()?;
        let cannot = |reason: &str| Refusal::new(Status::CannotUnderstand, reason);
        let found = read_header(written.path(), self.data_offset, &self.transfer_syntax)
            .map_err(|reason| cannot(&format!("the data set is not understood: {reason}")))?;
        let required = |tag, name: &str| {
            found
                .get(&tag)
                .cloned()
                .ok_or_else(|| cannot(&format!("the data set has no {name}")))
        };
        let mismatch = |what: &str| {
            Refusal::new(
                Status::DataSetDoesNotMatchSopClass,
                format!("{what} of the data set is not the one in the command"),
            )
        };
        if required(tags::SOP_CLASS_UID, "SOP Class UID")? != self.sop_class_uid {
            return Err(mismatch("SOP Class UID"));
        }
        if required(tags::SOP_INSTANCE_UID, "SOP Instance UID")? != self.sop_instance_uid {
            return Err(mismatch("SOP Instance UID"));
        }
        Ok(Arrived {
            study_uid: required(tags::STUDY_INSTANCE_UID, "Study Instance UID")?,
            series_uid: required(tags::SERIES_INSTANCE_UID, "Series Instance UID")?,
            modality: found.get(&tags::MODALITY).cloned().unwrap_or_default(),
            sop_class_uid: self.sop_class_uid,
            sop_instance_uid: self.sop_instance_uid,
            transfer_syntax: self.transfer_syntax,
            bytes: written.seal()?,
        })
    }
}
