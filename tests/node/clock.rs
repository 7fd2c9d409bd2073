//! The clock on the wall is set while the node runs.

use crate::support::{DrawnSeries, NodeSetup, PATIENCE, free_port, wait_until};
use crate::{ANY_CT, WITH_ORGANS, received, send, storescp};
use std::path::Path;

const UID: &str = "1.2.826.0.1.3680043.10.543.98";

fn set(clock: &Path, offset: &str) {
    std::fs::write(clock, offset).unwrap();
}

#[test]
fn a_clock_that_is_set_delays_no_result_and_completes_no_series_early() {
    let (folder, pacs_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = folder.path().join("clock");
    let port = free_port();
    let mut node = NodeSetup::default()
        .peer("scanner", "SCANNER", free_port())
        .peer("pacs", "PACS", port)
        .node("quiet_time = \"3s\"")
        .delivery("first_retry = \"3s\"\nlongest_pause = \"3s\"")
        .rule("any CT", &format!("{ANY_CT}\ndestinations = [\"pacs\"]"))
        .prepare();
    set(&clock, "+400d");
    node.start_by_clock(&clock);
    send(
        &node,
        &DrawnSeries::new(UID, WITH_ORGANS).write(&folder.path().join("one")),
    );
    let is_waiting = || {
        let job = node.newest_job();
        let reason = job["reason"].as_str();
        reason.is_some_and(|reason| reason.contains("cannot connect"))
    };
    assert!(wait_until(PATIENCE, is_waiting), "{}", node.log());

    // What waits for some seconds would wait for more than a year.
    set(&clock, "+0");
    node.wait_for_log("the clock was set");
    let _pacs = storescp(pacs_folder.path(), port);
    let job = &node.ended_jobs(1)[0];
    assert_eq!(job["state"], "delivered", "{job:#}");
    assert_eq!(received(pacs_folder.path()).len(), 1);

    // Between two halves of a series it goes by a year: they are one series still, and one result.
    let mut files =
        DrawnSeries::new(&format!("{UID}.2"), WITH_ORGANS).write(&folder.path().join("two"));
    let second = files.split_off(files.len() / 2);
    send(&node, &files);
    set(&clock, "+800d");
    send(&node, &second);
    let jobs = node.ended_jobs(2);
    let job = &jobs[0];
    assert_eq!(job["state"], "delivered", "{job:#}");
    assert_eq!(jobs.len(), 2, "{jobs:#?}");
    assert_eq!(job["instances"], files.len() + second.len());
}
