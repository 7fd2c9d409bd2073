//! What the acceptor accepts, for the conformance statement: read from the tables that negotiation itself uses.

use super::negotiation::MOST_CONTEXTS;
use super::policy::{STORAGE_CLASSES, TRANSFER_SYNTAXES};
use crate::dimse::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, MAX_PDU_LENGTH, Status};
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
    /// Implementation Class UID, in associations and in files (0002,0012).
    pub implementation_class_uid: &'static str,
    /// Implementation Version Name, in associations and in files (0002,0013).
    pub implementation_version_name: &'static str,
    /// Most presentation contexts of an association.
    pub max_presentation_contexts: usize,
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
        implementation_class_uid: IMPLEMENTATION_CLASS_UID,
        implementation_version_name: IMPLEMENTATION_VERSION_NAME,
        max_presentation_contexts: MOST_CONTEXTS,
    }
}

/// Abstract syntaxes accepted beside storage.
pub(super) const SERVICES: &[&str] = &[uids::VERIFICATION, uids::STORAGE_COMMITMENT_PUSH_MODEL];
