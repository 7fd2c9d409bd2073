//! Who may call, and what is accepted.

use crate::tls::Certificate;
use dicom_dictionary_std::uids;
use dicom_ul::pdu::AssociationRJServiceUserReason;
use std::net::IpAddr;

/// An AE title that may call, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its AE title.
    pub ae_title: String,
    /// Addresses it may call from; empty for any.
    pub only_from: Vec<IpAddr>,
    /// Certificates it may show, by fingerprint (`sha256:...`) or name; empty for any, or none.
    pub only_with: Vec<String>,
}

/// An AE title beside the node's own, to which labels that teach are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeachingTitle {
    /// The title.
    pub ae_title: String,
    /// AE titles that may call it; each must be a [`Caller`] too.
    pub callers: Vec<String>,
}

/// Who may call, as long as nobody changes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admission {
    /// Those who may call; the node can call each of them in turn, and reports storage commitment to no other.
    pub callers: Vec<Caller>,
    /// Others may call too.
    pub accept_unknown: bool,
    /// AE title, on the same port, for labels that teach.
    pub teaching: Option<TeachingTitle>,
}

/// Who may call.
#[derive(Debug, Clone, Copy)]
pub struct Callers<'c> {
    /// Called AE title must be this, or that of `teaching`.
    pub ae_title: &'c str,
    /// A second title, which hears those only that are named for it.
    pub teaching: Option<&'c TeachingTitle>,
    /// AE titles that may call.
    pub known: &'c [Caller],
    /// AE titles that are not known may call too.
    pub accept_unknown: bool,
}

/// What is known of a caller beside its AE title.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Where it calls from.
    pub address: IpAddr,
    /// What it showed in the TLS handshake.
    pub certificate: Option<Certificate>,
}

/// Why a caller may not call: what it is told, and a sentence for the log.
pub type NoEntry = (AssociationRJServiceUserReason, String);

impl Callers<'_> {
    /// Called AE title must be ours; calling AE title must be known unless anyone may call. A known one that is tied to
    /// addresses or certificates must call from one of them with one of them, whoever else may call.
    pub(super) fn check(
        &self,
        called: &str,
        calling: &str,
        origin: &Origin,
    ) -> Result<(), NoEntry> {
        use AssociationRJServiceUserReason::{
            CalledAETitleNotRecognized, CallingAETitleNotRecognized,
        };
        let taught = self.teaching.filter(|one| one.ae_title == called);
        if called != self.ae_title && taught.is_none() {
            let why = "it calls another AE title than this node's".to_owned();
            return Err((CalledAETitleNotRecognized, why));
        }
        let unknown = |why: String| Err((CallingAETitleNotRecognized, why));
        let mut known = self
            .known
            .iter()
            .filter(|caller| caller.ae_title == calling)
            .peekable();
        if taught.is_some_and(|one| !one.callers.iter().any(|caller| caller == calling)) {
            return unknown("its AE title is not among those that may teach".to_owned());
        }
        if known.peek().is_none() {
            return match self.accept_unknown && taught.is_none() {
                true => Ok(()),
                false => unknown("its AE title is that of no [[peer]]".to_owned()),
            };
        }
        // An IPv4 address on a socket for both comes as ::ffff:192.0.2.10.
        let address = origin.address.to_canonical();
        let mut here = known
            .filter(|caller| caller.only_from.is_empty() || caller.only_from.contains(&address))
            .peekable();
        if here.peek().is_none() {
            return unknown("it calls from an address that `only_from` does not name".to_owned());
        }
        let certificate = origin.certificate.as_ref();
        let shows = |caller: &Caller| {
            caller.only_with.is_empty()
                || certificate.is_some_and(|shown| shown.is_one_of(&caller.only_with))
        };
        match (here.any(shows), certificate) {
            (true, _) => Ok(()),
            (false, Some(shown)) => unknown(format!(
                "it shows a certificate that `only_with` does not name: {shown}"
            )),
            (false, None) => unknown(
                "it shows no certificate, and `only_with` names those it may show".to_owned(),
            ),
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
