//! RT Structure Sets that pydicom wrote, of shapes whose voxels are known without filling a polygon.

use crate::damaged_rtstruct::structure_set;
use crate::{DRAWN, expected, named, series, voxels};
use irisnode::assemble::Series;
use irisnode::encode::{FilledBetween, ReadRtStructError, RtStruct, read_rtstruct};
use irisnode::volume::{Geometry, cross};
use proptest::prelude::*;
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_mask_outlined_run_by_run_comes_back(
        size in (2usize..14, 2usize..14, 3usize..6),
        turns in (-3.0f64..3.0, -3.0f64..3.0),
        tilt in -0.4f64..0.4,
        seed in any::<u64>(),
    ) {
        let ((s, c), (t, d)) = (turns.0.sin_cos(), turns.1.sin_cos());
        let (row, column) = ([c, s, 0.0], [-s * d, c * d, t]);
        // A tilted gantry: the stack leans along the columns.
        let normal = cross(row, column);
        let leaning: [f64; 3] = std::array::from_fn(|a| normal[a] + tilt * column[a]);
        let length = leaning.iter().map(|v| v * v).sum::<f64>().sqrt();
        let grid = Geometry {
            size: [size.0, size.1, size.2],
            spacing: [0.9, 1.3, 2.5],
            direction: [row, column, leaning.map(|v| v / length)],
            origin: [-31.5, 417.25, -803.0],
        };
        let (mut mask, mut outlines) = (Vec::new(), Vec::new());
        let mut state = seed | 1;
        for line in 0..size.1 * size.2 {
            let (j, k) = (line % size.1, line / size.1);
            // Every slice has something: those without are another matter.
            let inside: Vec<bool> = (0..size.0)
                .map(|i| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    state >> 62 != 0 || (i, j) == (0, 0)
                })
                .collect();
            let first = line * size.0;
            mask.extend((0..size.0).filter(|&i| inside[i]).map(|i| first + i));
            let starts = (0..size.0).filter(|&i| inside[i] && (i == 0 || !inside[i - 1]));
            for start in starts {
                let run = inside[start..].iter().take_while(|&&v| v).count();
                let (left, right) = (start as f64 - 0.5, (start + run) as f64 - 0.5);
                let (top, bottom) = (j as f64 - 0.5, j as f64 + 0.5);
                let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
                let points = corners.map(|(i, j)| grid.to_patient([i, j, k as f64]));
                let values = points.iter().flatten().map(|v| format!("{v:.6}"));
                outlines.push(values.collect::<Vec<_>>().join("\\"));
            }
        }
        let outlines: Vec<&str> = outlines.iter().map(String::as_str).collect();
        let rtstruct = RtStruct::from_object(&structure_set(&[3], &outlines)).unwrap();
        let read = rtstruct.onto(&grid, None, &[]).unwrap();
        prop_assert_eq!(voxels(&read.labels, 3), mask);
    }
}
