//! One result in each kind of DICOM-SEG.

use crate::{Desk, fixture};
use irisnode::assemble::read_series;
use irisnode::encode::{SegObject, read_seg};
use std::path::PathBuf;

#[test]
fn binary_fractional_and_label_map_of_a_result_hold_the_same_voxels() {
    let desk = Desk::new();
    let weights = crate::support::root().join("weights/iris.safetensors");
    let library = [("--tasks-dir", desk.path("tasks")), ("--weights", weights)];
    let library: Vec<(&str, &std::path::Path)> = library
        .iter()
        .map(|(option, path)| (*option, path.as_path()))
        .collect();
    let (image, label) = (
        fixture("reference/image.nii.gz"),
        fixture("reference/labels.nii.gz"),
    );
    let mut teach = library.clone();
    teach.extend([("--image", image.as_path()), ("--label", label.as_path())]);
    desk.run(
        "task add abdomen --segment 1=spleen --segment 2=liver",
        &teach,
    )
    .worked();

    let series = fixture("query/series");
    let kinds = ["binary", "fractional", "labelmap"];
    let segs = kinds.map(|kind| -> SegObject {
        let out = desk.path(kind);
        let mut arguments = library.clone();
        arguments.extend([("", series.as_path()), ("--out", out.as_path())]);
        desk.run(
            &format!("segment --task abdomen --format seg --segmentation {kind}"),
            &arguments,
        )
        .worked();
        read_seg(&out.join("segmentation.dcm")).unwrap()
    });

    let files: Vec<PathBuf> = std::fs::read_dir(&series)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    let grid = read_series(&files).unwrap().volume.geometry;
    let [binary, fractional, labelmap] = segs.map(|seg| seg.onto(&grid).unwrap());
    assert_eq!(binary.1.len(), 2);
    for (kind, (found, listed)) in [("fractional", fractional), ("labelmap", labelmap)] {
        assert_eq!(listed, binary.1, "{kind}");
        for segment in &binary.1 {
            let (ours, meant) = (found.mask(segment.number), binary.0.mask(segment.number));
            assert!(meant.iter().filter(|&&inside| inside).count() > 1000);
            assert!(ours == meant, "{kind}: {}", segment.description.label);
        }
    }
}
