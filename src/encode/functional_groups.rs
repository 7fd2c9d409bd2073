//! Functional groups and dimensions (PS3.3 C.7.6.16, C.7.6.17, C.8.20.3): where each frame lies and what it came from.

use super::element::{code, ds, item, sequence, text, us};
use super::frames::Frame;
use super::uid::ResultUids;
use crate::assemble::{SourceSeries, SourceSlice};
use crate::terminology::Code;
use crate::volume::{Geometry, cross, dot};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

/// Plane orientation and pixel measures, the same for every frame.
pub(super) fn shared(geometry: &Geometry, source: &SourceSeries) -> InMemDicomObject {
    let [row, column, across] = geometry.direction;
    // Between planes along their normal, which a tilted gantry turns from the way through the stack.
    let between = geometry.spacing[2] * dot(across, cross(row, column)).abs();
    let thickness = source
        .attributes
        .element(tags::SLICE_THICKNESS)
        .ok()
        .and_then(|e| e.to_float64().ok())
        .filter(|t| t.is_finite() && *t > 0.0)
        .unwrap_or(between);
    item([
        sequence(
            tags::PLANE_ORIENTATION_SEQUENCE,
            vec![item([ds(
                tags::IMAGE_ORIENTATION_PATIENT,
                &[row, column].concat(),
            )])],
        ),
        sequence(
            tags::PIXEL_MEASURES_SEQUENCE,
            vec![item([
                ds(tags::SLICE_THICKNESS, &[thickness]),
                ds(tags::SPACING_BETWEEN_SLICES, &[between]),
                // Between rows, then between columns.
                ds(
                    tags::PIXEL_SPACING,
                    &[geometry.spacing[1], geometry.spacing[0]],
                ),
            ])],
        ),
    ])
}

/// Frame Content: where the frame comes along each dimension, in a label map the slice alone.
pub(super) fn content(frame: &Frame) -> InMemElement {
    let values = frame
        .segment
        .map(|segment| segment as u32 + 1)
        .into_iter()
        .chain([frame.position])
        .collect();
    sequence(
        tags::FRAME_CONTENT_SEQUENCE,
        vec![item([DataElement::new(
            tags::DIMENSION_INDEX_VALUES,
            VR::UL,
            PrimitiveValue::U32(values),
        )])],
    )
}

/// Plane Position of a slice.
pub(super) fn place(slice: usize, geometry: &Geometry) -> InMemElement {
    sequence(
        tags::PLANE_POSITION_SEQUENCE,
        vec![item([ds(
            tags::IMAGE_POSITION_PATIENT,
            &geometry.to_patient([0.0, 0.0, slice as f64]),
        )])],
    )
}

/// Derivation Image: what was segmented.
pub(super) fn derivation(source: &SourceSlice) -> InMemElement {
    sequence(
        tags::DERIVATION_IMAGE_SEQUENCE,
        vec![item([
            sequence(tags::SOURCE_IMAGE_SEQUENCE, vec![source_image(source)]),
            code(
                tags::DERIVATION_CODE_SEQUENCE,
                &Code::new("113076", "DCM", "Segmentation"),
            ),
        ])],
    )
}

/// Segment Identification of the segment that is the `written`th in the file, from 0.
pub(super) fn segment(written: usize) -> InMemElement {
    sequence(
        tags::SEGMENT_IDENTIFICATION_SEQUENCE,
        vec![item([us(
            tags::REFERENCED_SEGMENT_NUMBER,
            written as u16 + 1,
        )])],
    )
}

fn source_image(source: &SourceSlice) -> InMemDicomObject {
    let mut image = item([
        text(
            tags::REFERENCED_SOP_CLASS_UID,
            VR::UI,
            &source.sop_class_uid,
        ),
        text(
            tags::REFERENCED_SOP_INSTANCE_UID,
            VR::UI,
            &source.sop_instance_uid,
        ),
        text(tags::SPATIAL_LOCATIONS_PRESERVED, VR::CS, "YES"),
        code(
            tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE,
            &Code::new(
                "121322",
                "DCM",
                "Source image for image processing operation",
            ),
        ),
    ]);
    if let Some(frame) = source.frame {
        image.put(text(
            tags::REFERENCED_FRAME_NUMBER,
            VR::IS,
            frame.to_string(),
        ));
    }
    image
}

/// Multi-frame Dimension Module: first the segment (a label map has no such dimension), then the place of the slice.
pub(super) fn dimensions(uids: &ResultUids, by_segment: bool) -> Vec<InMemElement> {
    let organization = uids.of("dimension organization");
    let index = |pointer: Tag, group: Tag, label: &str| {
        item([
            text(tags::DIMENSION_ORGANIZATION_UID, VR::UI, &organization),
            DataElement::new(
                tags::DIMENSION_INDEX_POINTER,
                VR::AT,
                PrimitiveValue::Tags([pointer].into_iter().collect()),
            ),
            DataElement::new(
                tags::FUNCTIONAL_GROUP_POINTER,
                VR::AT,
                PrimitiveValue::Tags([group].into_iter().collect()),
            ),
            text(tags::DIMENSION_DESCRIPTION_LABEL, VR::LO, label),
        ])
    };
    vec![
        sequence(
            tags::DIMENSION_ORGANIZATION_SEQUENCE,
            vec![item([text(
                tags::DIMENSION_ORGANIZATION_UID,
                VR::UI,
                &organization,
            )])],
        ),
        sequence(
            tags::DIMENSION_INDEX_SEQUENCE,
            [
                by_segment.then(|| {
                    index(
                        tags::REFERENCED_SEGMENT_NUMBER,
                        tags::SEGMENT_IDENTIFICATION_SEQUENCE,
                        "Segment Number",
                    )
                }),
                Some(index(
                    tags::IMAGE_POSITION_PATIENT,
                    tags::PLANE_POSITION_SEQUENCE,
                    "Image Position (Patient)",
                )),
            ]
            .into_iter()
            .flatten()
            .collect(),
        ),
    ]
}
