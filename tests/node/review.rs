//! Results held for review: kept and not sent, until a person decides.

use crate::support::{DrawnSeries, Node, NodeSetup, Orthanc, PATIENCE, free_port, wait_until};
use crate::{ANY_CT, WITH_ORGANS, printed, received, send, storescp};
use serde_json::json;
use std::process::Output;

const UID: &str = "1.2.826.0.1.3680043.10.543.90";

fn send_drawn(node: &Node, uid: &str) {
    let folder = tempfile::tempdir().unwrap();
    send(
        node,
        &DrawnSeries::new(uid, WITH_ORGANS).write(folder.path()),
    );
}

fn jobs(node: &Node, words: &[&str]) -> Output {
    node.command("jobs").args(words).output().unwrap()
}

/// The algorithm version of each SEG that Orthanc has.
fn versions(orthanc: &Orthanc) -> Vec<String> {
    let segs = orthanc.instances_of("SEG");
    let versions = segs.iter().map(|seg| {
        let tags = orthanc.get(&format!("/instances/{seg}/simplified-tags"));
        let algorithm =
            &tags["SegmentSequence"][0]["SegmentationAlgorithmIdentificationSequence"][0];
        algorithm["AlgorithmVersion"].as_str().unwrap().to_owned()
    });
    versions.collect()
}

#[test]
fn a_doubtful_result_is_kept_over_a_restart_and_sent_when_it_is_released() {
    let orthanc = Orthanc::start(json!({}));
    let to_orthanc = format!("{ANY_CT}\ndestinations = [\"orthanc\"]");
    let mut node = NodeSetup::default()
        .peer("scanner", "SCANNER", free_port())
        .peer("orthanc", Orthanc::AE_TITLE, orthanc.dicom_port)
        .rule("trusting", &format!("{to_orthanc}\nhold_below = 0"))
        // No network is that sure.
        .rule(
            "careful",
            &format!("{to_orthanc}\nhold_below = 1.0\nstrategy = \"ensemble\""),
        )
        .start();
    send_drawn(&node, UID);

    // The other rule's result is delivered meanwhile.
    let job = node.wait_for_state(&["held"]);
    assert_eq!(
        (&job["delivered"], &job["held"], &job["results"]),
        (&1.into(), &1.into(), &2.into())
    );
    let reason = job["reason"].as_str().unwrap();
    assert!(
        reason.contains("rule `careful` holds its result for review")
            && reason.contains("liver 0."),
        "{reason}"
    );
    let listed = printed(&jobs(&node, &[]));
    assert!(
        listed.contains("1/2, 1 held") && listed.contains("`careful`"),
        "{listed}"
    );
    let sent = versions(&orthanc);
    assert!(sent.len() == 1 && !sent[0].contains("ensemble"), "{sent:?}");

    node.kill();
    node.start();
    assert_eq!(node.wait_for_state(&["held"])["held"], 1);
    let id = job["id"].to_string();
    let wrong = jobs(&node, &["release", &id, "--rule", "trusting"]);
    assert!(!wrong.status.success());
    assert!(printed(&wrong).contains("no result"), "{}", printed(&wrong));
    assert_eq!(orthanc.instances_of("SEG").len(), 1);

    let released = jobs(&node, &["release", &id]);
    assert!(released.status.success(), "{}", printed(&released));
    let job = node.wait_for_state(&["delivered"]);
    assert_eq!((&job["delivered"], &job["held"]), (&2.into(), &0.into()));
    assert_eq!(job["reason"], serde_json::Value::Null);
    let sent = versions(&orthanc);
    assert_eq!(sent.len(), 2, "{sent:?}");
    // Each says by which strategy it was made.
    let ensembles = sent.iter().filter(|v| v.ends_with(" ensemble")).count();
    assert_eq!(ensembles, 1, "{sent:?}");

    let again = jobs(&node, &["release", &id]);
    assert!(!again.status.success());
}

#[test]
fn a_discarded_result_is_never_sent_and_its_record_says_why() {
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let _pacs = storescp(folder.path(), port);
    let node = NodeSetup::default()
        .peer("scanner", "SCANNER", free_port())
        .peer("pacs", "PACS", port)
        .rule(
            "careful",
            &format!("{ANY_CT}\ndestinations = [\"pacs\"]\nhold_below = 1"),
        )
        .start();
    send_drawn(&node, UID);
    let id = node.wait_for_state(&["held"])["id"].to_string();

    let discarded = jobs(&node, &["discard", &id, "--reason", "the liver is cut off"]);
    assert!(discarded.status.success(), "{}", printed(&discarded));

    let job = node.newest_job();
    assert_eq!(job["state"], "discarded", "{job:#}");
    assert_eq!(job["reason"], "discarded: the liver is cut off");
    assert_eq!((&job["delivered"], &job["held"]), (&0.into(), &0.into()));
    // It cannot be sent any more, and it is still there to be looked at.
    assert!(!jobs(&node, &["release", &id]).status.success());
    let kept = walkdir::WalkDir::new(node.data().join("results"));
    let kept = kept.into_iter().flatten();
    assert_eq!(kept.filter(|entry| entry.file_type().is_file()).count(), 1);
    // A later series goes its own way, which takes longer than a delivery would.
    send_drawn(&node, &format!("{UID}.2"));
    let later = wait_until(PATIENCE, || node.newest_job()["state"] == "held");
    assert!(later, "{:#?}\n{}", node.jobs(), node.log());
    assert!(received(folder.path()).is_empty());
}
