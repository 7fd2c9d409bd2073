//! DICOM-SEG: what we write, we read; what other people write, we read. (`tests/readers`: they read ours.)

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
use irisnode::encode::{
    EncodeError, MadeBy, Provenance, ReadSegError, SegFile, SegObject, Segment, read_seg, write_seg,
};
use irisnode::terminology::{Code, SegmentDescription};
use irisnode::volume::{Geometry, LabelVolume, cross};
use proptest::prelude::*;
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
        made_by: MadeBy::Iris,
        algorithm_name: "abdomen".into(),
        algorithm_version: "0123456789abcdef".into(),
        references: vec![
            "8db7ccdee324cc4c (0.75)".into(),
            "e4c5282de0c1f641 (0.25)".into(),
        ],
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

fn written(labels: &LabelVolume, segments: &[Segment]) -> SegFile {
    let source = source(labels.geometry.size[2]);
    write_seg(labels, segments, &source, &provenance()).expect("a segmentation")
}

fn output(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("the program starts");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr),
    )
}

/// Reads bytes as a file.
fn read_bytes(bytes: &[u8]) -> Result<SegObject, String> {
    let object = dicom_object::from_reader(bytes).map_err(|e| e.to_string())?;
    SegObject::from_object(&object).map_err(|e| e.to_string())
}

/// Our reader gives back every segment, voxel by voxel, and what it is.
fn assert_read_back(seg: &SegFile, labels: &LabelVolume, segments: &[Segment]) {
    let read = read_bytes(&seg.bytes).expect("our own file");
    let (found, listed) = read.onto(&labels.geometry).expect("our own grid");
    assert_eq!(listed.len(), seg.instance.written_segments.len());
    for (written, listed) in seg.instance.written_segments.iter().zip(&listed) {
        let meant = segments
            .iter()
            .find(|s| s.number == written.source_number)
            .unwrap();
        assert_eq!(listed.description, meant.description);
        assert_eq!(listed.made_by, meant.made_by);
        assert_eq!(listed.algorithm_name, meant.algorithm_name);
        assert_eq!(listed.algorithm_version, meant.algorithm_version);
        let mask = |volume: &LabelVolume, number: u16| -> Vec<bool> {
            (0..volume.geometry.len())
                .map(|at| volume.layers.iter().any(|layer| layer[at] == number))
                .collect()
        };
        assert_eq!(
            mask(&found, listed.number),
            mask(labels, written.source_number),
            "{}",
            written.label
        );
    }
}

#[test]
fn one_slice_is_a_segmentation_of_one_frame() {
    let geometry = oblique([37, 29, 1]);
    let mut only = vec![0; geometry.len()];
    only[geometry.index(36, 28, 0)] = 1;
    let labels = LabelVolume::exclusive(geometry, only);
    let segments = [segment(1, "a corner")];
    let seg = written(&labels, &segments);
    assert_read_back(&seg, &labels, &segments);
}

#[test]
fn an_organ_and_its_lesion_overlap() {
    let geometry = oblique([37, 29, 5]);
    let organ = blobs(&geometry, 1);
    let lesion = organ
        .iter()
        .enumerate()
        .map(|(at, &label)| if at % 3 == 0 { label * 7 } else { 0 })
        .collect();
    let labels = LabelVolume {
        geometry,
        layers: vec![organ, lesion],
    };
    let segments = [segment(7, "lesion"), segment(1, "organ")];
    let seg = written(&labels, &segments);
    let numbers: Vec<_> = seg
        .instance
        .written_segments
        .iter()
        .map(|s| (s.number, s.source_number))
        .collect();
    assert_eq!(numbers, [(1, 7), (2, 1)]);
    assert_read_back(&seg, &labels, &segments);
    let object = dicom_object::from_reader(seg.bytes.as_slice()).unwrap();
    assert_eq!(
        object
            .element(tags::SEGMENTS_OVERLAP)
            .unwrap()
            .to_str()
            .unwrap(),
        "YES"
    );
}

#[test]
fn more_than_a_hundred_segments_are_read_back() {
    let geometry = oblique([37, 29, 12]);
    let labels: Vec<u16> = (0..geometry.len())
        .map(|at| (at * 7 / 90 % 131) as u16)
        .collect();
    let labels = LabelVolume::exclusive(geometry, labels);
    let segments: Vec<_> = (1..=130)
        .map(|n| segment(n, &format!("structure {n}")))
        .collect();
    let seg = written(&labels, &segments);
    assert_eq!(seg.instance.written_segments.len(), 130);
    assert_read_back(&seg, &labels, &segments);
}

#[test]
fn a_multi_frame_source_is_referenced_by_frame() {
    let geometry = oblique([37, 29, 3]);
    let labels = LabelVolume::exclusive(geometry.clone(), vec![1; geometry.len()]);
    let mut source = source(3);
    for (k, slice) in source.slices.iter_mut().enumerate() {
        slice.sop_class_uid = uids::ENHANCED_CT_IMAGE_STORAGE.to_owned();
        slice.sop_instance_uid = format!("{SERIES}.1");
        slice.frame = Some(3 - k as u32);
    }
    let seg = write_seg(&labels, &[segment(1, "all")], &source, &provenance()).unwrap();
    let object = dicom_object::from_reader(seg.bytes.as_slice()).unwrap();
    let frames: Vec<u32> = object
        .element(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
        .unwrap()
        .items()
        .unwrap()
        .iter()
        .map(|frame| {
            let first = |item: &InMemDicomObject, tag| {
                item.element(tag).unwrap().items().unwrap()[0].clone()
            };
            let derivation = first(frame, tags::DERIVATION_IMAGE_SEQUENCE);
            first(&derivation, tags::SOURCE_IMAGE_SEQUENCE)
                .element(tags::REFERENCED_FRAME_NUMBER)
                .unwrap()
                .to_int()
                .unwrap()
        })
        .collect();
    assert_eq!(frames, [3, 2, 1]);
    let series = &object
        .element(tags::REFERENCED_SERIES_SEQUENCE)
        .unwrap()
        .items()
        .unwrap()[0];
    let instances = series.element(tags::REFERENCED_INSTANCE_SEQUENCE).unwrap();
    assert_eq!(instances.items().unwrap().len(), 1);
}

#[test]
fn each_segment_says_by_what_weights_and_references_it_was_found() {
    let labels = LabelVolume::exclusive(oblique([5, 5, 3]), vec![1; 75]);
    let seg = written(&labels, &[segment(1, "all")]);
    let object = dicom_object::from_reader(seg.bytes.as_slice()).unwrap();
    let first =
        |item: &InMemDicomObject, tag| item.element(tag).unwrap().items().unwrap()[0].clone();
    let item = first(&object, tags::SEGMENT_SEQUENCE);
    let algorithm = first(&item, tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE);
    let said = |tag| {
        algorithm
            .element(tag)
            .unwrap()
            .to_str()
            .unwrap()
            .into_owned()
    };
    assert_eq!(said(tags::ALGORITHM_NAME), "abdomen");
    assert_eq!(said(tags::ALGORITHM_VERSION), "0123456789abcdef");
    let parameters = "weights f00d; references 8db7ccdee324cc4c (0.75), e4c5282de0c1f641 (0.25)";
    assert_eq!(said(tags::ALGORITHM_PARAMETERS), parameters);
}

#[test]
fn a_segment_of_no_voxel_is_named_and_left_out() {
    let geometry = oblique([37, 29, 7]);
    let labels = LabelVolume::exclusive(geometry.clone(), blobs(&geometry, 2));
    let segments = [segment(1, "one"), segment(2, "two"), segment(4, "nowhere")];
    let seg = written(&labels, &segments);
    assert_eq!(seg.instance.empty_segments, ["nowhere"]);
    assert_eq!(seg.instance.written_segments.len(), 2);
}

#[test]
fn a_source_of_no_study_is_refused() {
    let labels = LabelVolume::exclusive(oblique([5, 5, 3]), vec![1; 75]);
    let mut source = source(3);
    source.attributes.remove_element(tags::STUDY_INSTANCE_UID);
    let error = write_seg(&labels, &[segment(1, "all")], &source, &provenance()).unwrap_err();
    assert!(error.to_string().contains("Study Instance UID"), "{error}");
}

#[test]
fn a_patient_name_keeps_its_letters() {
    let geometry = oblique([5, 5, 1]);
    let labels = LabelVolume::exclusive(geometry.clone(), vec![1; geometry.len()]);
    let seg = write_seg(&labels, &[segment(1, "all")], &source(1), &provenance()).unwrap();
    let object = dicom_object::from_reader(seg.bytes.as_slice()).unwrap();
    let name = object.element(tags::PATIENT_NAME).unwrap();
    assert_eq!(name.to_str().unwrap(), "M\u{fc}ller^Test");
}

#[test]
fn frames_are_placed_by_position_on_a_grid_turned_over() {
    let geometry = oblique([37, 29, 4]);
    let labels = LabelVolume::exclusive(geometry.clone(), blobs(&geometry, 2));
    let segments = [segment(1, "one"), segment(2, "two")];
    let seg = write_seg(&labels, &segments, &source(4), &provenance()).unwrap();
    let read = read_bytes(&seg.bytes).unwrap();
    assert_eq!(read.referenced_series_uid.as_deref(), Some(SERIES));
    assert_eq!(read.referenced_instance_uids.len(), 4);
    // The same slices counted from the other end.
    let [row, column, across] = geometry.direction;
    let turned = Geometry {
        direction: [row, column, across.map(|v| -v)],
        origin: geometry.to_patient([0.0, 0.0, 3.0]),
        ..geometry.clone()
    };
    let (found, _) = read.onto(&turned).unwrap();
    assert_eq!(found.layers, labels.resampled(&turned).layers);
    // Rows and columns swapped: no longer pixel on pixel, still voxel on voxel.
    let swapped = Geometry {
        size: [29, 37, 4],
        spacing: [1.3, 0.9, 2.5],
        direction: [column, row, across],
        ..geometry.clone()
    };
    let (found, _) = read.onto(&swapped).unwrap();
    assert_eq!(found.layers, labels.resampled(&swapped).layers);
}

#[test]
fn a_finer_image_takes_the_nearest_pixel() {
    let coarse = Geometry::axial([6, 5, 3], [2.0, 2.0, 4.0], [1.0, 1.0, 2.0]);
    let labels = LabelVolume::exclusive(coarse.clone(), vec![1; coarse.len()]);
    let seg = write_seg(&labels, &[segment(1, "all")], &source(3), &provenance()).unwrap();
    let fine = Geometry::axial([16, 14, 16], [1.0; 3], [-1.5, -1.5, -1.5]);
    let (found, _) = read_bytes(&seg.bytes).unwrap().onto(&fine).unwrap();
    // 12 x 10 x 12 mm of 1 mm voxels.
    assert_eq!(found.voxel_count(1), 12 * 10 * 12);
    assert_eq!(found.layers[0][fine.index(1, 2, 2)], 0);
    assert_eq!(found.layers[0][fine.index(2, 2, 2)], 1);
}

#[test]
fn a_segmentation_of_another_place_is_refused() {
    let geometry = oblique([9, 9, 3]);
    let labels = LabelVolume::exclusive(geometry.clone(), vec![1; geometry.len()]);
    let seg = write_seg(&labels, &[segment(1, "all")], &source(3), &provenance()).unwrap();
    let elsewhere = Geometry::axial([9, 9, 3], [1.0; 3], [5000.0; 3]);
    let read = read_bytes(&seg.bytes).unwrap();
    assert!(matches!(read.onto(&elsewhere), Err(ReadSegError::Outside)));
}

#[test]
fn an_image_is_not_a_segmentation() {
    let folder = tempfile::tempdir().unwrap();
    let image = support::CtSlice::new("1.2.3").write(folder.path());
    assert!(matches!(read_seg(&image), Err(ReadSegError::OtherClass(_))));
    assert!(matches!(
        read_seg(&folder.path().join("nothing.dcm")),
        Err(ReadSegError::Unreadable { .. })
    ));
}

#[test]
fn segmentations_of_other_writers_are_read_voxel_by_voxel() {
    let Some(shared) = support::shared_data() else {
        return;
    };
    for file in [
        "dcmqi/liver.dcm",
        "dcmqi/partial_overlaps.dcm",
        "dcmqi/sparse-labelmap-ppv5.dcm",
        "dcmqi/sparse-labelmap-noppv.dcm",
        "dcmqi/24x38x3/seg/label.seg",
        "dcmqi/23x38x3/seg/label.seg",
        "highdicom/seg_image_ct_binary.dcm",
        "highdicom/seg_image_ct_binary_overlap.dcm",
        "highdicom/seg_image_ct_binary_fractional.dcm",
        "highdicom/seg_image_ct_true_fractional.dcm",
        "highdicom/seg_image_ct_binary_single_frame.dcm",
    ] {
        let path = shared.join("seg").join(file);
        let (ok, report) = output(
            Command::new(support::python())
                .arg(support::root().join("tests/seg_voxels.py"))
                .arg(&path),
        );
        assert!(ok, "{file}: {report}");
        let known: serde_json::Value = serde_json::from_str(report.trim()).expect(&report);
        let grid = Geometry {
            size: serde_json::from_value(known["size"].clone()).unwrap(),
            spacing: serde_json::from_value(known["spacing"].clone()).unwrap(),
            direction: serde_json::from_value(known["direction"].clone()).unwrap(),
            origin: serde_json::from_value(known["origin"].clone()).unwrap(),
        };
        let read = read_seg(&path).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(read.referenced_series_uid.is_some(), "{file}");
        let (labels, segments) = read.onto(&grid).unwrap_or_else(|e| panic!("{file}: {e}"));
        for segment in segments {
            let meant = known["voxels"][segment.number.to_string()].clone();
            let meant: Vec<usize> = serde_json::from_value(meant).unwrap();
            let mask = labels.mask(segment.number).into_iter().enumerate();
            let found: Vec<usize> = mask.filter_map(|(at, set)| set.then_some(at)).collect();
            assert!(found == meant, "{file}, segment {}", segment.number);
        }
    }
    // Microscopy and plain radiographs have no place in a patient's space.
    for file in [
        "seg_image_sm_numbers.dcm",
        "seg_image_sm_dots_tiled_full.dcm",
        "seg_image_sm_control_labelmap.dcm",
        "seg_image_sm_control_labelmap_palette_color.dcm",
        "seg_image_cr_binary.dcm",
    ] {
        let error = read_seg(&shared.join("seg/highdicom").join(file)).expect_err(file);
        assert!(
            matches!(
                error,
                ReadSegError::NoPlace { .. } | ReadSegError::Malformed(_)
            ),
            "{file}: {error}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(
        size in (1usize..20, 1usize..20, 1usize..8),
        shear in -0.4f64..0.4,
        layers in 1usize..4,
        seed in any::<u64>(),
    ) {
        let mut geometry = oblique([size.0, size.1, size.2]);
        // A tilted gantry: the stack leans along the columns.
        let column = geometry.direction[1];
        let leaning: [f64; 3] = std::array::from_fn(|a| geometry.direction[2][a] + shear * column[a]);
        let length = leaning.iter().map(|v| v * v).sum::<f64>().sqrt();
        geometry.direction[2] = leaning.map(|v| v / length);
        let mut state = seed | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        let layers: Vec<Vec<u16>> = (0..layers)
            .map(|layer| (0..geometry.len()).map(|_| match next() % 5 {
                n @ 1..=3 => (layer as u64 * 3 + n) as u16,
                _ => 0,
            }).collect())
            .collect();
        let labels = LabelVolume { geometry, layers };
        let segments: Vec<_> = (1..=9).map(|n| segment(n, &format!("s{n}"))).collect();
        match write_seg(&labels, &segments, &source(size.2), &provenance()) {
            Ok(seg) => assert_read_back(&seg, &labels, &segments),
            Err(error) => {
                let nothing = matches!(error, EncodeError::NothingFound { .. });
                prop_assert!(nothing);
                prop_assert!(labels.layers.iter().flatten().all(|&label| label == 0));
            }
        }
    }

    #[test]
    fn a_damaged_file_is_an_error_or_read_but_no_panic(
        cut in prop::option::of(0.0f64..1.0),
        damage in prop::collection::vec((0.0f64..1.0, any::<u8>()), 0..6),
    ) {
        let geometry = oblique([7, 5, 3]);
        let labels = LabelVolume::exclusive(geometry.clone(), blobs(&geometry, 2));
        let segments = [segment(1, "one"), segment(2, "two")];
        let mut bytes = write_seg(&labels, &segments, &source(3), &provenance()).unwrap().bytes;
        for (at, byte) in damage {
            let at = (at * bytes.len() as f64) as usize;
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate((cut * bytes.len() as f64) as usize);
        }
        if let Ok(read) = read_bytes(&bytes) {
            let _ = read.onto(&geometry);
        }
    }
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
    assert_ne!(
        once.instance.sop_instance_uid,
        other.instance.sop_instance_uid
    );
}

#[test]
fn nothing_found_is_said_and_not_written() {
    let labels = LabelVolume::exclusive(oblique([5, 5, 3]), vec![0; 75]);
    let error = write_seg(&labels, &[segment(1, "liver")], &source(3), &provenance()).unwrap_err();
    assert!(matches!(&error, EncodeError::NothingFound { labels } if labels == &["liver"]));
}
