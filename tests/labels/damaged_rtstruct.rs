//! RT Structure Sets that contradict themselves, or want more than there is.

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use irisnode::encode::{ReadRtStructError, RoisOnGrid, RtStruct};
use irisnode::volume::Geometry;
use proptest::prelude::*;

fn text(tag: Tag, vr: VR, value: &str) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, vr, PrimitiveValue::from(value))
}

fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
}

/// A structure set of ROIs with these numbers, each with these contours.
pub fn structure_set(numbers: &[i64], contours: &[&str]) -> InMemDicomObject {
    let listed = numbers.iter().map(|number| {
        InMemDicomObject::from_element_iter([
            text(tags::ROI_NUMBER, VR::IS, &number.to_string()),
            text(tags::ROI_NAME, VR::LO, &format!("roi {number}")),
        ])
    });
    let drawn = numbers.iter().map(|number| {
        let contours = contours.iter().map(|points| {
            InMemDicomObject::from_element_iter([
                text(tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, "CLOSED_PLANAR"),
                text(tags::CONTOUR_DATA, VR::DS, points),
            ])
        });
        InMemDicomObject::from_element_iter([
            text(tags::REFERENCED_ROI_NUMBER, VR::IS, &number.to_string()),
            sequence(tags::CONTOUR_SEQUENCE, contours.collect()),
        ])
    });
    InMemDicomObject::from_element_iter([
        text(tags::SOP_CLASS_UID, VR::UI, uids::RT_STRUCTURE_SET_STORAGE),
        sequence(tags::STRUCTURE_SET_ROI_SEQUENCE, listed.collect()),
        sequence(tags::ROI_CONTOUR_SEQUENCE, drawn.collect()),
    ])
}

const SQUARE: &str = "1\\1\\2\\5\\1\\2\\5\\5\\2\\1\\5\\2";

fn grid() -> Geometry {
    Geometry::axial([8, 8, 4], [1.0; 3], [0.0; 3])
}

fn read(object: &InMemDicomObject) -> Result<RoisOnGrid, ReadRtStructError> {
    RtStruct::from_object(object)?.onto(&grid(), None, &[])
}

fn refusal(object: &InMemDicomObject) -> String {
    read(object).expect_err("it is refused").to_string()
}

#[test]
fn contours_that_cannot_be_are_refused_with_a_sentence() {
    for (points, sentence) in [
        ("1\\1\\2\\5\\1", "a point without three coordinates"),
        ("1\\1\\2\\NaN\\1\\2\\5\\5\\2", "no place in a patient"),
        ("1\\1\\2\\inf\\1\\2\\5\\5\\2", "no place in a patient"),
        ("1\\1\\2\\1e300\\1\\2\\5\\5\\2", "no place in a patient"),
        ("1\\1\\2\\five\\1\\2\\5\\5\\2", "no numbers"),
        ("1\\1\\0\\5\\1\\2\\5\\5\\3", "is not parallel"),
        (
            "1\\1\\2.4\\5\\1\\2.4\\5\\5\\2.4",
            "0.40 mm from the nearest slice",
        ),
    ] {
        let said = refusal(&structure_set(&[4], &[points]));
        assert!(said.contains(sentence) && said.contains("roi 4"), "{said}");
    }
    let said = refusal(&structure_set(&[4], &[]));
    assert!(
        said.contains("no ROI of the RTSTRUCT has a closed contour"),
        "{said}"
    );
    let said = refusal(&structure_set(&[4, 4], &[SQUARE]));
    assert!(said.contains("two ROIs have number 4"), "{said}");
}

#[test]
fn fewer_points_than_are_announced_are_a_damaged_contour() {
    let mut object = structure_set(&[4], &[]);
    let contour = InMemDicomObject::from_element_iter([
        text(tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, "CLOSED_PLANAR"),
        text(tags::NUMBER_OF_CONTOUR_POINTS, VR::IS, "5"),
        text(tags::CONTOUR_DATA, VR::DS, SQUARE),
    ]);
    let drawn = InMemDicomObject::from_element_iter([
        text(tags::REFERENCED_ROI_NUMBER, VR::IS, "4"),
        sequence(tags::CONTOUR_SEQUENCE, vec![contour.clone()]),
    ]);
    object.put(sequence(tags::ROI_CONTOUR_SEQUENCE, vec![drawn]));
    assert!(refusal(&object).contains("Number of Contour Points"));
    let stranger = InMemDicomObject::from_element_iter([
        text(tags::REFERENCED_ROI_NUMBER, VR::IS, "5"),
        sequence(tags::CONTOUR_SEQUENCE, vec![contour]),
    ]);
    object.put(sequence(tags::ROI_CONTOUR_SEQUENCE, vec![stranger]));
    assert!(refusal(&object).contains("ROI 5, which is not in its list"));
}

#[test]
fn rois_whose_numbers_are_no_labels_are_counted_from_one() {
    let found = read(&structure_set(&[0, 70_000, -3], &[SQUARE])).unwrap();
    let numbers: Vec<u16> = found.segments.iter().map(|s| s.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(found.segments[1].description.label, "roi 70000");
    assert!(
        numbers
            .iter()
            .all(|&number| found.labels.voxel_count(number) == 25)
    );
    let found = read(&structure_set(&[9, 4], &[SQUARE])).unwrap();
    let numbers: Vec<u16> = found.segments.iter().map(|s| s.number).collect();
    assert_eq!(numbers, [9, 4]);
}

#[test]
fn a_contour_that_goes_up_and_down_without_end_is_refused_and_costs_no_time() {
    let zigzag = "1\\-1000\\2\\5\\1000\\2\\".repeat(400_000);
    let grid = Geometry::axial([8, 512, 4], [1.0; 3], [0.0; 3]);
    let object = structure_set(&[4], &[zigzag.trim_end_matches('\\')]);
    let error = RtStruct::from_object(&object)
        .unwrap()
        .onto(&grid, None, &[]);
    let said = error.expect_err("it is refused").to_string();
    assert!(
        said.contains("`roi 4` on one slice go up and down too often"),
        "{said}"
    );
}

#[test]
fn more_rois_over_one_another_than_are_kept_are_refused() {
    let numbers: Vec<i64> = (1..=33).collect();
    let object = structure_set(&numbers, &[SQUARE]);
    assert!(refusal(&object).contains("more than 32 ROIs"));
    let rtstruct = RtStruct::from_object(&object).unwrap();
    rtstruct.onto(&grid(), None, &[1, 33]).unwrap();
}

proptest! {
    #[test]
    fn whatever_a_contour_says_is_an_error_or_read_but_no_panic(
        values in prop::collection::vec(
            prop::sample::select(vec!["0", "1", "2", "2.04", "7.5", "-3", "1e6", "-999999", "1e-300", "NaN", "", "x", " 4 "]),
            0..24,
        ),
        spacing in prop::sample::select(vec![1.0, 1e-3, 1e-300, 1e300]),
        number in prop::sample::select(vec![-1i64, 0, 1, 65_535, 65_536, i64::MAX]),
    ) {
        let object = structure_set(&[number], &[SQUARE, &values.join("\\")]);
        let grid = Geometry::axial([8, 8, 4], [spacing; 3], [0.0; 3]);
        if let Ok(rtstruct) = RtStruct::from_object(&object) {
            let _ = rtstruct.onto(&grid, None, &[]);
        }
    }
}

// Few cases: dicom-rs makes room for as many bytes as a damaged length announces.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_damaged_file_is_an_error_or_read_but_no_panic(
        cut in prop::option::of(0.0f64..1.0),
        damage in prop::collection::vec((0.0f64..1.0, any::<u8>()), 0..6),
    ) {
        let object = structure_set(&[4, 5], &[SQUARE, "2\\2\\2\\3\\2\\2\\3\\3\\2"]);
        let syntax = dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN.erased();
        let mut bytes = Vec::new();
        object.write_dataset_with_ts(&mut bytes, &syntax).unwrap();
        for (at, byte) in damage {
            let at = (at * bytes.len() as f64) as usize;
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate((cut * bytes.len() as f64) as usize);
        }
        if let Ok(object) = InMemDicomObject::read_dataset_with_ts(bytes.as_slice(), &syntax) {
            let _ = read(&object);
        }
    }
}
