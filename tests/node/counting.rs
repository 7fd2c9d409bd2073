//! A series of a PACS that says how many instances it has is not waited for longer than until all are there.
//!
//! The quiet time of these nodes is longer than any test waits: what ends, ends by count.

use crate::support::{CtSlice, Node, NodeSetup, Orthanc, PATIENCE, free_port, tool, wait_until};
use crate::{printed, small_slices};
use serde_json::json;
use std::path::PathBuf;

const UID: &str = "1.2.826.0.1.3680043.10.543.61";
const LONG: &str = "quiet_time = \"2h\"\nquiet_after_release = \"1h\"\nidle_timeout = \"3h\"";

/// The PACS, which holds these files, and a node that asks it.
fn asked(files: &[PathBuf], node: &str) -> (Orthanc, Node) {
    let port = free_port();
    let orthanc = Orthanc::start(json!({
        "DicomAlwaysAllowFind": true,
        "DicomModalities": {"irisnode": [Node::AE_TITLE, "127.0.0.1", port]},
    }));
    for file in files {
        orthanc.post("/instances", &std::fs::read(file).unwrap());
    }
    let node = NodeSetup::default()
        .listening_on(port)
        .node(node)
        .sections(&format!(
            "[[peer]]\nname = \"pacs\"\nae_title = \"{}\"\nhost = \"127.0.0.1\"\nport = {}\nexpected_count = true\n",
            Orthanc::AE_TITLE,
            orthanc.dicom_port
        ))
        .start();
    (orthanc, node)
}

/// Sends files as the PACS would.
fn send_as_pacs(node: &Node, files: &[PathBuf]) {
    let sent = tool("storescu")
        .args([
            "--aetitle",
            Orthanc::AE_TITLE,
            "--call",
            Node::AE_TITLE,
            "127.0.0.1",
        ])
        .arg(node.port.to_string())
        .args(files)
        .output()
        .unwrap();
    assert!(sent.status.success(), "{}", printed(&sent));
}

#[test]
fn a_series_is_complete_when_as_many_are_there_as_the_pacs_has() {
    let folder = tempfile::tempdir().unwrap();
    let files = small_slices(folder.path(), UID, 8);
    let (_orthanc, node) = asked(&files, LONG);

    send_as_pacs(&node, &files[..5]);
    let counted = wait_until(PATIENCE, || {
        node.jobs().iter().any(|job| job["instances"] == 5)
    });
    assert!(counted, "{:#?}", node.jobs());
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(node.newest_job()["state"], "received", "three are missing");

    send_as_pacs(&node, &files[5..]);
    let jobs = node.ended_jobs(1);
    assert_eq!(jobs[0]["instances"], 8, "{jobs:#?}");
    node.wait_for_log("series complete, all are there");
}

#[test]
fn a_pacs_that_does_not_know_the_series_or_does_not_answer_leaves_it_to_the_quiet_time() {
    let folder = tempfile::tempdir().unwrap();
    let (mut orthanc, node) = asked(&[], "quiet_time = \"2s\"");
    send_as_pacs(&node, &small_slices(folder.path(), UID, 3));
    node.ended_jobs(1);
    assert!(!node.log().contains("all are there"));

    orthanc.stop();
    let other = CtSlice::new(&format!("{UID}.7"));
    send_as_pacs(&node, &[other.write(folder.path())]);
    node.ended_jobs(2);
    node.wait_for_log("how many instances there are is not known");
}
