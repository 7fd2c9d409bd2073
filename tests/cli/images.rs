//! What a folder may hold, and what is said when it is not one series.

use crate::support::CtSlice;
use crate::{Desk, copy_series, fixture};

const ADD: &str = "task add t --segment 1=spleen --tasks-dir tasks --weights w.safetensors";

#[test]
fn a_folder_that_is_missing_empty_or_of_other_files_is_said_to_be_so() {
    let desk = Desk::new();
    let label = fixture("query/labels.nii.gz");
    let add = |folder| desk.run(ADD, &[("--label", &label), ("--image", &desk.path(folder))]);
    add("nowhere").failed_saying(&["nowhere does not exist", "check the path"]);
    std::fs::create_dir(desk.path("empty")).unwrap();
    add("empty").failed_saying(&["there is no DICOM image in", "it is empty"]);
    desk.write(
        "letters/a.txt",
        "Dear colleague, thank you for sending this patient to us.",
    );
    desk.write("letters/b.dcm", "not DICOM whatever its name is");
    add("letters").failed_saying(&["none of its 2 files is DICOM"]);
    add("letters/a.txt").failed_saying(&["is neither DICOM nor a NIfTI file"]);
}

#[test]
fn of_several_series_one_is_chosen_by_its_uid() {
    let desk = Desk::new();
    copy_series(&desk.path("study/a"));
    std::fs::create_dir(desk.path("study/b")).unwrap();
    for number in 1..=4 {
        let slice = CtSlice {
            number,
            ..CtSlice::new("1.2.826.0.1.3680043.10.543.77")
        };
        slice.write(&desk.path("study/b"));
    }
    let (study, label) = (desk.path("study"), fixture("query/labels.nii.gz"));
    let paths = [("--image", study.as_path()), ("--label", label.as_path())];
    let answer = desk.run(ADD, &paths);
    answer.failed_saying(&[
        "holds 2 series; one is needed",
        "choose one with --series UID",
        "CT 4 1.2.826.0.1.3680043.10.543.77 ./b",
        "CT 24 2.25.",
    ]);
    assert!(
        !answer.stderr.contains("Nobody"),
        "no patient's name: {}",
        answer.stderr
    );
    desk.run(&format!("{ADD} --series 2.25."), &paths).worked();
    desk.run(&format!("{ADD} --series 9.9"), &paths)
        .failed_saying(&["holds no series whose Series Instance UID begins or ends with 9.9"]);
}

#[test]
fn a_series_with_a_slice_missing_is_refused_with_a_sentence() {
    let desk = Desk::new();
    copy_series(&desk.path("series"));
    std::fs::remove_file(desk.path("series/010.dcm")).unwrap();
    let label = fixture("query/labels.nii.gz");
    desk.run(
        ADD,
        &[("--image", &desk.path("series")), ("--label", &label)],
    )
    .failed_saying(&["is no volume", "1 of 24 slices missing"]);
}
