//! Segment Sequence (PS3.3 C.8.20.2): what each segment is and what made it.

use super::color::cielab;
use super::element::{code, item, limited, sequence, text, us};
use super::uid::ResultUids;
use crate::encode::{MadeBy, Segment};
use crate::terminology::Code;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

/// Segment Label, never empty.
fn label(number: u16, segment: &Segment) -> String {
    let label = limited(&segment.description.label, 64);
    if label.is_empty() {
        format!("Segment {number}")
    } else {
        label
    }
}

/// Tracking ID and Tracking UID: by them a report speaks of the same segment.
pub(super) fn tracking(number: u16, segment: &Segment, uids: &ResultUids) -> (String, String) {
    let label = label(number, segment);
    let uid = uids.of(&format!("segment {} {label}", segment.number));
    (format!("{label} {number}"), uid)
}

/// What made a segment.
pub(super) struct Algorithm {
    pub(super) name: String,
    pub(super) version: String,
}

/// The algorithm of a segment, or this program where none is named.
pub(super) fn algorithm_of(segment: &Segment) -> Algorithm {
    let or = |text: String, otherwise: &str| {
        if text.is_empty() {
            otherwise.to_owned()
        } else {
            text
        }
    };
    Algorithm {
        name: or(limited(&segment.algorithm_name, 56), "irisnode"),
        version: or(
            limited(&segment.algorithm_version, 64),
            env!("CARGO_PKG_VERSION"),
        ),
    }
}

/// The item of a segment that has number `number` in the file.
pub(super) fn segment_item(
    number: u16,
    segment: &Segment,
    uids: &ResultUids,
    weights_hash: &str,
) -> InMemDicomObject {
    let described = &segment.description;
    let label = label(number, segment);
    let (tracking_id, tracking_uid) = tracking(number, segment, uids);
    let mut property_type = super::element::code_item(&described.property_type);
    if let Some(modifier) = &described.property_type_modifier {
        property_type.put(code(
            tags::SEGMENTED_PROPERTY_TYPE_MODIFIER_CODE_SEQUENCE,
            modifier,
        ));
    }
    let mut segment_item = item([
        us(tags::SEGMENT_NUMBER, number),
        text(tags::SEGMENT_LABEL, VR::LO, &label),
        text(
            tags::SEGMENT_ALGORITHM_TYPE,
            VR::CS,
            algorithm_type(segment.made_by),
        ),
        code(
            tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE,
            &described.category,
        ),
        sequence(
            tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE,
            vec![property_type],
        ),
        DataElement::new(
            tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE,
            VR::US,
            PrimitiveValue::U16(cielab(described.color).to_vec().into()),
        ),
        text(tags::TRACKING_ID, VR::UT, tracking_id),
        text(tags::TRACKING_UID, VR::UI, tracking_uid),
    ]);
    for element in identification(segment, weights_hash) {
        segment_item.put(element);
    }
    if let Some(region) = &described.anatomic_region {
        let mut region = super::element::code_item(region);
        if let Some(modifier) = &described.anatomic_region_modifier {
            region.put(code(tags::ANATOMIC_REGION_MODIFIER_SEQUENCE, modifier));
        }
        segment_item.put(sequence(tags::ANATOMIC_REGION_SEQUENCE, vec![region]));
    }
    segment_item
}

fn algorithm_type(made_by: MadeBy) -> &'static str {
    match made_by {
        MadeBy::Iris | MadeBy::Automatic => "AUTOMATIC",
        MadeBy::Semiautomatic => "SEMIAUTOMATIC",
        MadeBy::Manual => "MANUAL",
    }
}

/// Segment Algorithm Name, for what no hand drew alone; of our own network all that identifies it.
fn identification(segment: &Segment, weights_hash: &str) -> Vec<InMemElement> {
    let Algorithm { name, version } = algorithm_of(segment);
    let called = |name: String| text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, name);
    match segment.made_by {
        MadeBy::Manual => Vec::new(),
        MadeBy::Semiautomatic | MadeBy::Automatic => vec![called(name)],
        MadeBy::Iris => vec![
            called(format!("Iris {name}")),
            sequence(
                tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE,
                vec![algorithm(
                    &name,
                    &version,
                    weights_hash,
                    &segment.references,
                )],
            ),
        ],
    }
}

/// Algorithm Identification Macro (PS3.3 10.16).
fn algorithm(
    name: &str,
    version: &str,
    weights_hash: &str,
    references: &[String],
) -> InMemDicomObject {
    let mut algorithm = item([
        code(
            tags::ALGORITHM_FAMILY_CODE_SEQUENCE,
            &Code::new("123110", "DCM", "Artificial Intelligence"),
        ),
        text(tags::ALGORITHM_VERSION, VR::LO, version),
        text(tags::ALGORITHM_NAME, VR::LO, name),
        text(
            tags::ALGORITHM_SOURCE,
            VR::LO,
            concat!("irisnode ", env!("CARGO_PKG_VERSION")),
        ),
    ]);
    let mut parameters = Vec::new();
    if !weights_hash.is_empty() {
        parameters.push(format!("weights {weights_hash}"));
    }
    if !references.is_empty() {
        parameters.push(format!("references {}", references.join(", ")));
    }
    if !parameters.is_empty() {
        // LT holds 10,240 characters.
        let parameters = limited(&parameters.join("; "), 10_240);
        algorithm.put(text(tags::ALGORITHM_PARAMETERS, VR::LT, parameters));
    }
    algorithm
}
