//! From rules to destinations: which results go where, and what becomes of them when a destination does not take them.

use crate::support::{
    DrawnSeries, NodeSetup, PATIENCE, Running, free_port, python, root, wait_until,
};
use crate::{ANY_CT, WITH_ORGANS, received, send, store_requests, storescp};
use std::path::Path;

const UID: &str = "1.2.826.0.1.3680043.10.543.60";

fn hasty() -> NodeSetup {
    NodeSetup::default()
        .peer("scanner", "SCANNER", free_port())
        .delivery("connect_timeout = \"2s\"\nfirst_retry = \"300ms\"\nlongest_pause = \"1s\"")
}

fn send_drawn(node: &crate::support::Node, uid: &str) {
    let folder = tempfile::tempdir().unwrap();
    send(
        node,
        &DrawnSeries::new(uid, WITH_ORGANS).write(folder.path()),
    );
}

fn refusing_peer(folder: &Path, port: u16) -> Running {
    let mut command = std::process::Command::new(python());
    command
        .arg(root().join("tests/support/storage_scp.py"))
        .arg(port.to_string())
        .arg("A900");
    Running::start_listening(&mut command, port, folder.join("peer.log"))
}

#[test]
fn a_result_waits_for_a_destination_that_is_down_and_arrives_once_when_it_is_up() {
    let (down, up) = (free_port(), free_port());
    let pacs_folder = tempfile::tempdir().unwrap();
    let other_folder = tempfile::tempdir().unwrap();
    let other = storescp(other_folder.path(), up);
    let mut node = hasty()
        .peer("pacs", "PACS", down)
        .peer("other", "OTHER", up)
        .rule(
            "both",
            &format!("{ANY_CT}\ndestinations = [\"pacs\", \"other\"]"),
        )
        .start();
    send_drawn(&node, UID);

    let waiting = wait_until(PATIENCE, || {
        let job = node.newest_job();
        job["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("cannot connect"))
    });
    assert!(waiting, "{:#?}\n{}", node.jobs(), node.log());
    assert_eq!(node.newest_job()["state"], "segmented");
    // Another destination is not held up by it. (What arrived and is not noted yet would be sent once more.)
    let arrived = wait_until(PATIENCE, || node.newest_job()["delivered"] == 1);
    assert!(arrived, "{:#?}\n{}", node.jobs(), node.log());
    assert_eq!(received(other_folder.path()).len(), 1);

    // The wait outlives a restart.
    node.kill();
    node.start();
    let pacs = storescp(pacs_folder.path(), down);

    let job = &node.ended_jobs(1)[0];
    assert_eq!(job["state"], "delivered", "{job:#}");
    assert_eq!((&job["delivered"], &job["results"]), (&2.into(), &2.into()));
    assert_eq!(job["reason"], serde_json::Value::Null);
    assert_eq!(received(pacs_folder.path()).len(), 1);
    assert_eq!((store_requests(&pacs), store_requests(&other)), (1, 1));
}

#[test]
fn a_refusal_for_good_is_recorded_with_its_reason_and_the_other_destination_has_its_result() {
    let (refuser, port) = (free_port(), free_port());
    let folder = tempfile::tempdir().unwrap();
    let pacs_folder = tempfile::tempdir().unwrap();
    let peer = refusing_peer(folder.path(), refuser);
    let _pacs = storescp(pacs_folder.path(), port);
    let node = hasty()
        .peer("refuser", "PEER", refuser)
        .peer("pacs", "PACS", port)
        .rule(
            "both",
            &format!("{ANY_CT}\ndestinations = [\"refuser\", \"pacs\"]"),
        )
        .start();
    send_drawn(&node, UID);

    let job = &node.ended_jobs(1)[0];

    assert_eq!(job["state"], "failed", "{job:#}");
    let reason = job["reason"].as_str().unwrap();
    assert!(
        reason.contains("PEER at 127.0.0.1") && reason.contains("A900H"),
        "{reason}"
    );
    assert_eq!((&job["delivered"], &job["results"]), (&1.into(), &2.into()));
    assert_eq!(received(pacs_folder.path()).len(), 1);
    assert_eq!(peer.log().matches("C-STORE").count(), 1);
}

#[test]
fn a_rule_that_cannot_be_done_does_not_cost_another_its_result() {
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let _pacs = storescp(folder.path(), port);
    // The sender is no peer, so the second rule has nowhere to send to.
    let node = NodeSetup::default()
        .node("accept_unknown_callers = true")
        .peer("pacs", "PACS", port)
        .rule("sound", &format!("{ANY_CT}\ndestinations = [\"pacs\"]"))
        .rule("to whom", ANY_CT)
        .start();
    send_drawn(&node, UID);

    let job = &node.ended_jobs(1)[0];

    assert_eq!(received(folder.path()).len(), 1);
    assert_eq!(job["state"], "failed", "{job:#}");
    let reason = job["reason"].as_str().unwrap();
    assert!(
        reason.contains("`to whom`") && reason.contains("SCANNER"),
        "{reason}"
    );
    assert_eq!((&job["delivered"], &job["results"]), (&1.into(), &2.into()));
}

#[test]
fn every_rule_that_matches_gives_its_result_and_a_series_without_one_says_so() {
    let (port_a, port_b) = (free_port(), free_port());
    let (folder_a, folder_b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _a = storescp(folder_a.path(), port_a);
    let _b = storescp(folder_b.path(), port_b);
    let abdomen = "when = { BodyPartExamined = \"ABDOMEN\" }";
    let node = hasty()
        .peer("a", "A", port_a)
        .peer("b", "B", port_b)
        .rule("first", &format!("{abdomen}\ndestinations = [\"a\"]"))
        .rule("second", &format!("{abdomen}\ndestinations = [\"b\"]"))
        .rule(
            "never",
            "when = { Modality = \"MR\" }\ndestinations = [\"a\", \"b\"]",
        )
        .start();
    send_drawn(&node, UID);

    let job = &node.ended_jobs(1)[0];
    assert_eq!(job["state"], "delivered", "{job:#}");
    assert_eq!(job["results"], 2);
    let (in_a, in_b) = (received(folder_a.path()), received(folder_b.path()));
    assert_eq!((in_a.len(), in_b.len()), (1, 1));
    // Results of two rules are two instances, whatever they show.
    assert_ne!(in_a[0].file_name(), in_b[0].file_name());

    let folder = tempfile::tempdir().unwrap();
    send(&node, &crate::small_slices(folder.path(), UID, 3));
    let job = &node.ended_jobs(2)[0];
    assert_eq!(job["state"], "skipped", "{job:#}");
    let reason = job["reason"].as_str().unwrap();
    assert!(reason.contains("no rule matched"), "{reason}");
}

#[test]
fn a_rule_without_destination_for_a_caller_that_is_no_peer_says_what_to_add() {
    let node = hasty()
        .node("accept_unknown_callers = true")
        .rule("any CT", ANY_CT)
        .start();
    let folder = tempfile::tempdir().unwrap();
    let files = crate::small_slices(folder.path(), UID, 3);
    for outcome in crate::send_each(&node, "STRANGER", &files, |_| {}) {
        outcome.result.expect("an acknowledgement");
    }

    let job = &node.ended_jobs(1)[0];
    assert_eq!(job["state"], "failed", "{job:#}");
    let reason = job["reason"].as_str().unwrap();
    assert!(
        reason.contains("no [[peer]] has the AE title `STRANGER`"),
        "{reason}"
    );
}

#[test]
fn a_report_goes_where_its_segmentation_goes() {
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let _pacs = storescp(folder.path(), port);
    let node = hasty()
        .peer("pacs", "PACS", port)
        .rule(
            "with report",
            &format!("{ANY_CT}\nreport = true\ndestinations = [\"pacs\"]"),
        )
        .start();
    send_drawn(&node, UID);

    let job = &node.ended_jobs(1)[0];
    assert_eq!(job["state"], "delivered", "{job:#}\n{}", node.log());
    assert_eq!((&job["delivered"], &job["results"]), (&2.into(), &2.into()));
    let mut objects: Vec<_> = received(folder.path())
        .into_iter()
        .map(|file| dicom_object::open_file(file).unwrap())
        .collect();
    let text = |object: &dicom_object::DefaultDicomObject, tag| {
        object
            .element(tag)
            .unwrap()
            .to_str()
            .unwrap()
            .trim_end_matches('\0')
            .to_owned()
    };
    use dicom_dictionary_std::tags;
    objects.sort_by_key(|object| text(object, tags::MODALITY));
    let [seg, report] = objects.as_slice() else {
        panic!("{} objects arrived", objects.len());
    };
    assert_eq!(
        (text(seg, tags::MODALITY), text(report, tags::MODALITY)),
        ("SEG".into(), "SR".into())
    );
    assert_eq!(
        text(seg, tags::STUDY_INSTANCE_UID),
        text(report, tags::STUDY_INSTANCE_UID)
    );
    let evidence = report
        .element(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE)
        .unwrap();
    let series = evidence.items().unwrap()[0]
        .element(tags::REFERENCED_SERIES_SEQUENCE)
        .unwrap();
    let first = &series.items().unwrap()[0];
    let named = first
        .element(tags::SERIES_INSTANCE_UID)
        .unwrap()
        .to_str()
        .unwrap()
        .trim_end_matches('\0')
        .to_owned();
    assert_eq!(named, text(seg, tags::SERIES_INSTANCE_UID));
}
