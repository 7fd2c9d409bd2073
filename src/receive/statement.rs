//! What the acceptor accepts, for the conformance statement: read from the tables that negotiation itself uses.

use super::instance::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME};
use super::policy::{STORAGE_CLASSES, TRANSFER_SYNTAXES};
use super::server::MAX_PDU_LENGTH;
use crate::dimse::Status;
use dicom_dictionary_std::uids;

/// The facts of PS3.2 that the code decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Abstract syntaxes that are no storage: Verification, Storage Commitment.
    pub services: Vec<&'static str>,
    /// Storage SOP classes.
    pub storage_classes: Vec<&'static str>,
    /// Transfer syntaxes, for every abstract syntax.
    pub transfer_syntaxes: Vec<&'static str>,
    /// Largest PDU taken, bytes.
    pub max_pdu_length: u32,
    /// Statuses answered with, and what each says.
    pub statuses: Vec<(u16, &'static str)>,
    /// Implementation Class UID (0002,0012) of files.
    pub file_implementation_class_uid: &'static str,
    /// Implementation Version Name (0002,0013) of files.
    pub file_implementation_version_name: &'static str,
    /// Implementation Class UID and Version Name given in associations.
    pub association_implementation: (&'static str, &'static str),
}

/// What this build accepts.
pub fn statement() -> Statement {
    Statement {
        services: SERVICES.to_vec(),
        storage_classes: STORAGE_CLASSES.to_vec(),
        transfer_syntaxes: TRANSFER_SYNTAXES.to_vec(),
        max_pdu_length: MAX_PDU_LENGTH,
        statuses: Status::ALL
            .iter()
            .map(|status| (status.code(), status.meaning()))
            .collect(),
        file_implementation_class_uid: IMPLEMENTATION_CLASS_UID,
        file_implementation_version_name: IMPLEMENTATION_VERSION_NAME,
        association_implementation: (
            dicom_ul::IMPLEMENTATION_CLASS_UID,
            dicom_ul::IMPLEMENTATION_VERSION_NAME,
        ),
    }
}

/// Abstract syntaxes accepted beside storage.
pub(super) const SERVICES: &[&str] = &[uids::VERIFICATION, uids::STORAGE_COMMITMENT_PUSH_MODEL];
