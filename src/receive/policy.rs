//! Who may call, and what is accepted.

use dicom_dictionary_std::uids;
use dicom_ul::association::server::AccessControl;
use dicom_ul::pdu::{AssociationRJServiceUserReason, UserIdentity};
use std::net::IpAddr;

/// An AE title that may call, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its AE title.
    pub ae_title: String,
    /// Addresses it may call from; empty for any.
    pub only_from: Vec<IpAddr>,
}

/// An AE title beside the node's own, to which labels that teach are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeachingTitle {
    /// The title.
    pub ae_title: String,
    /// AE titles that may call it; each must be a [`Caller`] too.
    pub callers: Vec<String>,
}

/// Called AE title must be one of ours; calling AE title must be known unless anyone may call. A known one that is tied to
/// addresses must call from one of them, whoever else may call. The teaching title hears those only that are named for it.
#[derive(Debug, Clone)]
pub(super) struct KnownCallers {
    pub(super) known: Vec<Caller>,
    /// AE titles that are not known may call too.
    pub(super) accept_unknown: bool,
    pub(super) teaching: Option<TeachingTitle>,
    /// Where this caller calls from.
    pub(super) address: IpAddr,
}

impl AccessControl for KnownCallers {
    fn check_access(
        &self,
        this_ae_title: &str,
        calling_ae_title: &str,
        called_ae_title: &str,
        _user_identity: Option<&UserIdentity>,
    ) -> Result<(), AssociationRJServiceUserReason> {
        let called = called_ae_title.trim();
        let taught = self.teaching.as_ref().filter(|one| one.ae_title == called);
        if called != this_ae_title && taught.is_none() {
            return Err(AssociationRJServiceUserReason::CalledAETitleNotRecognized);
        }
        let mut known = self
            .known
            .iter()
            .filter(|caller| caller.ae_title == calling_ae_title.trim())
            .peekable();
        // An IPv4 address on a socket for both comes as ::ffff:192.0.2.10.
        let address = self.address.to_canonical();
        let may_call = match known.peek() {
            None => self.accept_unknown && taught.is_none(),
            Some(_) => known
                .any(|caller| caller.only_from.is_empty() || caller.only_from.contains(&address)),
        };
        let may_teach =
            taught.is_none_or(|one| one.callers.iter().any(|c| c == calling_ae_title.trim()));
        if may_call && may_teach {
            Ok(())
        } else {
            Err(AssociationRJServiceUserReason::CallingAETitleNotRecognized)
        }
    }
}

/// Storage SOP classes accepted: images, and the objects a PACS sends beside them.
pub(super) const STORAGE_CLASSES: &[&str] = &[
    uids::CT_IMAGE_STORAGE,
    uids::ENHANCED_CT_IMAGE_STORAGE,
    uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE,
    uids::MR_IMAGE_STORAGE,
    uids::ENHANCED_MR_IMAGE_STORAGE,
    uids::ENHANCED_MR_COLOR_IMAGE_STORAGE,
    uids::LEGACY_CONVERTED_ENHANCED_MR_IMAGE_STORAGE,
    uids::MR_SPECTROSCOPY_STORAGE,
    uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE,
    uids::ENHANCED_PET_IMAGE_STORAGE,
    uids::LEGACY_CONVERTED_ENHANCED_PET_IMAGE_STORAGE,
    uids::NUCLEAR_MEDICINE_IMAGE_STORAGE,
    uids::SEGMENTATION_STORAGE,
    uids::LABEL_MAP_SEGMENTATION_STORAGE,
    uids::SURFACE_SEGMENTATION_STORAGE,
    uids::PARAMETRIC_MAP_STORAGE,
    uids::RT_STRUCTURE_SET_STORAGE,
    uids::RT_DOSE_STORAGE,
    uids::RT_PLAN_STORAGE,
    uids::RT_IMAGE_STORAGE,
    uids::SPATIAL_REGISTRATION_STORAGE,
    uids::DEFORMABLE_SPATIAL_REGISTRATION_STORAGE,
    uids::SPATIAL_FIDUCIALS_STORAGE,
    uids::REAL_WORLD_VALUE_MAPPING_STORAGE,
    uids::RAW_DATA_STORAGE,
    uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE,
    uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
    uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PROCESSING,
    uids::DIGITAL_MAMMOGRAPHY_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION,
    uids::BREAST_TOMOSYNTHESIS_IMAGE_STORAGE,
    uids::X_RAY_ANGIOGRAPHIC_IMAGE_STORAGE,
    uids::ENHANCED_XA_IMAGE_STORAGE,
    uids::X_RAY_RADIOFLUOROSCOPIC_IMAGE_STORAGE,
    uids::X_RAY3_D_ANGIOGRAPHIC_IMAGE_STORAGE,
    uids::ULTRASOUND_IMAGE_STORAGE,
    uids::ULTRASOUND_MULTI_FRAME_IMAGE_STORAGE,
    uids::ENHANCED_US_VOLUME_STORAGE,
    uids::SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::MULTI_FRAME_SINGLE_BIT_SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::MULTI_FRAME_GRAYSCALE_BYTE_SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::MULTI_FRAME_GRAYSCALE_WORD_SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::MULTI_FRAME_TRUE_COLOR_SECONDARY_CAPTURE_IMAGE_STORAGE,
    uids::GRAYSCALE_SOFTCOPY_PRESENTATION_STATE_STORAGE,
    uids::COLOR_SOFTCOPY_PRESENTATION_STATE_STORAGE,
    uids::BASIC_TEXT_SR_STORAGE,
    uids::ENHANCED_SR_STORAGE,
    uids::COMPREHENSIVE_SR_STORAGE,
    uids::COMPREHENSIVE3_DSR_STORAGE,
    uids::X_RAY_RADIATION_DOSE_SR_STORAGE,
    uids::RADIOPHARMACEUTICAL_RADIATION_DOSE_SR_STORAGE,
    uids::KEY_OBJECT_SELECTION_DOCUMENT_STORAGE,
    uids::ENCAPSULATED_PDF_STORAGE,
];

/// Transfer syntaxes accepted. Of those a peer proposes for a presentation
/// context the first one in the *peer's* order is taken: what it prefers is
/// what it holds, so nothing is transcoded on the way.
pub(super) const TRANSFER_SYNTAXES: &[&str] = &[
    uids::IMPLICIT_VR_LITTLE_ENDIAN,
    uids::EXPLICIT_VR_LITTLE_ENDIAN,
    uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    uids::RLE_LOSSLESS,
    uids::JPEG_BASELINE8_BIT,
    uids::JPEG_EXTENDED12_BIT,
    uids::JPEG_LOSSLESS,
    uids::JPEG_LOSSLESS_SV1,
    uids::JPEGLS_LOSSLESS,
    uids::JPEGLS_NEAR_LOSSLESS,
    uids::JPEG2000_LOSSLESS,
    uids::JPEG2000,
    uids::HTJ2K_LOSSLESS,
    uids::HTJ2K_LOSSLESS_RPCL,
    uids::HTJ2K,
];

/// Explicit VR Big Endian, retired in 2006 and still sent.
const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
