//! Segmenting to DICOM-SEG, and teaching by one, ours and another writer's.

use crate::support::{dciodvfy, python, root, tool};
use crate::{Desk, copy_series, fixture};
use std::process::Command;

const PLACES: &str = "--tasks-dir tasks --weights w.safetensors";

#[test]
fn a_series_gives_a_dicom_seg_that_is_sound_and_teaches_again() {
    let desk = Desk::new();
    desk.teach();
    let series = fixture("query/series");
    // An untrained network is sure of nothing: a low threshold makes it speak.
    let answer = desk.run(
        &format!("segment --task abdomen --out out --threshold 0.01 {PLACES}"),
        &[("", &series), ("--labels", &fixture("query/labels.nii.gz"))],
    );
    answer.worked();
    assert!(answer.stdout.contains("Dice"), "{}", answer.stdout);
    for name in [
        "segmentation.dcm",
        "segmentation.nii.gz",
        "segmentation.png",
    ] {
        assert!(desk.path("out").join(name).is_file(), "{name}");
    }
    let seg = desk.path("out/segmentation.dcm");
    let report = dciodvfy().arg(&seg).output().unwrap();
    let report = String::from_utf8_lossy(&report.stderr).into_owned();
    assert!(
        !report.contains("Error") && report.contains("Segmentation"),
        "{report}"
    );
    // It says which reference it was found by.
    let taught = std::fs::read_dir(desk.path("tasks/abdomen/references")).unwrap();
    let reference = taught.last().unwrap().unwrap().file_name();
    let dump = tool("dcmdump").arg("+L").arg(&seg).output().unwrap();
    let dump = String::from_utf8_lossy(&dump.stdout).into_owned();
    let named = format!("references {}", &reference.to_str().unwrap()[..16]);
    assert!(dump.contains(&named), "{named}\n{dump}");

    // The same again is the same object, bit for bit.
    let once = std::fs::read(&seg).unwrap();
    let again = format!("segment --task abdomen --out out2 --threshold 0.01 --format seg {PLACES}");
    desk.run(&again, &[("", &series)]).worked();
    assert_eq!(
        once,
        std::fs::read(desk.path("out2/segmentation.dcm")).unwrap()
    );

    // Result and images in one folder: the series is still the one that is meant.
    copy_series(&desk.path("both"));
    std::fs::copy(&seg, desk.path("both/seg.dcm")).unwrap();
    let answer = desk.run(
        &format!("task add again {PLACES}"),
        &[("--image", &desk.path("both")), ("--label", &seg)],
    );
    let said = &answer.worked().stdout;
    assert!(
        said.contains("SCT, 78961009") || said.contains("SCT, 10200004"),
        "{said}"
    );
}

#[test]
fn nothing_found_is_an_answer_without_a_seg() {
    let desk = Desk::new();
    desk.teach();
    let answer = desk.run(
        &format!("segment --task abdomen --out out --threshold 1 --format seg {PLACES}"),
        &[("", &fixture("query/series"))],
    );
    let said = &answer.worked().stderr;
    assert!(
        said.contains("none of the segments was found in the series (spleen, liver)"),
        "{said}"
    );
    assert!(!desk.path("out/segmentation.dcm").exists());
}

#[test]
fn a_nifti_file_gives_no_seg() {
    let desk = Desk::new();
    desk.teach();
    let words = format!("segment --task abdomen --out out --format seg {PLACES}");
    desk.run(&words, &[("", &fixture("reference/image.nii.gz"))])
        .failed_saying(&["refers to the images it was made from"]);
}

#[test]
fn a_seg_of_highdicom_teaches_with_its_own_names_and_codes() {
    let desk = Desk::new();
    let (seg, series) = (desk.path("seg.dcm"), fixture("query/series"));
    let written = Command::new(python())
        .arg(root().join("tests/cli/highdicom_seg.py"))
        .args([&series, &seg])
        .output()
        .unwrap();
    assert!(
        written.status.success(),
        "{}",
        String::from_utf8_lossy(&written.stderr)
    );
    let paths = [("--image", series.as_path()), ("--label", seg.as_path())];
    let answer = desk.run(&format!("task add lesions {PLACES}"), &paths);
    let said = &answer.worked().stdout;
    assert!(
        said.contains("A lesion") && said.contains("Neoplasm (SCT, 108369006)"),
        "{said}"
    );
    let shown = desk.run(&format!("task show lesions --json {PLACES}"), &[]);
    let shown: serde_json::Value = serde_json::from_str(&shown.worked().stdout).unwrap();
    // The box that the script drew: 20 x 10 x 4 voxels.
    assert_eq!(shown["references"][0]["voxels"][0], 800);

    // Images where labels are wanted, and labels of another series.
    let slice = fixture("query/series/001.dcm");
    let paths = [("--image", series.as_path()), ("--label", slice.as_path())];
    desk.run(&format!("task add x {PLACES}"), &paths)
        .failed_saying(&["not a DICOM-SEG", "give the segmentation"]);
    let phantom = "phantom --seed 3 --out other --format dicom --size 64,56,12 --spacing 6,6,8";
    desk.run(phantom, &[]).worked();
    let paths = [("--image", desk.path("other/series")), ("--label", seg)];
    let paths = paths
        .each_ref()
        .map(|(option, path)| (*option, path.as_path()));
    desk.run(&format!("task add x {PLACES}"), &paths)
        .failed_saying(&["lies in another frame of reference than the image"]);
}
