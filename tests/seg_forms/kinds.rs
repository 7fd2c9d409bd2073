//! What is written, read by everyone.

use crate::support::tool;
use crate::{assert_read_by, expect, grid, patches, segments, source, written};
use dicom_dictionary_std::{tags, uids};
use irisnode::encode::{
    EncodeError, Provenance, SegForm, SegObject, SegmentationType, write_seg_as,
};
use irisnode::volume::LabelVolume;

const KINDS: [SegmentationType; 3] = [
    SegmentationType::Binary,
    SegmentationType::Fractional,
    SegmentationType::Labelmap,
];

#[test]
fn every_kind_is_read_by_everyone_and_by_us_voxel_by_voxel() {
    let labels = patches(&grid(), 3);
    let segments = segments(3);
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let seg = written(kind, &labels, &segments);
        assert_eq!(seg.segmentation_type, kind);
        let path = folder.path().join("seg.dcm");
        std::fs::write(&path, &seg.bytes).unwrap();
        expect(folder.path(), kind, &labels, &segments);
        assert_read_by(&path, folder.path(), &["pydicom", "highdicom", "dcmqi"]);

        let report = tool("dciodvfy").arg(&path).output().unwrap();
        let report = String::from_utf8_lossy(&report.stderr).into_owned();
        // The Debian release of it knows no Label Map Segmentation.
        if kind != SegmentationType::Labelmap {
            assert!(
                !report.contains("Error") && report.contains("Segmentation"),
                "{kind}: {report}"
            );
        }
        let dumped = tool("dcmdump").arg("-q").arg(&path).output().unwrap();
        assert!(dumped.status.success(), "{kind}");

        let object = dicom_object::from_reader(seg.bytes.as_slice()).unwrap();
        let (found, listed) = SegObject::from_object(&object)
            .unwrap()
            .onto(&labels.geometry)
            .unwrap();
        assert_eq!(listed.len(), 3, "{kind}");
        for (listed, meant) in listed.iter().zip(&segments) {
            assert_eq!(listed.description, meant.description, "{kind}");
            assert!(
                found.mask(listed.number) == labels.mask(meant.number),
                "{kind}"
            );
        }
    }
}

#[test]
fn a_label_map_of_more_than_255_segments_has_sixteen_bits() {
    let labels = patches(&grid(), 300);
    let segments = segments(300);
    let seg = written(SegmentationType::Labelmap, &labels, &segments);
    let object = dicom_object::from_reader(seg.bytes.as_slice()).unwrap();
    let bits = object
        .element(tags::BITS_ALLOCATED)
        .unwrap()
        .to_int::<u16>()
        .unwrap();
    assert_eq!(bits, 16);
    let class = object
        .element(tags::SOP_CLASS_UID)
        .unwrap()
        .to_str()
        .unwrap();
    assert_eq!(
        class.trim_end_matches('\0'),
        uids::LABEL_MAP_SEGMENTATION_STORAGE
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seg.dcm");
    std::fs::write(&path, &seg.bytes).unwrap();
    expect(
        folder.path(),
        SegmentationType::Labelmap,
        &labels,
        &segments,
    );
    assert_read_by(&path, folder.path(), &["pydicom"]);
    let (found, listed) = SegObject::from_object(&object)
        .unwrap()
        .onto(&labels.geometry)
        .unwrap();
    for (listed, written) in listed.iter().zip(&seg.written_segments) {
        assert!(found.mask(listed.number) == labels.mask(written.source_number));
    }
}

#[test]
fn segments_that_overlap_are_no_label_map() {
    let one = patches(&grid(), 1);
    let layers = vec![
        one.layers[0].clone(),
        one.layers[0].iter().map(|&l| l * 2).collect(),
    ];
    let labels = LabelVolume { layers, ..one };
    let result = write_seg_as(
        SegForm::Labelmap,
        &labels,
        &segments(2),
        &source(7),
        &Provenance::default(),
    );
    assert!(matches!(result, Err(EncodeError::Overlap)));
    let result = write_seg_as(
        SegForm::Binary,
        &labels,
        &segments(2),
        &source(7),
        &Provenance::default(),
    );
    assert_eq!(result.unwrap().written_segments.len(), 2);
}

#[test]
fn kinds_of_one_result_are_instances_of_their_own() {
    let labels = patches(&grid(), 2);
    let uids = KINDS.map(|kind| written(kind, &labels, &segments(2)).sop_instance_uid);
    assert!(uids[0] != uids[1] && uids[1] != uids[2] && uids[0] != uids[2]);
}
