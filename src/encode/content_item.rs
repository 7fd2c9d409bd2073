//! Content items of a structured report (PS3.3 C.17.3.2): a relationship, a value type, a concept, a value.

use super::element::{code, item, sequence, text};
use crate::terminology::Code;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

/// How an item belongs to the one above it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Relationship {
    Contains,
    HasConceptMod,
    HasObsContext,
}

impl Relationship {
    fn name(self) -> &'static str {
        match self {
            Self::Contains => "CONTAINS",
            Self::HasConceptMod => "HAS CONCEPT MOD",
            Self::HasObsContext => "HAS OBS CONTEXT",
        }
    }
}

/// A code of the DICOM Controlled Terminology.
pub(super) fn dcm(value: &str, meaning: &str) -> Code {
    Code::new(value, "DCM", meaning)
}

fn content(
    relationship: Relationship,
    value_type: &str,
    concept: &Code,
    value: impl IntoIterator<Item = InMemElement>,
) -> InMemDicomObject {
    let mut content = item([
        text(tags::RELATIONSHIP_TYPE, VR::CS, relationship.name()),
        text(tags::VALUE_TYPE, VR::CS, value_type),
        code(tags::CONCEPT_NAME_CODE_SEQUENCE, concept),
    ]);
    for element in value {
        content.put(element);
    }
    content
}

/// What a container holds, and the template it follows, if it names one.
pub(super) fn contents(template: Option<&str>, items: Vec<InMemDicomObject>) -> Vec<InMemElement> {
    let template = template.map(|identifier| {
        sequence(
            tags::CONTENT_TEMPLATE_SEQUENCE,
            vec![item([
                text(tags::MAPPING_RESOURCE, VR::CS, "DCMR"),
                text(tags::TEMPLATE_IDENTIFIER, VR::CS, identifier),
            ])],
        )
    });
    let mut elements = vec![
        text(tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE"),
        sequence(tags::CONTENT_SEQUENCE, items),
    ];
    elements.extend(template);
    elements
}

/// CONTAINER.
pub(super) fn container(
    concept: &Code,
    template: Option<&str>,
    items: Vec<InMemDicomObject>,
) -> InMemDicomObject {
    content(
        Relationship::Contains,
        "CONTAINER",
        concept,
        contents(template, items),
    )
}

/// CODE, with items of its own.
pub(super) fn coded(
    relationship: Relationship,
    concept: &Code,
    value: &Code,
    items: Vec<InMemDicomObject>,
) -> InMemDicomObject {
    let own = (!items.is_empty()).then(|| sequence(tags::CONTENT_SEQUENCE, items));
    let value = code(tags::CONCEPT_CODE_SEQUENCE, value);
    content(
        relationship,
        "CODE",
        concept,
        [value].into_iter().chain(own),
    )
}

/// TEXT.
pub(super) fn worded(relationship: Relationship, concept: &Code, value: &str) -> InMemDicomObject {
    let value = text(tags::TEXT_VALUE, VR::UT, value);
    content(relationship, "TEXT", concept, [value])
}

/// UIDREF.
pub(super) fn uid(relationship: Relationship, concept: &Code, value: &str) -> InMemDicomObject {
    content(
        relationship,
        "UIDREF",
        concept,
        [text(tags::UID, VR::UI, value)],
    )
}

/// NUM of a unit of UCUM.
pub(super) fn number(concept: &Code, value: f64, unit: &Code) -> InMemDicomObject {
    let measured = item([
        super::element::ds(tags::NUMERIC_VALUE, &[value]),
        DataElement::new(
            tags::FLOATING_POINT_VALUE,
            VR::FD,
            PrimitiveValue::from(value),
        ),
        code(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, unit),
    ]);
    content(
        Relationship::Contains,
        "NUM",
        concept,
        [sequence(tags::MEASURED_VALUE_SEQUENCE, vec![measured])],
    )
}

/// IMAGE that is one segment of a segmentation.
pub(super) fn segment(
    concept: &Code,
    class: &str,
    instance: &str,
    number: u16,
) -> InMemDicomObject {
    let reference = item([
        text(tags::REFERENCED_SOP_CLASS_UID, VR::UI, class),
        text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, instance),
        super::element::us(tags::REFERENCED_SEGMENT_NUMBER, number),
    ]);
    content(
        Relationship::Contains,
        "IMAGE",
        concept,
        [sequence(tags::REFERENCED_SOP_SEQUENCE, vec![reference])],
    )
}
