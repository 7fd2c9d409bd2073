//! One instance arriving, over whatever it comes: the file's head is written, the data set follows as it comes, and what it
//! says of itself is read and sealed. The one way into the archive.

use super::header::read_header;
use super::seal::{NO_SEAL, SEAL_CREATOR};
use super::spool::Spool;
use super::{Archive, ArchiveError, NewInstance};
use dicom_dictionary_std::tags;
use dicom_object::FileMetaTableBuilder;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Who sends instances, and what receives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// AE title of the sender.
    pub calling_ae: String,
    /// AE title it was sent to.
    pub called_ae: String,
    /// Implementation Class UID (0002,0012) of the receiver.
    pub implementation_class_uid: &'static str,
    /// Implementation Version Name (0002,0013) of the receiver.
    pub implementation_version_name: &'static str,
}

/// An instance on its way in.
#[derive(Debug)]
pub struct Arriving {
    spool: Spool,
    sop_class_uid: String,
    sop_instance_uid: String,
    transfer_syntax: String,
    calling_ae: String,
    called_ae: String,
    data_offset: u64,
}

/// Whose fault it is that an instance is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The disk or the index does not take it now.
    OutOfResources,
    /// The data set cannot be read, is cut short, or lacks a UID.
    CannotUnderstand,
    /// Its UIDs are not those that were announced.
    Mismatch,
    /// Ours.
    ProcessingFailure,
}

/// Why an instance is not kept, with a sentence for the log (no patient data in it).
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct NotKept {
    /// Whose fault it is.
    pub fault: Fault,
    /// The sentence.
    pub reason: String,
}

impl NotKept {
    fn new(fault: Fault, reason: impl Into<String>) -> Self {
        Self {
            fault,
            reason: reason.into(),
        }
    }
}

impl From<ArchiveError> for NotKept {
    fn from(error: ArchiveError) -> Self {
        Self::new(Fault::OutOfResources, error.to_string())
    }
}

impl Archive {
    /// Whether an instance may come now: there is room for it, and the index can be written.
    ///
    /// # Errors
    /// [`Fault::OutOfResources`].
    pub fn may_take_more(&self, min_free_bytes: u64) -> Result<(), NotKept> {
        let full = |reason: String| NotKept::new(Fault::OutOfResources, reason);
        let free = self.free_bytes()?;
        if free < min_free_bytes {
            let free = free >> 20;
            return Err(full(format!(
                "only {free} MiB are free on the data folder's disk"
            )));
        }
        if self.is_in_trouble() {
            return Err(full("the index cannot be written at the moment".into()));
        }
        Ok(())
    }
}

impl Arriving {
    /// Begins the file: preamble and a fresh File Meta Information (PS3.10 section 7.1).
    ///
    /// # Errors
    /// When the UIDs make none, or the disk takes none.
    pub fn begin(
        archive: &Archive,
        sop_class_uid: &str,
        sop_instance_uid: &str,
        transfer_syntax: &str,
        sender: &Sender,
    ) -> Result<Self, NotKept> {
        let meta = FileMetaTableBuilder::new()
            .media_storage_sop_class_uid(sop_class_uid)
            .media_storage_sop_instance_uid(sop_instance_uid)
            .transfer_syntax(transfer_syntax)
            .implementation_class_uid(sender.implementation_class_uid)
            .implementation_version_name(sender.implementation_version_name)
            .source_application_entity_title(&sender.calling_ae)
            .receiving_application_entity_title(&sender.called_ae)
            .private_information_creator_uid(SEAL_CREATOR)
            .private_information(NO_SEAL)
            .build()
            .map_err(|_| {
                NotKept::new(
                    Fault::CannotUnderstand,
                    "the announced UIDs make no file meta information",
                )
            })?;
        let mut head = vec![0u8; 128];
        head.extend_from_slice(b"DICM");
        meta.write(&mut head).map_err(|_| {
            NotKept::new(
                Fault::ProcessingFailure,
                "the file meta information cannot be written",
            )
        })?;
        Ok(Self {
            data_offset: head.len() as u64,
            spool: archive.spool(&head)?,
            sop_class_uid: sop_class_uid.to_owned(),
            sop_instance_uid: sop_instance_uid.to_owned(),
            transfer_syntax: transfer_syntax.to_owned(),
            calling_ae: sender.calling_ae.clone(),
            called_ae: sender.called_ae.clone(),
        })
    }

    /// Appends bytes of the data set.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), NotKept> {
        Ok(self.spool.write(bytes)?)
    }

    /// Ends the file, reads its header back, pixel data excepted, and makes all of it durable; `fits` may refuse it
    /// before, by what it says of itself. What it gives is for [`Archive::store`].
    ///
    /// Blocking work: call it off the async threads.
    ///
    /// # Errors
    /// When the data set is not what was announced, or cannot be read, or the disk fails. A parser that panics costs this
    /// instance only.
    pub fn finish(
        self,
        fits: impl FnOnce(&super::Header) -> Result<(), NotKept>,
    ) -> Result<NewInstance, NotKept> {
        catch_unwind(AssertUnwindSafe(|| self.finish_trusting(fits))).unwrap_or_else(|_| {
            Err(NotKept::new(
                Fault::CannotUnderstand,
                "reading the data set's header failed",
            ))
        })
    }

    fn finish_trusting(
        self,
        fits: impl FnOnce(&super::Header) -> Result<(), NotKept>,
    ) -> Result<NewInstance, NotKept> {
        let written = self.spool.finish()?;
        let cannot = |reason: &str| NotKept::new(Fault::CannotUnderstand, reason);
        let found = read_header(written.path(), self.data_offset, &self.transfer_syntax)
            .map_err(|reason| cannot(&format!("the data set is not understood: {reason}")))?;
        let required = |tag, name: &str| {
            found
                .get(&tag)
                .cloned()
                .ok_or_else(|| cannot(&format!("the data set has no {name}")))
        };
        let mismatch = |what: &str| {
            NotKept::new(
                Fault::Mismatch,
                format!("{what} of the data set is not the one that was announced"),
            )
        };
        if required(tags::SOP_CLASS_UID, "SOP Class UID")? != self.sop_class_uid {
            return Err(mismatch("SOP Class UID"));
        }
        if required(tags::SOP_INSTANCE_UID, "SOP Instance UID")? != self.sop_instance_uid {
            return Err(mismatch("SOP Instance UID"));
        }
        let study_uid = required(tags::STUDY_INSTANCE_UID, "Study Instance UID")?;
        let series_uid = required(tags::SERIES_INSTANCE_UID, "Series Instance UID")?;
        fits(&found)?;
        Ok(NewInstance {
            study_uid,
            series_uid,
            modality: found.get(&tags::MODALITY).cloned().unwrap_or_default(),
            sop_class_uid: self.sop_class_uid,
            sop_instance_uid: self.sop_instance_uid,
            transfer_syntax: self.transfer_syntax,
            calling_ae: self.calling_ae,
            called_ae: self.called_ae,
            header: found,
            bytes: written.seal()?,
        })
    }
}
