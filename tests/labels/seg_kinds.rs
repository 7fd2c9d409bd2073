//! DICOM-SEGs that highdicom wrote: BINARY, FRACTIONAL and LABELMAP, whole and in part, plain and compressed.

use crate::{SEGS, expected, query_series, series, voxels};
use irisnode::encode::{ReadSegError, read_seg};
use irisnode::volume::{Geometry, LabelVolume};
use std::collections::BTreeMap;

type Segments = BTreeMap<u16, Vec<usize>>;

#[test]
fn every_voxel_of_every_kind_of_highdicom_is_read() {
    let grid = series(&query_series()).volume.geometry;
    let written = expected::<Segments>(&SEGS);
    assert_eq!(written.len(), 18);
    for (name, meant) in &written {
        let seg = read_seg(&SEGS.join(format!("{name}.dcm")))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let (labels, segments) = seg.onto(&grid).unwrap();
        let numbers: Vec<u16> = segments.iter().map(|segment| segment.number).collect();
        assert_eq!(numbers, meant.keys().copied().collect::<Vec<_>>(), "{name}");
        for (number, meant) in meant {
            assert_eq!(&voxels(&labels, *number), meant, "{name}, segment {number}");
        }
    }
    // Overlapping segments lie on layers of their own, exclusive ones on one.
    let layers = |name: &str| {
        let seg = read_seg(&SEGS.join(name)).unwrap();
        seg.onto(&grid).unwrap().0.layers.len()
    };
    assert_eq!(layers("binary.dcm"), 2);
    assert_eq!(layers("labelmap.dcm"), 1);

    // On an image of twice the resolution, the nearest pixel's segment.
    let fine = Geometry {
        size: grid.size.map(|n| 2 * n),
        spacing: grid.spacing.map(|s| s / 2.0),
        origin: grid.to_patient([-0.25; 3]),
        ..grid.clone()
    };
    for name in ["binary", "probability", "labelmap"] {
        let seg = read_seg(&SEGS.join(format!("{name}.dcm"))).unwrap();
        let ((coarse, _), (found, _)) = (seg.onto(&grid).unwrap(), seg.onto(&fine).unwrap());
        for number in coarse.segments() {
            let meant = LabelVolume {
                geometry: grid.clone(),
                layers: vec![mask(&coarse, number)],
            };
            assert_eq!(
                mask(&found, number),
                meant.resampled(&fine).layers[0],
                "{name}, segment {number}"
            );
        }
    }
}

fn mask(labels: &LabelVolume, number: u16) -> Vec<u16> {
    labels.mask(number).into_iter().map(u16::from).collect()
}

#[test]
fn a_label_map_in_which_zero_is_a_structure_is_refused() {
    let mut object = dicom_object::open_file(SEGS.join("labelmap-background.dcm")).unwrap();
    let first = object.element(dicom_dictionary_std::tags::SEGMENT_SEQUENCE);
    let mut items = first.unwrap().items().unwrap().to_vec();
    items[1].put(dicom_core::DataElement::new(
        dicom_dictionary_std::tags::SEGMENT_NUMBER,
        dicom_core::VR::US,
        dicom_core::PrimitiveValue::from(0u16),
    ));
    object.put(dicom_core::DataElement::new(
        dicom_dictionary_std::tags::SEGMENT_SEQUENCE,
        dicom_core::VR::SQ,
        dicom_core::value::DataSetSequence::from(items),
    ));
    let error = irisnode::encode::SegObject::from_object(&object).unwrap_err();
    assert!(
        matches!(&error, ReadSegError::Unsupported(why) if why.contains("number its segments from 1")),
        "{error}"
    );
}
