//! An RTSTRUCT wherever the program takes labels.

use crate::support::irisnode;
use crate::{DRAWN, expected};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Words that begin with an orientation are files that were drawn.
fn drawn(word: &str) -> PathBuf {
    match word.split_once('/') {
        Some(("axial" | "sagittal", _)) => DRAWN.join(word),
        _ => word.into(),
    }
}

/// What the program said: whether it worked, its output, its words to the person in one line.
fn run(folder: &Path, words: &str) -> (bool, String, String) {
    let output = irisnode()
        .current_dir(folder)
        .env_remove("IRISNODE_CONFIG")
        .env("NO_COLOR", "1")
        .args(words.split_whitespace().map(drawn))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let said: Vec<&str> = said.split_whitespace().filter(|&w| w != "│").collect();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        said.join(" "),
    )
}

#[test]
fn an_rtstruct_is_shown_compared_and_taught_like_a_segmentation() {
    let desk = tempfile::tempdir().unwrap();
    let folder = desk.path();
    let (worked, printed, said) = run(
        folder,
        "overlay axial/series axial/rtstruct.dcm --labels axial/rtstruct.dcm --json --out picture.png",
    );
    assert!(worked, "{said}");
    let measures: Vec<serde_json::Value> = serde_json::from_str(&printed).unwrap();
    let meant: BTreeMap<String, Vec<usize>> = expected(&DRAWN.join("axial"));
    assert_eq!(measures.len(), 15);
    for measure in &measures {
        let name = measure["segment"].as_str().unwrap();
        assert_eq!(measure["voxels"], meant[name].len(), "{name}");
        assert_eq!(measure["dice"], 1.0, "{name}");
    }
    assert!(folder.join("picture.png").is_file());

    let places = "--tasks-dir tasks --weights none.safetensors";
    let (worked, printed, said) = run(
        folder,
        &format!(
            "task add drawn --image axial/series --label axial/rtstruct.dcm --segment 2 --segment 15=core {places}"
        ),
    );
    assert!(worked, "{said}");
    assert!(
        printed.contains("Ring") && printed.contains("Neoplasm"),
        "{printed}"
    );
    let (_, printed, _) = run(folder, &format!("task show drawn --json {places}"));
    let shown: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let voxels = &shown["references"][0]["voxels"];
    assert_eq!(voxels[0], meant["Ring"].len());
    assert_eq!(voxels[1], meant["Lesion"].len());
}

#[test]
fn an_rtstruct_that_does_not_fit_is_refused_and_one_that_is_filled_in_is_said_to_be() {
    let desk = tempfile::tempdir().unwrap();
    let folder = desk.path();
    let (worked, _, said) = run(folder, "overlay axial/series sagittal/rtstruct.dcm");
    assert!(!worked);
    assert!(
        said.contains("ROI `Liver` lies in another frame of reference than the image"),
        "{said}"
    );
    let (worked, _, said) = run(folder, "overlay axial/series axial/sparse.dcm");
    assert!(worked, "{said}");
    assert!(
        said.contains("ROI `Every second` is drawn on every 2 slices only"),
        "{said}"
    );
    let (worked, _, said) = run(
        folder,
        "overlay axial/series axial/rtstruct.dcm --segment 77",
    );
    assert!(!worked);
    assert!(
        said.contains("has no ROI 77") && said.contains("1 Liver"),
        "{said}"
    );
    assert!(!said.contains("Nobody"), "no patient's name: {said}");
}
