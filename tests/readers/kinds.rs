//! What each kind can hold.

use crate::objects::Object;
use crate::{grid, patches, segments, source};
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
fn a_label_map_of_more_than_255_segments_has_sixteen_bits() {
    let labels = patches(&grid(), 300);
    let seg = Object::new("", SegmentationType::Labelmap, labels.clone()).write();
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
    let (found, listed) = SegObject::from_object(&object)
        .unwrap()
        .onto(&labels.geometry)
        .unwrap();
    for (listed, written) in listed.iter().zip(&seg.instance.written_segments) {
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
    assert_eq!(result.unwrap().instance.written_segments.len(), 2);
}

#[test]
fn kinds_of_one_result_are_instances_of_their_own() {
    let labels = patches(&grid(), 2);
    let uids = KINDS.map(|kind| {
        Object::new("", kind, labels.clone())
            .write()
            .instance
            .sop_instance_uid
    });
    assert!(uids[0] != uids[1] && uids[1] != uids[2] && uids[0] != uids[2]);
}
