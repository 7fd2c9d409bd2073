//! RT Structure Sets that pydicom wrote, of shapes whose voxels are known without filling a polygon.

use crate::{DRAWN, expected, named, series, voxels};
use irisnode::assemble::Series;
use irisnode::encode::{FilledBetween, ReadRtStructError, RtStruct, read_rtstruct};
use irisnode::volume::Geometry;
use std::collections::BTreeMap;
use std::path::Path;

/// A drawn case: its series, its structure set, the voxels of each ROI by name.
fn case(orientation: &str) -> (Series, RtStruct, BTreeMap<String, Vec<usize>>) {
    let folder = DRAWN.join(orientation);
    let rtstruct = read_rtstruct(&folder.join("rtstruct.dcm")).unwrap();
    (series(&folder.join("series")), rtstruct, expected(&folder))
}

fn grid(series: &Series) -> &Geometry {
    &series.volume.geometry
}

#[test]
fn every_voxel_of_every_shape_is_found_on_axial_sagittal_and_oblique_slices() {
    for orientation in ["axial", "sagittal", "oblique"] {
        let (series, rtstruct, expected) = case(orientation);
        let frame = series.source.frame_of_reference_uid();
        let read = rtstruct.onto(grid(&series), Some(&frame), &[]).unwrap();
        assert!(read.filled.is_empty(), "{:?}", read.filled);
        for name in [
            "Liver",
            "Ring",
            "Keyhole ring",
            "Islands",
            "U",
            "Disc",
            "Fine disc",
            "Triangle",
            "Target",
            "Through centres",
            "Dot",
            "Beyond",
            "Twice",
            "Gap",
            "Lesion",
        ] {
            let segment = named(&read.segments, name);
            let found = voxels(&read.labels, segment.number);
            assert!(!found.is_empty());
            assert_eq!(found, expected[name], "{name}, {orientation}");
        }
        // A point, an open line and an empty ROI are no labels.
        assert_eq!(read.segments.len(), 15);
    }
}

#[test]
fn a_keyhole_and_an_inner_contour_are_the_same_ring() {
    let (series, rtstruct, _) = case("oblique");
    let read = rtstruct.onto(grid(&series), None, &[2, 3]).unwrap();
    let [columns, rows, _] = grid(&series).size;
    let slice_two = |number: u16| -> Vec<usize> {
        let slice = 2 * columns * rows..3 * columns * rows;
        let all = voxels(&read.labels, number).into_iter();
        all.filter(|at| slice.contains(at)).collect()
    };
    assert_eq!(slice_two(2), slice_two(3));
}

#[test]
fn rois_keep_their_numbers_names_colours_and_codes() {
    let (_, rtstruct, _) = case("axial");
    let roi = |name: &str| {
        let mut rois = rtstruct.rois.iter();
        rois.find(|roi| roi.description.label == name).unwrap()
    };
    let liver = roi("Liver");
    assert_eq!(liver.number, 1);
    assert_eq!(liver.description.color, [10, 200, 30]);
    // Its name is known, and so is its code.
    assert_eq!(liver.description.property_type.value, "10200004");
    let lesion = roi("Lesion");
    assert_eq!(lesion.number, 15);
    assert_eq!(lesion.description.property_type.value, "108369006");
}

#[test]
fn an_roi_drawn_on_every_second_slice_is_filled_between_and_said_to_be() {
    for orientation in ["axial", "sagittal", "oblique"] {
        let (series, _, expected) = case(orientation);
        let sparse = read_rtstruct(&DRAWN.join(orientation).join("sparse.dcm")).unwrap();
        let read = sparse.onto(grid(&series), None, &[]).unwrap();
        let filled = FilledBetween {
            roi: "Every second".into(),
            every: 2,
        };
        assert_eq!(read.filled, [filled]);
        for name in ["Every second", "Two of them"] {
            let number = named(&read.segments, name).number;
            assert_eq!(voxels(&read.labels, number), expected[name], "{name}");
        }
    }
}

#[test]
fn only_the_rois_that_are_asked_for_are_read_and_one_that_is_not_there_is_named() {
    let (series, rtstruct, _) = case("axial");
    let read = rtstruct.onto(grid(&series), None, &[6, 4]).unwrap();
    assert_eq!(read.segments.len(), 2);
    assert_eq!(
        read.labels.segments().into_iter().collect::<Vec<_>>(),
        [4, 6]
    );
    let error = rtstruct.onto(grid(&series), None, &[90]).unwrap_err();
    assert!(
        error.to_string().contains("has no ROI 90")
            && error.to_string().contains("1 Liver, 2 Ring"),
        "{error}"
    );
}

#[test]
fn contours_of_another_series_are_refused_with_a_sentence_that_names_the_roi() {
    let (series, rtstruct, _) = case("axial");
    let grid = grid(&series);
    let refusal = |grid: &Geometry, frame: Option<&str>| {
        let error = rtstruct.onto(grid, frame, &[]).unwrap_err();
        assert!(
            error.to_string().contains("`Liver`") || matches!(error, ReadRtStructError::Outside),
            "{error}"
        );
        error
    };
    assert!(matches!(
        refusal(grid, Some("1.2.3")),
        ReadRtStructError::OtherFrameOfReference { .. }
    ));
    // Half a slice lower.
    let mut between = grid.clone();
    between.origin[2] -= 1.25;
    let error = refusal(&between, None);
    assert!(error.to_string().contains("1.25 mm"), "{error}");
    // A hair lower is the same slice.
    let mut near = grid.clone();
    near.origin[2] -= 0.02;
    rtstruct.onto(&near, None, &[]).unwrap();
    // Slices of another orientation.
    let turned = Geometry {
        direction: [grid.direction[0], grid.direction[2], grid.direction[1]],
        ..grid.clone()
    };
    assert!(matches!(
        refusal(&turned, None),
        ReadRtStructError::NotParallel { .. }
    ));
    // Slices far away.
    let mut elsewhere = grid.clone();
    elsewhere.origin[2] += 500.0;
    assert!(matches!(
        refusal(&elsewhere, None),
        ReadRtStructError::Outside
    ));
}

#[test]
fn contours_beyond_the_image_are_dropped_and_those_within_stay() {
    let (series, rtstruct, expected) = case("axial");
    let mut part = grid(&series).clone();
    // Slices 2 to 4 of 6.
    part.size[2] = 3;
    part.origin = grid(&series).to_patient([0.0, 0.0, 2.0]);
    let read = rtstruct.onto(&part, None, &[]).unwrap();
    let plane = part.size[0] * part.size[1];
    let within = |at: &usize| (2 * plane..5 * plane).contains(at);
    for (number, name) in [(1, "Liver"), (2, "Ring"), (4, "Islands")] {
        let meant: Vec<usize> = expected[name]
            .iter()
            .filter(|at| within(at))
            .copied()
            .collect();
        let found: Vec<usize> = voxels(&read.labels, number)
            .into_iter()
            .map(|at| at + 2 * plane)
            .collect();
        assert_eq!(found, meant, "{name}");
    }
}

#[test]
fn an_image_and_a_file_that_is_not_dicom_are_no_rtstruct() {
    let image = DRAWN.join("axial").join("series/0.dcm");
    assert!(matches!(
        read_rtstruct(&image),
        Err(ReadRtStructError::OtherClass(_))
    ));
    assert!(matches!(
        read_rtstruct(Path::new("nothing.dcm")),
        Err(ReadRtStructError::Unreadable(_))
    ));
}
