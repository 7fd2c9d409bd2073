//! Everyone can read what we write: each pixel's value is found at its place by the libraries and viewers of the field
//! and by our own reader; sent compressed as the receiver takes it, it is still so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot arrange its situation fails"
)]

mod kinds;
mod objects;
mod report;
mod sent;
mod sizes;
#[path = "../support/mod.rs"]
mod support;
mod verdicts;

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use irisnode::assemble::{SourceSeries, SourceSlice};
use irisnode::encode::{MadeBy, Segment};
use irisnode::terminology::SegmentDescription;
use irisnode::volume::{Geometry, LabelVolume, cross};

const UID: &str = "1.2.826.0.1.3680043.10.543.93";

/// A source of so many slices; it has no Study ID.
fn source(slices: usize) -> SourceSeries {
    let text =
        |tag: Tag, vr: VR, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
    SourceSeries {
        attributes: InMemDicomObject::from_element_iter([
            text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
            text(tags::PATIENT_NAME, VR::PN, "Test^Nobody"),
            text(tags::PATIENT_ID, VR::LO, "T1"),
            text(tags::STUDY_DATE, VR::DA, "20260102"),
            text(tags::FRAME_OF_REFERENCE_UID, VR::UI, &format!("{UID}.3")),
            text(tags::STUDY_INSTANCE_UID, VR::UI, &format!("{UID}.1")),
            text(tags::SERIES_INSTANCE_UID, VR::UI, &format!("{UID}.2")),
        ]),
        slices: (1..=slices)
            .map(|k| SourceSlice {
                sop_class_uid: uids::CT_IMAGE_STORAGE.to_owned(),
                sop_instance_uid: format!("{UID}.4.{k}"),
                frame: None,
            })
            .collect(),
    }
}

/// A grid of odd size that is parallel to no axis of the patient.
fn grid() -> Geometry {
    let ((s, c), (t, d)) = (0.3_f64.sin_cos(), (-0.7_f64).sin_cos());
    let (row, column) = ([c, s, 0.0], [-s * d, c * d, t]);
    Geometry {
        size: [37, 29, 7],
        spacing: [0.9, 1.3, 2.5],
        direction: [row, column, cross(row, column)],
        origin: [-31.5, 17.25, 803.0],
    }
}

fn segments(count: u16) -> Vec<Segment> {
    let names = ["Liver", "Spleen", "Left kidney"];
    (1..=count)
        .map(|n| {
            let name = names
                .get(usize::from(n) - 1)
                .map_or_else(|| format!("Structure {n}"), |name| (*name).to_owned());
            Segment {
                made_by: MadeBy::Iris,
                algorithm_name: "abdomen".into(),
                algorithm_version: "1".into(),
                ..Segment::new(n, SegmentDescription::or_generic(&name))
            }
        })
        .collect()
}

/// Patches of segments, some slices without any.
fn patches(grid: &Geometry, segments: u16) -> LabelVolume {
    let [columns, rows, _] = grid.size;
    let labels = (0..grid.len()).map(|at| {
        let (i, j, k) = (at % columns, at / columns % rows, at / (columns * rows));
        let patch = (i / 3 + 13 * (j / 4) + 91 * k) % (usize::from(segments) + 3);
        if patch <= usize::from(segments) && k != 2 {
            patch as u16
        } else {
            0
        }
    });
    LabelVolume::exclusive(grid.clone(), labels.collect())
}

/// Labels of segments, in order.
fn labels_of(segments: &[Segment]) -> Vec<&str> {
    segments
        .iter()
        .map(|s| s.description.label.as_str())
        .collect()
}
