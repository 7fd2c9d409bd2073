//! Series that are no volume: received with success, kept, and never segmented; the job says why.

use crate::support::{DrawnSeries, Node, NodeSetup, PATIENCE, free_port, wait_until};
use crate::{ANY_CT, WITH_ORGANS, send, storescp};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use std::path::PathBuf;

const UID: &str = "1.2.826.0.1.3680043.10.543.70";

fn segmenting() -> NodeSetup {
    NodeSetup::default()
        .peer("scanner", "SCANNER", free_port())
        .rule("any CT", ANY_CT)
}

/// A way to spoil a series, and what the job's reason must say.
type Spoilt = (&'static str, fn(&mut DrawnSeries), &'static str);

const SPOILT: &[Spoilt] = &[
    (
        "one slice",
        |s| s.slices.truncate(1),
        "the series has 1 slice",
    ),
    (
        "two slices",
        |s| s.slices.truncate(2),
        "the series has 2 slices",
    ),
    (
        "a missing slice",
        |s| drop(s.slices.remove(3)),
        "1 of 8 slices missing",
    ),
    (
        "mixed orientation",
        |s| {
            s.set(
                2,
                tags::IMAGE_ORIENTATION_PATIENT,
                VR::DS,
                "0\\1\\0\\0\\0\\-1",
            )
        },
        "of the 8 slices are turned against the first by up to 90.00 degrees",
    ),
    (
        "a position twice",
        |s| {
            let twice = s.slices[4].clone();
            s.slices.push(twice);
            s.set(
                8,
                tags::SOP_INSTANCE_UID,
                VR::UI,
                "1.2.826.0.1.3680043.10.543.70.9",
            );
        },
        "lie at a position that another slice has",
    ),
    (
        "one slice out of place",
        |s| {
            s.set(
                5,
                tags::IMAGE_POSITION_PATIENT,
                VR::DS,
                "-190.5\\-166.5\\53.5",
            )
        },
        "the distance between slices is not regular",
    ),
    (
        "no position",
        |s| s.set(1, tags::IMAGE_POSITION_PATIENT, VR::DS, ""),
        "the attribute ImagePositionPatient is missing",
    ),
    (
        "mixed pixel spacing",
        |s| s.set(6, tags::PIXEL_SPACING, VR::DS, "3\\2.5"),
        "the series mixes pixel spacings",
    ),
];

#[test]
fn a_series_that_is_no_volume_is_kept_and_its_job_says_why() {
    let node = segmenting().start();
    let folder = tempfile::tempdir().unwrap();
    let mut files = 0;
    for (number, (name, spoil, reason)) in SPOILT.iter().enumerate() {
        let mut series = DrawnSeries::new(&format!("{UID}.{number}"), 8..16);
        spoil(&mut series);
        let sent = series.write(&folder.path().join(name));
        files += sent.len();
        send(&node, &sent);

        let job = &node.ended_jobs(number + 1)[0];
        assert_eq!(job["state"], "failed", "{name}: {job:#}");
        let said = job["reason"].as_str().unwrap();
        assert!(said.contains(reason), "{name}: {said}");
        assert_eq!(job["results"], 0, "{name}");
        assert_eq!(job["instances"], sent.len(), "{name}");
    }
    assert_eq!(node.kept().len(), files);
}

/// Sends a series and takes files away before it is complete.
fn with_files_gone(node: &Node, gone: impl Fn(Vec<PathBuf>)) -> String {
    let folder = tempfile::tempdir().unwrap();
    send(node, &DrawnSeries::new(UID, 8..16).write(folder.path()));
    let indexed = wait_until(PATIENCE, || node.newest_job()["instances"] == 8);
    let job = node.newest_job();
    assert!(indexed, "{job:#}\n{}", node.log());
    assert_eq!(job["state"], "received", "the quiet time is too short");
    gone(node.kept());
    let job = node.ended_jobs(1).remove(0);
    assert_eq!(job["state"], "failed", "{job:#}");
    job["reason"].as_str().unwrap().to_owned()
}

#[test]
fn a_series_whose_files_are_gone_fails_with_a_sentence() {
    let node = segmenting().node("quiet_time = \"5s\"").start();
    let reason = with_files_gone(&node, |kept| {
        kept.iter()
            .for_each(|file| std::fs::remove_file(file).unwrap());
    });
    assert!(reason.contains("cannot be read"), "{reason}");
}

#[test]
fn one_damaged_file_fails_its_series_and_nothing_else() {
    let node = segmenting().node("quiet_time = \"5s\"").start();
    let reason = with_files_gone(&node, |mut kept| {
        kept.sort();
        // Cut short, so that the decoder runs out of pixels.
        for file in kept {
            let bytes = std::fs::read(&file).unwrap();
            std::fs::write(&file, &bytes[..bytes.len() - 5000]).unwrap();
        }
    });
    assert!(
        reason.contains("cannot be read") || reason.contains("pixels"),
        "{reason}"
    );
    crate::assert_answers(&node);
}

#[test]
fn of_several_volumes_each_rule_takes_its_own_and_the_record_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let pacs = storescp(folder.path(), port);
    let both = "when = { Modality = \"CT\" }\ndestinations = [\"pacs\"]";
    let node = NodeSetup::default()
        .peer("scanner", "SCANNER", free_port())
        .peer("pacs", "PACS", port)
        .rule("fullest", both)
        .rule(
            "second",
            &format!("{both}\nvolume = {{ AcquisitionNumber = 2 }}"),
        )
        .rule("one only", &format!("{both}\nvolume = \"only\""))
        .start();
    // Two acquisitions of the same place in one series, the second of fewer slices.
    let mut series = DrawnSeries::new(UID, WITH_ORGANS);
    let mut second = DrawnSeries::new(UID, WITH_ORGANS.start..WITH_ORGANS.end - 1);
    for (at, slice) in second.slices.iter_mut().enumerate() {
        let uid = format!("{UID}.4.{at}");
        slice.put(dicom_core::DataElement::new(
            tags::SOP_INSTANCE_UID,
            VR::UI,
            dicom_core::PrimitiveValue::from(uid),
        ));
    }
    second.set_all(tags::ACQUISITION_NUMBER, VR::IS, "2");
    series.slices.append(&mut second.slices);

    let sent = tempfile::tempdir().unwrap();
    send(&node, &series.write(sent.path()));

    let job = &node.ended_jobs(1)[0];
    let count = WITH_ORGANS.len();
    let listed = format!(
        "2 volumes: AcquisitionNumber 1 ({count} slices); AcquisitionNumber 2 ({} slices)",
        count - 1
    );
    let note = job["note"].as_str().unwrap();
    let taken =
        |number: u8| format!("of {listed}, the one of AcquisitionNumber {number} was taken");
    assert_eq!(note, format!("{}; {}", taken(1), taken(2)));
    // The rule that takes no such series has failed, the others are done.
    assert_eq!(job["state"], "failed", "{job:#}");
    assert_eq!(job["delivered"], 2, "{job:#}\n{}", pacs.log());
    let reason = job["reason"].as_str().unwrap();
    assert!(
        reason.contains(&format!("the series holds {listed}, which begin at image "))
            && reason.contains("; the rule takes series of one volume only"),
        "{reason}"
    );
}

#[test]
fn a_pet_series_is_segmented_in_suv_or_in_what_it_has() {
    let node = NodeSetup::default()
        .peer("scanner", "SCANNER", free_port())
        .rule("any PET", "when = { Modality = \"PT\" }")
        .start();
    let mut series = DrawnSeries::new(UID, WITH_ORGANS);
    series.set_all(tags::MODALITY, VR::CS, "PT");
    let pet = dicom_dictionary_std::uids::POSITRON_EMISSION_TOMOGRAPHY_IMAGE_STORAGE;
    series.set_all(tags::SOP_CLASS_UID, VR::UI, pet);
    for slice in &mut series.slices {
        slice.meta_mut().media_storage_sop_class_uid = pet.to_owned();
    }
    series.set_all(tags::UNITS, VR::CS, "BQML");
    let sent = tempfile::tempdir().unwrap();
    let files = series.write(sent.path());
    send(&node, &files);
    let said = |node: &Node| {
        node.jobs()
            .first()
            .and_then(|job| job["note"].as_str().map(str::to_owned))
    };
    assert!(
        wait_until(PATIENCE, || said(&node).is_some()),
        "{}",
        node.log()
    );
    let note = said(&node).unwrap();
    assert!(note.starts_with("values are as the scanner gave them (HU), for SUV does not follow from the header: Corrected Image"), "{note}");
}
