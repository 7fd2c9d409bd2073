//! A result is delivered when its destination has committed to keeping it, where the destination is asked to: by real
//! Orthanc, and by a PACS that commits as told.

use crate::support::http;
use crate::support::{
    DrawnSeries, Node, NodeSetup, Orthanc, PATIENCE, Running, free_port, python, root, wait_until,
};
use crate::{ANY_CT, WITH_ORGANS, printed, send, storescp};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;

const UID: &str = "1.2.826.0.1.3680043.10.543.58";
const HASTY: &str = "connect_timeout = \"2s\"\nfirst_retry = \"200ms\"\nlongest_pause = \"500ms\"\n\
                     commitment_linger = \"1s\"";

/// A PACS that commits as told.
struct Pacs {
    process: Running,
    folder: tempfile::TempDir,
}

impl Pacs {
    fn start(port: u16, node_port: u16, answers: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(python());
        command
            .arg(root().join("tests/node/committing_pacs.py"))
            .args([port.to_string(), node_port.to_string()])
            .arg(folder.path())
            .args(answers);
        let log = folder.path().join("pacs.log");
        Self {
            process: Running::start_listening(&mut command, port, log),
            folder,
        }
    }

    /// Lines that it printed, split into words, that begin with this one.
    fn said(&self, word: &str) -> Vec<Vec<String>> {
        let log = self.process.log();
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let lines = log.lines().map(words);
        lines.filter(|line| line[0] == word).collect()
    }

    /// Transaction UID of each request.
    fn transactions(&self) -> Vec<String> {
        let asked = self.said("N-ACTION").into_iter();
        asked.map(|line| line[2].clone()).collect()
    }

    /// Lets `late` reports go.
    fn report(&self) {
        std::fs::write(self.folder.path().join("report"), "").unwrap();
    }
}

/// A node that asks `pacs` at `port` to commit to results.
fn asking(port: u16, delivery: &str) -> NodeSetup {
    NodeSetup::default()
        .peer("scanner", "SCANNER", free_port())
        .peer("pacs", "PACS", port)
        .sections("storage_commitment = true\n")
        .delivery(&format!("{HASTY}\n{delivery}"))
        .rule("any CT", &format!("{ANY_CT}\ndestinations = [\"pacs\"]"))
}

/// Such a node and its PACS, and a series on its way.
fn on_the_way(answers: &[&str], delivery: &str) -> (Pacs, Node) {
    let port = free_port();
    let node = asking(port, delivery).start();
    let pacs = Pacs::start(port, node.port, answers);
    send_drawn(&node, UID);
    (pacs, node)
}

fn send_drawn(node: &Node, uid: &str) {
    let folder = tempfile::tempdir().unwrap();
    let files = DrawnSeries::new(uid, WITH_ORGANS).write(folder.path());
    send(node, &files);
}

/// The results of a job, as `irisnode jobs show --json` has them.
fn results(node: &Node, job: &str) -> Vec<Value> {
    let shown = node.command("jobs").args(["--json", "show", job]).output();
    let shown: Value = serde_json::from_slice(&shown.unwrap().stdout).unwrap();
    shown["results"].as_array().cloned().unwrap()
}

/// The one result of job 1 is at its destination, and committed to.
fn assert_committed(node: &Node, pacs: &str) {
    let job = &node.ended_jobs(1)[0];
    assert_eq!(job["state"], "delivered", "{job:#}\n{}\n{pacs}", node.log());
    assert_eq!(job["reason"], Value::Null);
    let result = &results(node, "1")[0];
    assert_eq!(result["state"], "delivered", "{result:#}");
    assert!(result["committed_at"].as_i64().is_some(), "{result:#}");
}

#[test]
fn orthanc_commits_to_what_it_stored_and_the_jobs_record_says_so_everywhere() {
    let (port, web) = (free_port(), free_port());
    let orthanc = Orthanc::start(json!({
        "DicomModalities": {"irisnode": [Node::AE_TITLE, "127.0.0.1", port]},
    }));
    let node = NodeSetup::default()
        .listening_on(port)
        .peer("scanner", "SCANNER", free_port())
        .peer("pacs", Orthanc::AE_TITLE, orthanc.dicom_port)
        .sections("storage_commitment = true\n")
        .delivery(HASTY)
        .web(&format!("listen = \"127.0.0.1:{web}\""))
        .rule(
            "any CT",
            &format!("{ANY_CT}\nreport = true\ndestinations = [\"pacs\"]"),
        )
        .start();

    send_drawn(&node, UID);

    assert_committed(&node, &orthanc.log());
    let states: Vec<_> = results(&node, "1")
        .into_iter()
        .map(|result| result["committed_at"].is_i64())
        .collect();
    assert_eq!(states, [true, true], "the segmentation and its report");
    let shown = node.command("jobs").args(["show", "1"]).output().unwrap();
    let shown = printed(&shown);
    assert!(shown.contains("delivered, committed"), "{shown}");
    let get = |path| http::request(web, "GET", path, &format!("127.0.0.1:{web}"), b"").unwrap();
    let page = get("/jobs/1").text();
    assert!(page.contains("delivered, committed"), "{page}");
    let metrics = get("/metrics").text();
    let counted = "irisnode_commitments_total{destination=\"pacs\",outcome=\"committed\"} 2";
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn a_report_on_the_association_that_asked_is_heard() {
    let (pacs, node) = on_the_way(&["same"], "");
    assert_committed(&node, &pacs.process.log());
    assert_eq!(pacs.said("reported"), [["reported", "0000"]]);
    assert!(
        !node.log().contains("calling_ae=\"PACS\""),
        "{}",
        node.log()
    );
}

#[test]
fn what_the_pacs_lost_is_sent_again_and_asked_about_anew() {
    let (pacs, node) = on_the_way(&["0112", "0110", "new"], "");
    assert_committed(&node, &pacs.process.log());
    assert_eq!(pacs.said("C-STORE").len(), 3, "{}", pacs.process.log());
    let transactions: BTreeSet<String> = pacs.transactions().into_iter().collect();
    assert_eq!(transactions.len(), 3, "each request has a UID of its own");
    assert_eq!(pacs.said("reported"), vec![["reported", "0000"]; 3]);
}

#[test]
fn a_no_for_good_fails_the_job_and_a_retry_asks_again() {
    // 0122H: SOP class not supported.
    let (pacs, node) = on_the_way(&["0122", "new"], "");
    let job = &node.ended_jobs(1)[0];
    assert_eq!(job["state"], "failed", "{job:#}");
    let reason = job["reason"].as_str().unwrap();
    assert!(
        reason.contains("`pacs` stored the result, but does not commit to it")
            && reason.contains("0122H, SOP class not supported")
            && reason.contains("irisnode jobs retry 1"),
        "{reason}"
    );

    let retried = node.command("jobs").args(["retry", "1"]).output().unwrap();
    assert!(retried.status.success(), "{}", printed(&retried));
    assert_committed(&node, &pacs.process.log());
    assert_eq!(pacs.said("C-STORE").len(), 2);
}

#[test]
fn a_peer_that_takes_no_request_is_named_by_its_status_or_by_what_it_lacks() {
    let (_pacs, node) = on_the_way(&["refuse"], "");
    let job = &node.ended_jobs(1)[0];
    let reason = job["reason"].as_str().unwrap();
    assert!(
        job["state"] == "failed" && reason.contains("status 0122H"),
        "{job:#}"
    );

    // DCMTK's storescp stores, and knows nothing of commitments.
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let _storescp = storescp(folder.path(), port);
    let node = asking(port, "").start();
    send_drawn(&node, UID);
    let job = &node.ended_jobs(1)[0];
    let reason = job["reason"].as_str().unwrap();
    let lacks = "does not accept Storage Commitment Push Model";
    assert!(
        job["state"] == "failed" && reason.contains(lacks),
        "{job:#}"
    );
    // Which `check` would have told.
    let checked = node.command("check").arg("--connect").output().unwrap();
    let text = printed(&checked).replace(['\n', '│'], " ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!checked.status.success() && text.contains(lacks), "{text}");
}

#[test]
fn a_peer_that_reports_nothing_in_time_fails_the_job_and_is_believed_when_it_does() {
    let (pacs, node) = on_the_way(&["late"], "commitment_within = \"1s\"");
    let job = &node.ended_jobs(1)[0];
    let reason = job["reason"].as_str().unwrap();
    assert!(
        job["state"] == "failed" && reason.contains("reported nothing within 1s"),
        "{job:#}"
    );
    // It is not asked again behind a person's back.
    assert_eq!(pacs.transactions().len(), 1);

    pacs.report();
    node.wait_for_state(&["delivered"]);
    assert_committed(&node, &pacs.process.log());
}

#[test]
fn a_node_that_is_killed_while_it_waits_knows_at_its_next_start_what_it_asked() {
    let (pacs, mut node) = on_the_way(&["late"], "");
    let asked = || node.newest_job()["reason"].to_string().contains("waiting");
    let waits = wait_until(PATIENCE, || {
        asked() && node.log().contains("asked for storage commitment")
    });
    assert!(waits, "{:#?}\n{}", node.jobs(), node.log());
    assert_eq!(node.newest_job()["state"], "segmented");
    node.kill();

    node.start();
    pacs.report();

    assert_committed(&node, &pacs.process.log());
    assert_eq!(pacs.transactions().len(), 1, "{}", pacs.process.log());
    assert_eq!(pacs.said("C-STORE").len(), 1);
}

#[test]
fn a_node_that_is_killed_while_it_asks_asks_again() {
    let (pacs, mut node) = on_the_way(&["stuck", "new"], "");
    assert!(wait_until(PATIENCE, || pacs.transactions().len() == 1));
    node.kill();

    node.start();

    assert_committed(&node, &pacs.process.log());
    assert_eq!(pacs.transactions().len(), 2);
    assert_eq!(pacs.said("C-STORE").len(), 1, "it was stored already");
}

#[test]
fn a_series_whose_result_is_not_committed_to_yet_outlives_retention() {
    let port = free_port();
    let mut node = asking(port, "").node("keep_for = \"1s\"").start();
    let pacs = Pacs::start(port, node.port, &["new", "silence"]);
    send_drawn(&node, UID);
    assert_committed(&node, &pacs.process.log());
    send_drawn(&node, &format!("{UID}.9"));
    assert!(wait_until(PATIENCE, || pacs.transactions().len() == 2));

    // Retention looks at the start, and then once a minute.
    node.stop();
    node.start();
    let left = wait_until(PATIENCE, || node.jobs().len() == 1);

    assert!(left, "{:#?}", node.jobs());
    let job = node.newest_job();
    assert_eq!(
        (&job["id"], &job["state"]),
        (&2.into(), &"segmented".into())
    );
    let result = &results(&node, "2")[0];
    assert_eq!(result["state"], "stored");
    let file = result["file"].as_str().unwrap();
    assert!(std::path::Path::new(file).is_file(), "{file}");
    // A person need not wait for ever.
    let cancelled = ["cancel", "2", "--reason", "the PACS never reports"];
    let cancelled = node.command("jobs").args(cancelled).output().unwrap();
    assert!(cancelled.status.success(), "{}", printed(&cancelled));
    assert_eq!(node.newest_job()["state"], "delivered");
}

#[test]
fn only_who_was_asked_may_report_and_only_on_what_it_was_asked() {
    let (pacs, node) = on_the_way(&["silence"], "");
    assert!(wait_until(PATIENCE, || pacs.transactions().len() == 1));
    let asked = pacs.said("N-ACTION").remove(0);
    let (transaction, instance) = (asked[2].as_str(), asked[3].as_str());
    let report = |calling: &str, transaction: &str, event_type: &str| {
        let output = Command::new(python())
            .arg(root().join("tests/node/report_commitment.py"))
            .args([&node.port.to_string(), calling, transaction, instance])
            .arg(event_type)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said: Value =
            serde_json::from_str(text.trim()).unwrap_or_else(|_| panic!("{output:?}"));
        assert_eq!(
            (&said["as_provider"], &said["as_user"]),
            (&true.into(), &false.into())
        );
        said["status"].as_u64().unwrap()
    };
    assert_eq!(report("SCANNER", transaction, "1"), 0x0115, "another peer");
    assert_eq!(report("PACS", "1.2.3", "1"), 0x0115, "another transaction");
    assert_eq!(report("PACS", "-", "1"), 0x0115, "no transaction");
    assert_eq!(report("PACS", transaction, "3"), 0x0113, "another event");
    assert_eq!(node.newest_job()["state"], "segmented");

    assert_eq!(report("PACS", transaction, "1"), 0);
    assert_committed(&node, &pacs.process.log());
    // A report that comes twice is answered twice.
    assert_eq!(report("PACS", transaction, "1"), 0);
}

#[test]
fn check_says_which_peer_is_asked() {
    let node = asking(free_port(), "").prepare();
    let checked = node.command("check").output().unwrap();
    assert!(
        printed(&checked).contains(", asked to commit to results"),
        "{}",
        printed(&checked)
    );
}
