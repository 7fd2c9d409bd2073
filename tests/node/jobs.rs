//! When a series counts as complete, and what a person does about its job.

use crate::raw_association::RawAssociation;
use crate::support::{CtSlice, DrawnSeries, NodeSetup, PATIENCE, data_set, free_port, wait_until};
use crate::{ANY_CT, WITH_ORGANS, printed, received, receiver, send, storescp};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use std::time::Duration;

const UID: &str = "1.2.826.0.1.3680043.10.543.53";

fn store(association: &mut RawAssociation, number: u16) {
    let folder = tempfile::tempdir().unwrap();
    let slice = CtSlice {
        number,
        ..CtSlice::new(UID)
    };
    let bytes = data_set(&slice.write(folder.path()));
    assert_eq!(association.store(&slice.sop_instance(), &bytes, 4096), 0);
}

#[test]
fn a_sender_that_pauses_in_an_open_association_gets_one_job_for_the_whole() {
    let node = receiver().start();
    let mut association = RawAssociation::open(&node);
    store(&mut association, 1);
    // Longer than the quiet time of 300 ms, by far.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(node.newest_job()["state"], "received");
    store(&mut association, 2);
    association.release();

    let job = &node.ended_jobs(1)[0];
    assert_eq!(job["instances"], 2);
}

#[test]
fn a_release_ends_the_wait_for_a_series() {
    let node = receiver()
        .node("quiet_time = \"1h\"\nquiet_after_release = \"300ms\"")
        .start();
    let mut association = RawAssociation::open(&node);
    store(&mut association, 1);
    association.release();
    assert_eq!(node.ended_jobs(1)[0]["instances"], 1);
}

#[test]
fn a_job_is_shown_cancelled_and_done_again_as_a_person_says() {
    let (folder, pacs_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = free_port();
    let node = NodeSetup::default()
        .peer("scanner", "SCANNER", free_port())
        .peer("pacs", "PACS", port)
        .delivery("first_retry = \"100ms\"\nlongest_pause = \"200ms\"\ngive_up_after = \"300ms\"")
        .rule("any CT", &format!("{ANY_CT}\ndestinations = [\"pacs\"]"))
        .start();
    let jobs = |arguments: &[&str]| {
        let output = node.command("jobs").args(arguments).output().unwrap();
        (
            output.status.success(),
            printed(&output).replace(['\n', '│'], " "),
        )
    };
    // Nobody listens at the PACS yet: a dead letter.
    send(
        &node,
        &DrawnSeries::new(UID, WITH_ORGANS).write(folder.path()),
    );
    assert_eq!(node.ended_jobs(1)[0]["state"], "failed");
    let (ok, text) = jobs(&["show", "1"]);
    assert!(ok && text.contains("Job 1: failed, 8 instances"), "{text}");
    assert!(text.contains("cannot connect to PACS"), "{text}");

    let _pacs = storescp(pacs_folder.path(), port);
    let (ok, text) = jobs(&["retry", "1"]);
    assert!(ok, "{text}");
    assert_eq!(node.ended_jobs(1)[0]["state"], "delivered");
    assert_eq!(received(pacs_folder.path()).len(), 1);
    let (ok, text) = jobs(&["show", "1"]);
    for word in ["segment", "volume", "confidence"] {
        assert!(ok && text.contains(word), "{text}");
    }

    let (ok, text) = jobs(&["retry", "1"]);
    assert!(!ok && text.contains("job 1 is delivered"), "{text}");
    let (ok, text) = jobs(&["cancel", "7", "--reason", "none"]);
    assert!(!ok && text.contains("there is no job 7"), "{text}");

    let mut association = RawAssociation::open(&node);
    store(&mut association, 1);
    assert!(wait_until(PATIENCE, || node.jobs().len() == 2));
    let (ok, text) = jobs(&["cancel", "2", "--reason", "sent by mistake"]);
    assert!(ok, "{text}");
    association.release();
    let job = node.newest_job();
    assert_eq!(job["state"], "discarded", "{job:#}");
    assert_eq!(job["reason"], "cancelled: sent by mistake");
}

#[test]
fn what_comes_late_gets_a_result_of_the_whole_and_the_earlier_one_is_said_to_be_superseded() {
    let (folder, pacs_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = free_port();
    let _pacs = storescp(pacs_folder.path(), port);
    let node = NodeSetup::default()
        .peer("scanner", "SCANNER", free_port())
        .peer("pacs", "PACS", port)
        .rule("any CT", &format!("{ANY_CT}\ndestinations = [\"pacs\"]"))
        .start();
    let files = DrawnSeries::new(&format!("{UID}.3"), WITH_ORGANS).write(folder.path());
    send(&node, &files[..6]);
    assert_eq!(node.ended_jobs(1)[0]["state"], "delivered");

    send(&node, &files[6..]);
    let jobs = node.ended_jobs(2);
    let (second, first) = (&jobs[0], &jobs[1]);
    assert_eq!(second["state"], "delivered", "{second:#}");
    assert_eq!(second["instances"], files.len());
    assert_eq!(
        first["reason"],
        format!(
            "superseded by job {}, which has more of the series",
            second["id"]
        )
    );
    let results = received(pacs_folder.path());
    assert_eq!(results.len(), 2, "a PACS keeps what it was sent");
}

#[test]
fn a_series_of_a_rule_with_priority_goes_before_those_that_came_first() {
    let (folder, pacs_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = free_port();
    let pacs = storescp(pacs_folder.path(), port);
    let rule = |patient: &str| {
        format!(
            "when = {{ Modality = \"CT\", PatientID = \"{patient}\" }}\ndestinations = [\"pacs\"]"
        )
    };
    let mut node = NodeSetup::default()
        .node("quiet_time = \"2s\"")
        .peer("scanner", "SCANNER", free_port())
        .peer("pacs", "PACS", port)
        .rule("routine", &rule("ROUTINE"))
        .rule("stroke", &format!("priority = 10\n{}", rule("STROKE")))
        .start();
    let patients = [["ROUTINE"; 5].as_slice(), &["STROKE"]].concat();
    for (number, patient) in patients.iter().enumerate() {
        let mut series = DrawnSeries::new(&format!("{UID}.4.{number}"), WITH_ORGANS);
        series.set_all(tags::PATIENT_ID, VR::LO, patient);
        send(
            &node,
            &series.write(&folder.path().join(number.to_string())),
        );
    }
    // After a start all of them become complete at once.
    node.stop();
    node.start();

    let jobs = node.ended_jobs(patients.len());
    assert!(
        jobs.iter().all(|job| job["state"] == "delivered"),
        "{jobs:#?}"
    );
    let ended = |job: &serde_json::Value| job["updated_at"].as_i64().unwrap();
    assert_eq!(jobs[0]["rules"], serde_json::json!(["stroke"]));
    let stroke = ended(&jobs[0]);
    let later = jobs[1..].iter().filter(|job| ended(job) > stroke).count();
    // Some may have been on their way already; in the order they came, none would be later.
    assert!(later >= 1, "{jobs:#?}\n{}", pacs.log());
}
