//! DICOM-SEG: what we write, other people's readers find at its place; what other people write, we read.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot arrange its situation fails"
)]

mod support;

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use irisnode::assemble::{SourceSeries, SourceSlice};
use irisnode::encode::{EncodeError, Provenance, SegInstance, Segment, write_seg};
use irisnode::terminology::{Code, SegmentDescription};
use irisnode::volume::{Geometry, LabelVolume, cross};
use std::path::{Path, PathBuf};
use std::process::Command;

const SERIES: &str = "1.2.826.0.1.3680043.10.999.7";

/// A source series of `slices` CT instances.
fn source(slices: usize) -> SourceSeries {
    let text =
        |tag: Tag, vr: VR, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
    SourceSeries {
        attributes: InMemDicomObject::from_element_iter([
            text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100"),
            text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
            text(tags::STUDY_DATE, VR::DA, "20260102"),
            text(tags::STUDY_TIME, VR::TM, "101112"),
            text(tags::ACCESSION_NUMBER, VR::SH, "A1"),
            text(tags::PATIENT_NAME, VR::PN, "M\u{fc}ller^Test"),
            text(tags::PATIENT_ID, VR::LO, "T1"),
            text(
                tags::STUDY_INSTANCE_UID,
                VR::UI,
                "1.2.826.0.1.3680043.10.999",
            ),
            text(tags::SERIES_INSTANCE_UID, VR::UI, SERIES),
            text(tags::SERIES_NUMBER, VR::IS, "4"),
            text(tags::SLICE_THICKNESS, VR::DS, "2.5"),
            text(
                tags::FRAME_OF_REFERENCE_UID,
                VR::UI,
                "1.2.826.0.1.3680043.10.999.3",
            ),
        ]),
        slices: (1..=slices)
            .map(|k| SourceSlice {
                sop_class_uid: uids::CT_IMAGE_STORAGE.to_owned(),
                sop_instance_uid: format!("{SERIES}.{k}"),
                frame: None,
            })
            .collect(),
    }
}

/// A grid that is parallel to no axis of the patient; spacings all differ.
fn oblique(size: [usize; 3]) -> Geometry {
    let (s, c) = 0.3_f64.sin_cos();
    let (t, d) = (-0.7_f64).sin_cos();
    let row = [c, s, 0.0];
    let column = [-s * d, c * d, t];
    Geometry {
        size,
        spacing: [0.9, 1.3, 2.5],
        direction: [row, column, cross(row, column)],
        origin: [-31.5, 17.25, 803.0],
    }
}

fn segment(number: u16, label: &str) -> Segment {
    Segment {
        number,
        description: SegmentDescription {
            label: label.to_owned(),
            category: Code::new("91723000", "SCT", "Anatomical Structure"),
            property_type: Code::new("78961009", "SCT", "Spleen"),
            property_type_modifier: None,
            anatomic_region: None,
            anatomic_region_modifier: None,
            color: [(number * 40 % 256) as u8, 90, 200],
        },
        algorithm_name: "abdomen".into(),
        algorithm_version: "0123456789abcdef".into(),
    }
}

fn provenance() -> Provenance {
    Provenance {
        rule: "abdominal CT".into(),
        tasks: vec![("abdomen".into(), "0123456789abcdef".into())],
        weights_hash: "f00d".into(),
        series_description: "irisnode: abdomen".into(),
    }
}

/// Blobs of `segments` segments that leave some slices empty.
fn blobs(geometry: &Geometry, segments: u16) -> Vec<u16> {
    let [nx, ny, nz] = geometry.size;
    let mut labels = vec![0; geometry.len()];
    for (at, label) in labels.iter_mut().enumerate() {
        let (i, j, k) = (at % nx, at / nx % ny, at / (nx * ny));
        let hash = (i * 73 + j * 151 + k * 419) % 97;
        if hash < 60 {
            let s = (i / 3 + 2 * (j / 4)) % usize::from(segments);
            if nz < 2 || s % nz != k {
                *label = s as u16 + 1;
            }
        }
    }
    labels
}

fn written(labels: &LabelVolume, segments: &[Segment], folder: &Path) -> (SegInstance, PathBuf) {
    let seg = write_seg(
        labels,
        segments,
        &source(labels.geometry.size[2]),
        &provenance(),
    )
    .expect("a segmentation");
    let path = folder.join("seg.dcm");
    std::fs::write(&path, &seg.bytes).unwrap();
    (seg, path)
}

fn output(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("the program starts");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr),
    )
}

/// dciodvfy finds no error and dcmdump reads it to the end.
fn assert_conformant(path: &Path) {
    let (_, report) = output(support::tool("dciodvfy").arg(path));
    assert!(!report.contains("Error"), "{report}");
    assert!(
        report.contains("Segmentation"),
        "dciodvfy knows the object: {report}"
    );
    let (ok, report) = output(support::tool("dcmdump").arg("-q").arg(path));
    assert!(ok, "{report}");
}

/// highdicom and dcmqi read it, and every voxel lies at its place in the patient.
fn assert_read_by_others(path: &Path, labels: &LabelVolume, segments: &[Segment]) {
    let folder = tempfile::tempdir().unwrap();
    let raw: Vec<u8> = labels
        .layers
        .iter()
        .flatten()
        .flat_map(|label| label.to_le_bytes())
        .collect();
    std::fs::write(folder.path().join("layers.raw"), raw).unwrap();
    let grid = &labels.geometry;
    let expected = serde_json::json!({
        "size": grid.size,
        "spacing": grid.spacing,
        "direction": grid.direction,
        "origin": grid.origin,
        "segments": segments.iter().map(|s| (s.description.label.clone(), s.number)).collect::<std::collections::BTreeMap<_, _>>(),
    });
    std::fs::write(
        folder.path().join("expected.json"),
        serde_json::to_vec(&expected).unwrap(),
    )
    .unwrap();
    let (ok, report) = output(
        Command::new(support::python())
            .arg(support::root().join("tests/seg_readers.py"))
            .arg(path)
            .arg(folder.path()),
    );
    assert!(ok, "{report}");
}

#[test]
fn an_oblique_series_of_odd_size_is_read_by_everyone() {
    let folder = tempfile::tempdir().unwrap();
    let geometry = oblique([37, 29, 7]);
    let labels = LabelVolume::exclusive(geometry.clone(), blobs(&geometry, 3));
    let segments = [
        segment(1, "one"),
        segment(2, "two"),
        segment(3, "three"),
        segment(4, "nowhere"),
    ];
    let (seg, path) = written(&labels, &segments, folder.path());
    assert_eq!(seg.empty_segments, ["nowhere"]);
    assert_eq!(seg.written_segments.len(), 3);
    assert_conformant(&path);
    assert_read_by_others(&path, &labels, &segments);
}

#[test]
fn the_same_input_twice_is_the_same_file() {
    let geometry = oblique([37, 29, 3]);
    let labels = LabelVolume::exclusive(geometry.clone(), blobs(&geometry, 2));
    let segments = [segment(1, "one"), segment(2, "two")];
    let once = write_seg(&labels, &segments, &source(3), &provenance()).unwrap();
    let twice = write_seg(&labels, &segments, &source(3), &provenance()).unwrap();
    assert_eq!(once.bytes, twice.bytes);
    let other_rule = Provenance {
        rule: "another".into(),
        ..provenance()
    };
    let other = write_seg(&labels, &segments, &source(3), &other_rule).unwrap();
    assert_ne!(once.sop_instance_uid, other.sop_instance_uid);
}

#[test]
fn nothing_found_is_said_and_not_written() {
    let labels = LabelVolume::exclusive(oblique([5, 5, 3]), vec![0; 75]);
    let error = write_seg(&labels, &[segment(1, "liver")], &source(3), &provenance()).unwrap_err();
    assert!(matches!(&error, EncodeError::NothingFound { labels } if labels == &["liver"]));
}
