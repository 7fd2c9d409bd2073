//! Slices that were read while their series still arrived: which they are, and that no others are taken for them.
//!
//! That what comes of them is the same, bit for bit, every series of these tests shows (`read_in_both_ways`).

use crate::support::{DrawnSeries, recoded};
use crate::{DRAWN, NETWORK_MM, files, read_ahead};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use irisnode::assemble::VolumeChoice;
use irisnode::node::{ReadAhead, SeriesInput, SlicesAhead, read_input};
use std::path::PathBuf;

const UID: &str = "1.2.826.0.1.3680043.10.543.82";

fn input(files: &[PathBuf], ahead: SlicesAhead) -> SeriesInput {
    read_input(files, &VolumeChoice::default(), NETWORK_MM, ahead).unwrap()
}

#[test]
fn slices_that_say_themselves_what_they_are_are_read_ahead_however_they_lie() {
    for name in [
        "ct-axial",
        "ct-axial-down",
        "ct-slope-per-slice",
        "ct-high-bit-rle",
        "ct-modality-lut",
        "ct-padding",
        "mr-sagittal",
        "mr-coronal",
        "mr-oblique",
        "mr-monochrome1",
    ] {
        let files = files(&DRAWN.join(name));
        let input = input(&files, read_ahead(&files));
        assert_eq!(input.read_ahead, files.len(), "{name}");
    }
}

#[test]
fn what_hangs_on_other_slices_or_comes_in_one_file_is_not() {
    for name in ["pt-activity", "enhanced-ct", "ct-tilt"] {
        let files = files(&DRAWN.join(name));
        assert_eq!(input(&files, read_ahead(&files)).read_ahead, 0, "{name}");
    }
}

#[test]
fn compressed_slices_are_read_ahead_too() {
    let folder = tempfile::tempdir().unwrap();
    let plain = files(&DRAWN.join("ct-axial"));
    for program in [&["dcmcjpeg", "+e1"][..], &["dcmcjpls"]] {
        let files = recoded(program, &plain, &folder.path().join(program[0]));
        let ahead = input(&files, read_ahead(&files));
        assert_eq!(ahead.read_ahead, files.len(), "{program:?}");
        let meant = input(&plain, SlicesAhead::default());
        assert_eq!(ahead.volume, meant.volume, "{program:?}");
    }
}

#[test]
fn an_image_that_took_the_place_of_one_that_was_read_is_read_itself() {
    let folder = tempfile::tempdir().unwrap();
    let files = DrawnSeries::new(UID, 0..6).write(folder.path());
    let ahead = read_ahead(&files);
    // As the archive does when an instance is sent again: under another name first.
    let other = tempfile::tempdir().unwrap();
    let mut bright = DrawnSeries::new(UID, 0..6);
    for slice in &mut bright.slices {
        slice.put_str(tags::RESCALE_INTERCEPT, VR::DS, "100");
    }
    let bright = bright.write(other.path());
    std::fs::copy(&bright[2], folder.path().join("new")).unwrap();
    std::fs::rename(folder.path().join("new"), &files[2]).unwrap();

    let found = input(&files, ahead);
    assert_eq!(found.read_ahead, 5);
    assert_eq!(found.volume, input(&files, SlicesAhead::default()).volume);
}

#[test]
fn a_job_that_asks_ends_the_reading_of_its_files() {
    let files = files(&DRAWN.join("ct-axial"));
    let ahead = ReadAhead::new(NETWORK_MM);
    ahead.announce(&files);
    ahead.read(&files[0]);
    assert_eq!(ahead.take(&files).len(), 1);
    for file in &files {
        ahead.read(file);
    }
    assert!(ahead.take(&files).is_empty());
}
