//! A file to be sent: what it is, and its data set in the transfer syntax a peer takes.

use super::compression::compressed;
use super::error::DeliverError;
use dicom_dictionary_std::uids;
use dicom_encoding::TransferSyntaxIndex;
use dicom_object::meta::FileMetaTable;
use dicom_pixeldata::Transcode;
use dicom_transfer_syntax_registry::{TransferSyntaxRegistry, entries::EXPLICIT_VR_LITTLE_ENDIAN};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

/// What negotiation needs to know of a file, from its file meta information (PS3.10 section 7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) path: PathBuf,
    pub(super) sop_class: String,
    pub(super) sop_instance: String,
    /// UID of the file's own transfer syntax.
    pub(super) transfer_syntax: String,
    /// Where the data set starts, bytes.
    pub(super) data_set_offset: u64,
    /// Length of the data set as it lies in the file, bytes.
    pub(super) data_set_length: u64,
    /// Transfer syntaxes it may be compressed to for the peer, the most wanted first.
    pub(super) targets: Vec<String>,
}

impl Instance {
    /// Reads the file meta information; the data set is left unread.
    pub(super) fn read(path: &Path) -> Result<Self, DeliverError> {
        let unreadable = |reason: String| DeliverError::Unreadable {
            path: path.to_owned(),
            reason,
        };
        let file = File::open(path).map_err(|e| unreadable(e.to_string()))?;
        let length = file
            .metadata()
            .map_err(|e| unreadable(e.to_string()))?
            .len();
        let mut file = BufReader::new(file);
        let mut preamble = [0; 128];
        file.read_exact(&mut preamble)
            .map_err(|_| unreadable("not a DICOM file (shorter than a preamble)".into()))?;
        let meta = FileMetaTable::from_reader(&mut file).map_err(|_| {
            unreadable("not a DICOM file (no file meta information after the preamble)".into())
        })?;
        let data_set_offset = file
            .stream_position()
            .map_err(|e| unreadable(e.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            sop_class: trimmed(meta.media_storage_sop_class_uid()),
            sop_instance: trimmed(meta.media_storage_sop_instance_uid()),
            transfer_syntax: trimmed(meta.transfer_syntax()),
            data_set_offset,
            data_set_length: length.saturating_sub(data_set_offset),
            targets: Vec::new(),
        })
    }

    /// The data set in another transfer syntax: compressed to one of its targets, or uncompressed, pixel data decoded
    /// where it is encapsulated.
    ///
    /// Takes as long as decoding takes: not for an asynchronous task.
    pub(super) fn transcoded(&self, transfer_syntax: &str) -> Result<Vec<u8>, DeliverError> {
        let unreadable = |reason: String| DeliverError::Unreadable {
            path: self.path.clone(),
            reason: format!(
                "the peer does not take it in {}, and it cannot be sent uncompressed: {reason}",
                transfer_syntax_name(&self.transfer_syntax)
            ),
        };
        if self.targets.iter().any(|target| target == transfer_syntax) {
            return compressed(self, transfer_syntax).map_err(|reason| DeliverError::Unreadable {
                path: self.path.clone(),
                reason: format!(
                    "it cannot be compressed to {} ({reason}); leave that out of the peer's `compress`",
                    transfer_syntax_name(transfer_syntax)
                ),
            });
        }
        let target = TransferSyntaxRegistry
            .get(transfer_syntax)
            .ok_or_else(|| unreadable("the peer chose an unknown transfer syntax".into()))?;
        let mut object =
            dicom_object::open_file(&self.path).map_err(|e| unreadable(e.to_string()))?;
        object
            .transcode(&EXPLICIT_VR_LITTLE_ENDIAN.erased())
            .map_err(|e| unreadable(e.to_string()))?;
        let mut bytes = Vec::new();
        object
            .write_dataset_with_ts(&mut bytes, target)
            .map_err(|e| unreadable(e.to_string()))?;
        Ok(bytes)
    }
}

fn trimmed(uid: &str) -> String {
    uid.trim_end_matches(['\0', ' ']).to_owned()
}

/// The name of a transfer syntax, or its UID when it has none.
pub(super) fn transfer_syntax_name(uid: &str) -> String {
    TransferSyntaxRegistry
        .get(uid)
        .map_or_else(|| uid.to_owned(), |syntax| syntax.name().to_owned())
}

/// The name of a SOP class that often comes by, with its UID, or else its UID alone.
pub(super) fn sop_class_name(uid: &str) -> String {
    let name = match uid {
        uids::VERIFICATION => "Verification",
        uids::CT_IMAGE_STORAGE => "CT Image Storage",
        uids::ENHANCED_CT_IMAGE_STORAGE => "Enhanced CT Image Storage",
        uids::MR_IMAGE_STORAGE => "MR Image Storage",
        uids::ENHANCED_MR_IMAGE_STORAGE => "Enhanced MR Image Storage",
        uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE => "PET Image Storage",
        uids::SEGMENTATION_STORAGE => "Segmentation Storage",
        uids::LABEL_MAP_SEGMENTATION_STORAGE => "Label Map Segmentation Storage",
        uids::STUDY_ROOT_QUERY_RETRIEVE_INFORMATION_MODEL_MOVE => {
            "Study Root Query/Retrieve Information Model - MOVE"
        }
        uids::SECONDARY_CAPTURE_IMAGE_STORAGE => "Secondary Capture Image Storage",
        _ => return format!("SOP class {uid}"),
    };
    format!("{name} ({uid})")
}
