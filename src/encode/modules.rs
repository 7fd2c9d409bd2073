//! The modules around the segments: patient, study, series, equipment, references (PS3.3 A.51.3).

use super::element::{empty, item, limited, sequence, text};
use super::uid::{ResultUids, derived};
use crate::assemble::SourceSeries;
use crate::encode::{EncodeError, Provenance};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

/// Elements of Patient and General Study that must be there, with or without a value (type 2).
const REQUIRED: [(Tag, VR); 9] = [
    (tags::PATIENT_NAME, VR::PN),
    (tags::PATIENT_ID, VR::LO),
    (tags::PATIENT_BIRTH_DATE, VR::DA),
    (tags::PATIENT_SEX, VR::CS),
    (tags::STUDY_DATE, VR::DA),
    (tags::STUDY_TIME, VR::TM),
    (tags::STUDY_ID, VR::SH),
    (tags::ACCESSION_NUMBER, VR::SH),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
];

/// Elements of Patient, General Study and Patient Study that are carried over where the source has them.
const CARRIED: [Tag; 17] = [
    tags::ISSUER_OF_PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE,
    tags::OTHER_PATIENT_I_DS_SEQUENCE,
    tags::PATIENT_BIRTH_TIME,
    tags::PATIENT_COMMENTS,
    tags::PATIENT_IDENTITY_REMOVED,
    tags::DEIDENTIFICATION_METHOD,
    tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE,
    tags::STUDY_DESCRIPTION,
    tags::ISSUER_OF_ACCESSION_NUMBER_SEQUENCE,
    tags::REFERENCED_STUDY_SEQUENCE,
    tags::PROCEDURE_CODE_SEQUENCE,
    tags::PATIENT_AGE,
    tags::PATIENT_SIZE,
    tags::PATIENT_WEIGHT,
    tags::TIMEZONE_OFFSET_FROM_UTC,
    tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
];

/// Patient and study, as the source has them.
pub(super) fn patient_and_study(source: &SourceSeries) -> Result<Vec<InMemElement>, EncodeError> {
    let attributes = &source.attributes;
    let mut elements = vec![text(tags::STUDY_INSTANCE_UID, VR::UI, study(source)?)];
    for (tag, vr) in REQUIRED {
        elements.push(
            attributes
                .element(tag)
                .cloned()
                .unwrap_or_else(|_| empty(tag, vr)),
        );
    }
    for tag in CARRIED {
        if let Ok(element) = attributes.element(tag) {
            elements.push(element.clone());
        }
    }
    Ok(elements)
}

/// Study Instance UID of the source.
pub(super) fn study(source: &SourceSeries) -> Result<String, EncodeError> {
    value(&source.attributes, tags::STUDY_INSTANCE_UID)
        .ok_or(EncodeError::Source("Study Instance UID"))
}

/// Series Instance UID of the source.
pub(super) fn source_series(source: &SourceSeries) -> Result<String, EncodeError> {
    value(&source.attributes, tags::SERIES_INSTANCE_UID)
        .ok_or(EncodeError::Source("Series Instance UID"))
}

/// After the series of the scanner in any viewer's list, next to its source.
fn series_number(source: &SourceSeries, after: i32) -> String {
    let number = source
        .attributes
        .element(tags::SERIES_NUMBER)
        .ok()
        .and_then(|e| e.to_int::<i32>().ok())
        .unwrap_or(0)
        .clamp(0, 1_000_000);
    (number + after).to_string()
}

/// Series, equipment and date of a report on the result.
pub(super) fn report_series(
    source: &SourceSeries,
    provenance: &Provenance,
    series_instance_uid: &str,
) -> Vec<InMemElement> {
    let (date, time) = content_date(&source.attributes);
    let description = limited(&format!("{} (volumes)", provenance.series_description), 64);
    let mut elements = vec![
        text(tags::MODALITY, VR::CS, "SR"),
        text(tags::SERIES_INSTANCE_UID, VR::UI, series_instance_uid),
        text(tags::SERIES_NUMBER, VR::IS, series_number(source, 1001)),
        text(tags::SERIES_DATE, VR::DA, &date),
        text(tags::SERIES_TIME, VR::TM, &time),
        text(tags::SERIES_DESCRIPTION, VR::LO, description),
        text(tags::CONTENT_DATE, VR::DA, date),
        text(tags::CONTENT_TIME, VR::TM, time),
    ];
    elements.extend(equipment(provenance));
    elements
}

fn equipment(provenance: &Provenance) -> [InMemElement; 4] {
    [
        text(tags::MANUFACTURER, VR::LO, "irisnode"),
        text(tags::MANUFACTURER_MODEL_NAME, VR::LO, "irisnode"),
        text(
            tags::DEVICE_SERIAL_NUMBER,
            VR::LO,
            serial_number(&provenance.weights_hash),
        ),
        text(tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION")),
    ]
}

/// Series, frame of reference and equipment of the result.
pub(super) fn series_and_equipment(
    source: &SourceSeries,
    provenance: &Provenance,
    uids: &ResultUids,
) -> Result<Vec<InMemElement>, EncodeError> {
    let attributes = &source.attributes;
    let source_series = source_series(source)?;
    let frame_of_reference = value(attributes, tags::FRAME_OF_REFERENCE_UID)
        .unwrap_or_else(|| derived(&source_series, "frame of reference"));
    let (date, time) = content_date(attributes);
    let mut elements = vec![
        text(tags::MODALITY, VR::CS, "SEG"),
        text(tags::SERIES_INSTANCE_UID, VR::UI, uids.of("series")),
        text(tags::SERIES_NUMBER, VR::IS, series_number(source, 1000)),
        text(tags::SERIES_DATE, VR::DA, &date),
        text(tags::SERIES_TIME, VR::TM, &time),
        text(
            tags::SERIES_DESCRIPTION,
            VR::LO,
            limited(&provenance.series_description, 64),
        ),
        text(tags::CONTENT_DATE, VR::DA, date),
        text(tags::CONTENT_TIME, VR::TM, time),
        text(tags::FRAME_OF_REFERENCE_UID, VR::UI, frame_of_reference),
        attributes
            .element(tags::POSITION_REFERENCE_INDICATOR)
            .cloned()
            .unwrap_or_else(|_| empty(tags::POSITION_REFERENCE_INDICATOR, VR::LO)),
    ];
    elements.extend(equipment(provenance));
    for tag in [tags::BODY_PART_EXAMINED, tags::LATERALITY] {
        if let Some(there) = value(attributes, tag) {
            elements.push(text(tag, VR::CS, there));
        }
    }
    Ok(elements)
}

/// Every instance of the source.
pub(super) fn instances(source: &SourceSeries) -> Vec<InMemDicomObject> {
    let mut seen = std::collections::HashSet::new();
    source
        .slices
        .iter()
        .filter(|slice| seen.insert(slice.sop_instance_uid.as_str()))
        .map(|slice| {
            item([
                text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, &slice.sop_class_uid),
                text(
                    tags::REFERENCED_SOP_INSTANCE_UID,
                    VR::UI,
                    &slice.sop_instance_uid,
                ),
            ])
        })
        .collect()
}

/// The same as the result refers to them (Common Instance Reference Module).
pub(super) fn references(source: &SourceSeries) -> Result<InMemElement, EncodeError> {
    Ok(sequence(
        tags::REFERENCED_SERIES_SEQUENCE,
        vec![item([
            text(tags::SERIES_INSTANCE_UID, VR::UI, source_series(source)?),
            sequence(tags::REFERENCED_INSTANCE_SEQUENCE, instances(source)),
        ])],
    ))
}

/// Lossy Image Compression and, where the source was compressed so, how.
pub(super) fn lossy_compression(source: &SourceSeries) -> Vec<InMemElement> {
    let attributes = &source.attributes;
    let lossy = value(attributes, tags::LOSSY_IMAGE_COMPRESSION).as_deref() == Some("01");
    let mut elements = vec![text(
        tags::LOSSY_IMAGE_COMPRESSION,
        VR::CS,
        if lossy { "01" } else { "00" },
    )];
    if lossy {
        for tag in [
            tags::LOSSY_IMAGE_COMPRESSION_RATIO,
            tags::LOSSY_IMAGE_COMPRESSION_METHOD,
        ] {
            if let Ok(element) = attributes.element(tag) {
                elements.push(element.clone());
            }
        }
    }
    elements
}

/// A text value of the source; `None` when it is missing or empty.
fn value(attributes: &InMemDicomObject, tag: Tag) -> Option<String> {
    let text = attributes.element(tag).ok()?.to_str().ok()?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// The node has no serial number; what it computes with is told apart by the network's weights.
fn serial_number(weights_hash: &str) -> String {
    let hash = limited(weights_hash, 16);
    if hash.is_empty() {
        "irisnode".to_owned()
    } else {
        hash
    }
}

/// When the source was made: a result's date that does not change from run to run.
fn content_date(attributes: &InMemDicomObject) -> (String, String) {
    let pairs = [
        (tags::SERIES_DATE, tags::SERIES_TIME),
        (tags::ACQUISITION_DATE, tags::ACQUISITION_TIME),
        (tags::CONTENT_DATE, tags::CONTENT_TIME),
        (tags::STUDY_DATE, tags::STUDY_TIME),
    ];
    pairs
        .into_iter()
        .find_map(|(date, time)| {
            let date = value(attributes, date)
                .filter(|d| d.len() == 8 && d.bytes().all(|b| b.is_ascii_digit()))?;
            let time = value(attributes, time).filter(|t| {
                (2..=16).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            });
            Some((date, time.unwrap_or_else(|| "000000".to_owned())))
        })
        .unwrap_or_else(|| ("19000101".to_owned(), "000000".to_owned()))
}
