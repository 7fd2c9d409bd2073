//! The same by a person at a terminal.

use std::path::{Path, PathBuf};

use irisnode::volume::LabelVolume;

use crate::patient::*;

fn irisnode() -> assert_cmd::Command {
    let mut command = assert_cmd::Command::cargo_bin("irisnode").unwrap();
    for variable in ["IRISNODE_CONFIG", "IRISNODE_TASKS", "IRISNODE_WEIGHTS"] {
        command.env_remove(variable);
    }
    command
}

/// Image and label of a patient as NIfTI files.
fn nifti_pair(folder: &Path, name: &str, shift: f64) -> [PathBuf; 2] {
    let (image, labels) = patient_on(axial(4.0), shift);
    let files = ["image", "labels"].map(|part| folder.join(format!("{name}-{part}.nii.gz")));
    image.write_nifti(&files[0]).unwrap();
    labels.write_nifti(&files[1]).unwrap();
    files
}

#[test]
fn a_person_adds_a_task_and_segments_by_it_from_the_command_line() {
    let place = workplace();
    let folder = place.folder.path();
    place.network(6);
    let weights = folder.join("weights-6.safetensors");
    let [image, label] = nifti_pair(folder, "a", 0.0);
    let [query, truth] = nifti_pair(folder, "b", 6.0);
    let library = [
        "--tasks-dir".into(),
        place.library.folder().to_owned(),
        "--weights".into(),
        weights,
    ];

    let shown = irisnode()
        .args([
            "task",
            "add",
            "trunk",
            "--segment",
            "7=left kidney",
            "--segment",
            "52=aorta",
        ])
        .args([Path::new("--image"), &image, Path::new("--label"), &label])
        .args(&library)
        .assert()
        .success();
    let text = String::from_utf8(shown.get_output().stdout.clone()).unwrap();
    assert!(text.contains("the task is ready"), "{text}");

    let shown = irisnode()
        .args(["task", "show", "trunk", "--json"])
        .args(&library)
        .assert()
        .success();
    let task: serde_json::Value = serde_json::from_slice(&shown.get_output().stdout).unwrap();
    assert_eq!(task["references"][0]["embedding_ready"], true);
    assert_eq!(task["segments"][1]["source_value"], 52);
    assert_eq!(task["tuned"], false);

    let out = folder.join("out");
    // Weights are random: a low threshold makes sure that there is something to draw.
    let shown = irisnode()
        .arg("segment")
        .arg(&query)
        .args(["--task", "trunk", "--threshold", "0.01"])
        .args([Path::new("--out"), &out, Path::new("--labels"), &truth])
        .args(&library)
        .assert()
        .success();
    let text = String::from_utf8(shown.get_output().stdout.clone()).unwrap();
    assert!(
        text.starts_with("segment") && text.contains("Dice") && text.lines().count() == 3,
        "{text}"
    );
    let labels = LabelVolume::read_nifti(&out.join("segmentation.nii.gz")).unwrap();
    assert!(labels.geometry.is_close(&axial(4.0), 1e-3));
    let picture = image::open(out.join("segmentation.png")).unwrap();
    assert!(picture.width() > 1000 && picture.height() > 500);

    let shown = irisnode()
        .args([
            Path::new("overlay"),
            &query,
            &truth,
            Path::new("--labels"),
            &truth,
        ])
        .args(["--segment", "7=Kidney", "--known", "7=kidney", "--json"])
        .assert()
        .success();
    let measures: serde_json::Value = serde_json::from_slice(&shown.get_output().stdout).unwrap();
    assert_eq!(measures[0]["dice"], 1.0);
}

#[test]
fn the_command_line_says_what_is_wrong_and_what_to_do() {
    let place = workplace();
    let [image, label] = nifti_pair(place.folder.path(), "a", 0.0);
    let said = |arguments: &[&str]| {
        let failed = irisnode()
            .args(arguments)
            .args([Path::new("--tasks-dir"), place.library.folder()])
            .assert()
            .failure();
        // Sentences are wrapped to the terminal.
        let text = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
        text.split_whitespace()
            .filter(|&word| word != "│")
            .collect::<Vec<_>>()
            .join(" ")
    };
    let [image, label] = [image.to_str().unwrap(), label.to_str().unwrap()];
    let text = said(&["task", "add", "trunk", "--image", image, "--label", label]);
    assert!(
        text.contains("does not say what its values mean") && text.contains("--segment 1=spleen"),
        "{text}"
    );
    let text = said(&[
        "task",
        "add",
        "trunk",
        "--image",
        image,
        "--label",
        label,
        "--segment",
        "3=liver",
    ]);
    assert!(
        text.contains("no voxel of the label has the value 3") && text.contains("it has 7, 52"),
        "{text}"
    );
    let text = said(&[
        "task",
        "add",
        "trunk",
        "--image",
        "nowhere",
        "--label",
        label,
        "--segment",
        "3=liver",
    ]);
    assert!(text.contains("nowhere does not exist"), "{text}");
    let text = said(&["task", "show", "trunk"]);
    assert!(text.contains("there is no task `trunk`"), "{text}");
    let text = said(&["segment", image, "--task", "trunk", "--out", "out"]);
    assert!(text.contains("there is no task `trunk`"), "{text}");
}
