//! Segment Sequence (PS3.3 C.8.20.2): what each segment is and what made it.

use super::color::cielab;
use super::element::{code, item, limited, sequence, text, us};
use super::uid::ResultUids;
use crate::encode::Segment;
use crate::terminology::Code;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

/// The item of a segment that has number `number` in the file.
pub(super) fn segment_item(
    number: u16,
    segment: &Segment,
    uids: &ResultUids,
    weights_hash: &str,
) -> InMemDicomObject {
    let described = &segment.description;
    let label = limited(&described.label, 64);
    let label = if label.is_empty() {
        format!("Segment {number}")
    } else {
        label
    };
    let name = limited(&segment.algorithm_name, 56);
    let name = if name.is_empty() {
        "irisnode".to_owned()
    } else {
        name
    };
    let version = limited(&segment.algorithm_version, 64);
    let version = if version.is_empty() {
        env!("CARGO_PKG_VERSION").to_owned()
    } else {
        version
    };
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
        text(tags::SEGMENT_ALGORITHM_TYPE, VR::CS, "AUTOMATIC"),
        text(tags::SEGMENT_ALGORITHM_NAME, VR::LO, format!("Iris {name}")),
        code(
            tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE,
            &described.category,
        ),
        sequence(
            tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE,
            vec![property_type],
        ),
        sequence(
            tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE,
            vec![algorithm(&name, &version, weights_hash)],
        ),
        DataElement::new(
            tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE,
            VR::US,
            PrimitiveValue::U16(cielab(described.color).to_vec().into()),
        ),
        text(tags::TRACKING_ID, VR::UT, format!("{label} {number}")),
        text(
            tags::TRACKING_UID,
            VR::UI,
            uids.of(&format!("segment {} {label}", segment.number)),
        ),
    ]);
    if let Some(region) = &described.anatomic_region {
        let mut region = super::element::code_item(region);
        if let Some(modifier) = &described.anatomic_region_modifier {
            region.put(code(tags::ANATOMIC_REGION_MODIFIER_SEQUENCE, modifier));
        }
        segment_item.put(sequence(tags::ANATOMIC_REGION_SEQUENCE, vec![region]));
    }
    segment_item
}

/// Algorithm Identification Macro (PS3.3 10.16).
fn algorithm(name: &str, version: &str, weights_hash: &str) -> InMemDicomObject {
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
    if !weights_hash.is_empty() {
        algorithm.put(text(
            tags::ALGORITHM_PARAMETERS,
            VR::LT,
            format!("weights {}", limited(weights_hash, 128)),
        ));
    }
    algorithm
}
