//! Measurement report of a segmentation: TID 1500 (PS3.16), a volume for each segment, as Comprehensive SR.

use super::content_item::{
    Relationship::{Contains, HasConceptMod, HasObsContext},
    coded, container, contents, dcm, number, segment, uid, worded,
};
use super::element::{empty, item, limited, sequence, text};
use super::file::write_file;
use super::segment_sequence::{algorithm_of, tracking};
use super::uid::ResultUids;
use super::{EncodeError, Provenance, SegInstance, Segment, WrittenSegment};
use super::{modules, uid as uids_of};
use crate::assemble::SourceSeries;
use crate::terminology::Code;
use crate::volume::Geometry;
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

/// A measurement report ready to be kept and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportInstance {
    /// The whole DICOM file, in Explicit VR Little Endian.
    pub bytes: Vec<u8>,
    /// SOP Instance UID (0008,0018).
    pub sop_instance_uid: String,
    /// Series Instance UID (0020,000E).
    pub series_instance_uid: String,
}

/// Writes the measurement report of a segmentation: for each segment that it holds its volume, by its voxels on
/// `grid`, with the reference to the segment, its tracking identifiers and codes, and the algorithm.
///
/// The UIDs follow from those of the segmentation.
///
/// # Errors
/// When the source has no place in an archive, or the report cannot be encoded.
pub fn write_report(
    seg: &SegInstance,
    segments: &[Segment],
    grid: &Geometry,
    source: &SourceSeries,
    provenance: &Provenance,
) -> Result<ReportInstance, EncodeError> {
    let seg_uids = ResultUids::new(source, provenance, seg.segmentation_type);
    let sop_instance_uid = uids_of::derived(&seg.sop_instance_uid, "report");
    let series_instance_uid = uids_of::derived(&seg.series_instance_uid, "report series");
    let series = modules::source_series(source)?;
    let groups = seg
        .written_segments
        .iter()
        .filter_map(|written| {
            let meant = segments
                .iter()
                .find(|s| s.number == written.source_number)?;
            Some(group(
                written, meant, seg, grid, &series, &seg_uids, provenance,
            ))
        })
        .collect();
    let mut data_set = item([
        text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        text(tags::SOP_CLASS_UID, VR::UI, uids::COMPREHENSIVE_SR_STORAGE),
        text(tags::SOP_INSTANCE_UID, VR::UI, &sop_instance_uid),
        text(tags::INSTANCE_NUMBER, VR::IS, "1"),
        text(tags::COMPLETION_FLAG, VR::CS, "COMPLETE"),
        text(tags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED"),
        sequence(tags::PERFORMED_PROCEDURE_CODE_SEQUENCE, Vec::new()),
        sequence(
            tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE,
            Vec::new(),
        ),
        evidence(seg, source, &series)?,
        text(tags::VALUE_TYPE, VR::CS, "CONTAINER"),
        super::element::code(
            tags::CONCEPT_NAME_CODE_SEQUENCE,
            &dcm("126000", "Imaging Measurement Report"),
        ),
    ]);
    let elements = modules::patient_and_study(source)?
        .into_iter()
        .chain(modules::report_series(
            source,
            provenance,
            &series_instance_uid,
        ))
        .chain(contents(
            Some("1500"),
            [
                context(source, provenance),
                vec![container(
                    &dcm("126010", "Imaging Measurements"),
                    None,
                    groups,
                )],
            ]
            .concat(),
        ));
    for element in elements {
        data_set.put(element);
    }
    if data_set.element(tags::STUDY_ID).is_err() {
        data_set.put(empty(tags::STUDY_ID, VR::SH));
    }
    let mut bytes = Vec::new();
    write_file(
        &mut bytes,
        &data_set,
        uids::COMPREHENSIVE_SR_STORAGE,
        &sop_instance_uid,
    )?;
    Ok(ReportInstance {
        bytes,
        sop_instance_uid,
        series_instance_uid,
    })
}

/// Language, observer and procedure (TID 1204, 1001, 1500 row 4).
fn context(source: &SourceSeries, provenance: &Provenance) -> Vec<InMemDicomObject> {
    let device = uids_of::derived(&provenance.weights_hash, "device observer");
    let observer = |value, meaning: &str| dcm(value, meaning);
    vec![
        coded(
            HasConceptMod,
            &dcm("121049", "Language of Content Item and Descendants"),
            &Code::new("en", "RFC5646", "English"),
            Vec::new(),
        ),
        coded(
            HasObsContext,
            &observer("121005", "Observer Type"),
            &observer("121007", "Device"),
            Vec::new(),
        ),
        uid(
            HasObsContext,
            &observer("121012", "Device Observer UID"),
            &device,
        ),
        worded(
            HasObsContext,
            &observer("121013", "Device Observer Name"),
            concat!("irisnode ", env!("CARGO_PKG_VERSION")),
        ),
        coded(
            HasConceptMod,
            &dcm("121058", "Procedure reported"),
            &procedure(&source.modality()),
            Vec::new(),
        ),
    ]
}

fn procedure(modality: &str) -> Code {
    match modality {
        "CT" => Code::new("77477000", "SCT", "Computed tomography"),
        "MR" => Code::new("113091000", "SCT", "Magnetic resonance imaging"),
        "PT" => Code::new("82918005", "SCT", "Positron emission tomography"),
        _ => Code::new("363679005", "SCT", "Imaging procedure"),
    }
}

/// Volumetric ROI Measurements (TID 1411) of one segment.
fn group(
    written: &WrittenSegment,
    meant: &Segment,
    seg: &SegInstance,
    grid: &Geometry,
    source_series: &str,
    seg_uids: &ResultUids,
    provenance: &Provenance,
) -> InMemDicomObject {
    let described = &meant.description;
    let (identifier, unique) = tracking(written.number, meant, seg_uids);
    let algorithm = algorithm_of(meant);
    let mut items = vec![
        worded(
            HasObsContext,
            &dcm("112039", "Tracking Identifier"),
            &identifier,
        ),
        uid(
            HasObsContext,
            &dcm("112040", "Tracking Unique Identifier"),
            &unique,
        ),
        coded(
            Contains,
            &Code::new("276214006", "SCT", "Finding category"),
            &described.category,
            Vec::new(),
        ),
        coded(
            Contains,
            &dcm("121071", "Finding"),
            &described.property_type,
            Vec::new(),
        ),
    ];
    items.extend(finding_site(meant));
    items.extend([
        segment(
            &dcm("121191", "Referenced Segment"),
            seg.sop_class_uid(),
            &seg.sop_instance_uid,
            written.number,
        ),
        uid(
            Contains,
            &dcm("121232", "Source series for segmentation"),
            source_series,
        ),
        worded(
            HasConceptMod,
            &dcm("111001", "Algorithm Name"),
            &algorithm.name,
        ),
        worded(
            HasConceptMod,
            &dcm("111003", "Algorithm Version"),
            &algorithm.version,
        ),
    ]);
    if !provenance.weights_hash.is_empty() {
        items.push(worded(
            HasConceptMod,
            &dcm("111002", "Algorithm Parameters"),
            &format!("weights {}", limited(&provenance.weights_hash, 128)),
        ));
    }
    items.push(number(
        &Code::new("118565006", "SCT", "Volume"),
        written.voxels as f64 * grid.voxel_mm3() / 1000.0,
        &Code::new("mL", "UCUM", "milliliter"),
    ));
    container(&dcm("125007", "Measurement Group"), Some("1411"), items)
}

/// Where it is: the anatomic region of a finding, or the side of an organ.
fn finding_site(meant: &Segment) -> Option<InMemDicomObject> {
    let described = &meant.description;
    let (site, side) = match &described.anatomic_region {
        Some(region) => (region, &described.anatomic_region_modifier),
        None => {
            described.property_type_modifier.as_ref()?;
            (&described.property_type, &described.property_type_modifier)
        }
    };
    let side = side.as_ref().map(|side| {
        coded(
            HasConceptMod,
            &Code::new("272741003", "SCT", "Laterality"),
            side,
            Vec::new(),
        )
    });
    Some(coded(
        HasConceptMod,
        &Code::new("363698007", "SCT", "Finding Site"),
        site,
        side.into_iter().collect(),
    ))
}

/// Every instance that the report speaks of: the segmentation and its source.
fn evidence(
    seg: &SegInstance,
    source: &SourceSeries,
    source_series: &str,
) -> Result<dicom_object::mem::InMemElement, EncodeError> {
    let of_series = |series: &str, instances: Vec<InMemDicomObject>| {
        item([
            text(tags::SERIES_INSTANCE_UID, VR::UI, series),
            sequence(tags::REFERENCED_SOP_SEQUENCE, instances),
        ])
    };
    let segmentation = item([
        text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, seg.sop_class_uid()),
        text(
            tags::REFERENCED_SOP_INSTANCE_UID,
            VR::UI,
            &seg.sop_instance_uid,
        ),
    ]);
    Ok(sequence(
        tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE,
        vec![item([
            text(tags::STUDY_INSTANCE_UID, VR::UI, modules::study(source)?),
            sequence(
                tags::REFERENCED_SERIES_SEQUENCE,
                vec![
                    of_series(&seg.series_instance_uid, vec![segmentation]),
                    of_series(source_series, modules::instances(source)),
                ],
            ),
        ])],
    ))
}
