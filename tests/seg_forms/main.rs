//! BINARY, FRACTIONAL and LABELMAP: each pixel's value is found at its place by pydicom, highdicom and dcmqi, and by
//! our own reader; sent compressed as the receiver takes it, it is still so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot arrange its situation fails"
)]

mod kinds;
mod report;
mod sent;
mod sizes;
#[path = "../support/mod.rs"]
mod support;

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use irisnode::assemble::{SourceSeries, SourceSlice};
use irisnode::encode::{Provenance, SegForm, SegInstance, Segment, SegmentationType, write_seg_as};
use irisnode::terminology::SegmentDescription;
use irisnode::volume::{Geometry, LabelVolume, cross};
use std::path::Path;
use std::process::Command;
use support::{python, root};

const UID: &str = "1.2.826.0.1.3680043.10.543.93";

/// A source that lacks what a source may lack: no Study ID, no Frame of Reference UID.
fn source(slices: usize) -> SourceSeries {
    let text =
        |tag: Tag, vr: VR, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
    SourceSeries {
        attributes: InMemDicomObject::from_element_iter([
            text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
            text(tags::PATIENT_NAME, VR::PN, "Test^Nobody"),
            text(tags::PATIENT_ID, VR::LO, "T1"),
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

/// A probability that is more than a half within the segment, and goes on around it.
fn fraction(labels: &LabelVolume, number: u16, at: usize) -> u8 {
    let noise = (at * 31 + usize::from(number) * 17) % 120;
    if labels.layers[0][at] == number {
        135 + noise as u8
    } else if at / 7 % 5 == usize::from(number) % 5 {
        noise as u8
    } else {
        0
    }
}

fn written(kind: SegmentationType, labels: &LabelVolume, segments: &[Segment]) -> SegInstance {
    let [columns, rows, slices] = labels.geometry.size;
    let fill = |number: u16, k: usize, slice: &mut [u8]| {
        for (at, value) in slice.iter_mut().enumerate() {
            *value = fraction(labels, number, at + k * columns * rows);
        }
    };
    let form = match kind {
        SegmentationType::Binary => SegForm::Binary,
        SegmentationType::Fractional => SegForm::Fractional(&fill),
        SegmentationType::Labelmap => SegForm::Labelmap,
    };
    let provenance = Provenance {
        rule: "r".into(),
        tasks: vec![("abdomen".into(), "1".into())],
        weights_hash: "f00d".into(),
        series_description: "irisnode: abdomen".into(),
    };
    write_seg_as(form, labels, segments, &source(slices), &provenance).unwrap()
}

/// What `readers.py` compares a file with.
fn expect(folder: &Path, kind: SegmentationType, labels: &LabelVolume, segments: &[Segment]) {
    let grid = &labels.geometry;
    for (at, segment) in segments.iter().enumerate() {
        let values: Vec<u8> = match kind {
            SegmentationType::Fractional => (0..grid.len())
                .map(|at| fraction(labels, segment.number, at))
                .collect(),
            _ => labels
                .mask(segment.number)
                .into_iter()
                .map(u8::from)
                .collect(),
        };
        std::fs::write(folder.join(format!("{at}.raw")), values).unwrap();
    }
    let names: Vec<&str> = segments
        .iter()
        .map(|s| s.description.label.as_str())
        .collect();
    let expected = serde_json::json!({
        "size": grid.size, "spacing": grid.spacing, "direction": grid.direction, "origin": grid.origin, "labels": names,
    });
    std::fs::write(
        folder.join("expected.json"),
        serde_json::to_vec(&expected).unwrap(),
    )
    .unwrap();
}

/// Every one of these readers finds every value at its place.
fn assert_read_by(path: &Path, folder: &Path, readers: &[&str]) {
    let done = Command::new(python())
        .arg(root().join("tests/seg_forms/readers.py"))
        .args([path, folder])
        .args(readers)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}: {said}", path.display());
}
