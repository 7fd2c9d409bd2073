//! Acknowledged means kept: through SIGKILL at the worst moment, and through a restart in the middle of the work.

use crate::support::{
    DrawnSeries, Node, NodeSetup, PATIENCE, data_set, free_port, python, wait_until,
};
use crate::{
    ANY_CT, WITH_ORGANS, received, send, send_each, small_slices, store_requests, storescp,
};
use std::collections::BTreeSet;
use std::path::PathBuf;

const UID: &str = "1.2.826.0.1.3680043.10.543.50";

/// A node that segments every CT and sends results to PACS at `port`.
fn segmenting_for(port: u16) -> NodeSetup {
    NodeSetup::default()
        .peer("scanner", "SCANNER", free_port())
        .peer("pacs", "PACS", port)
        .rule("any CT", &format!("{ANY_CT}\ndestinations = [\"pacs\"]"))
}

fn data_sets(files: &[PathBuf]) -> BTreeSet<Vec<u8>> {
    files.iter().map(|file| data_set(file)).collect()
}

#[test]
fn killed_right_after_the_last_success_the_node_has_everything_and_answers_once() {
    let (folder, pacs_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = free_port();
    let pacs = storescp(pacs_folder.path(), port);
    let mut node = segmenting_for(port).start();
    let files = DrawnSeries::new(UID, WITH_ORGANS).write(folder.path());
    let node_process = node.process().id().to_string();

    let mut acknowledged = 0;
    send_each(&node, "SCANNER", &files, |outcome| {
        assert!(outcome.result.is_ok(), "{outcome:?}");
        acknowledged += 1;
        if acknowledged == files.len() {
            let killed = std::process::Command::new("kill")
                .args(["-KILL", &node_process])
                .status();
            assert!(killed.unwrap().success());
        }
    });
    node.kill();

    assert_eq!(acknowledged, files.len());
    assert_eq!(data_sets(&node.kept()), data_sets(&files));
    node.start();
    let job = &node.ended_jobs(1)[0];
    assert_eq!(job["state"], "delivered", "{job:#}");
    assert_eq!(job["instances"], files.len());
    assert_eq!(received(pacs_folder.path()).len(), 1);
    assert_eq!(store_requests(&pacs), 1);
}

#[test]
fn killed_in_the_middle_of_a_series_the_node_has_what_it_acknowledged_and_takes_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = crate::receiver().start();
    let files = small_slices(folder.path(), UID, 120);
    let node_process = node.process().id().to_string();

    let mut acknowledged = Vec::new();
    send_each(&node, "SCANNER", &files, |outcome| {
        if outcome.result.is_ok() {
            acknowledged.push(outcome.path.clone());
        }
        if acknowledged.len() == 50 {
            let _ = std::process::Command::new("kill")
                .args(["-KILL", &node_process])
                .status();
        }
    });
    node.kill();

    assert!(
        (50..120).contains(&acknowledged.len()),
        "{}",
        acknowledged.len()
    );
    let kept = data_sets(&node.kept());
    assert!(data_sets(&acknowledged).is_subset(&kept));
    node.start();
    assert_eq!(node.spooled().len(), 0, "what was arriving is cleared away");
    send(&node, &files);
    assert_eq!(data_sets(&node.kept()), data_sets(&files));
    let newest = &node.wait_for_state(&["skipped"]);
    assert_eq!(newest["instances"], 120);
}

#[test]
fn stopped_while_it_segments_the_node_goes_on_at_the_next_start_and_answers_once() {
    let (folder, pacs_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = free_port();
    let pacs = storescp(pacs_folder.path(), port);
    let mut node = segmenting_for(port).start();
    send(
        &node,
        &DrawnSeries::new(UID, WITH_ORGANS).write(folder.path()),
    );
    node.wait_for_state(&["routed", "segmented", "delivered"]);

    node.stop();
    node.start();

    let job = &node.ended_jobs(1)[0];
    assert_eq!(job["state"], "delivered", "{job:#}");
    assert_eq!(received(pacs_folder.path()).len(), 1);
    assert_eq!(store_requests(&pacs), 1);
}

#[test]
fn a_disk_that_fails_is_not_held_against_the_series() {
    let (folder, pacs_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = free_port();
    let _pacs = storescp(pacs_folder.path(), port);
    let mut node = segmenting_for(port).start();
    // Results cannot be written where a file is in the way of their folder.
    let results = node.data().join("results");
    std::fs::remove_dir(&results).unwrap();
    std::fs::write(&results, "").unwrap();
    send(
        &node,
        &DrawnSeries::new(UID, WITH_ORGANS).write(folder.path()),
    );
    let waits = wait_until(PATIENCE, || node.newest_job()["reason"].is_string());
    let job = node.newest_job();
    assert!(waits && job["state"] == "routed", "{job:#}\n{}", node.log());
    let reason = job["reason"].as_str().unwrap();
    assert!(reason.contains("cannot make the folder"), "{reason}");

    node.stop();
    std::fs::remove_file(&results).unwrap();
    node.start();

    let job = &node.ended_jobs(1)[0];
    assert_eq!(job["state"], "delivered", "{job:#}");
    assert_eq!(received(pacs_folder.path()).len(), 1);
}

#[test]
fn a_series_that_takes_the_node_down_again_and_again_is_set_aside_until_it_is_sent_anew() {
    let (folder, pacs_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = free_port();
    let _pacs = storescp(pacs_folder.path(), port);
    let mut node = segmenting_for(port).start();
    let files = DrawnSeries::new(UID, WITH_ORGANS).write(folder.path());
    // A job that stays under way: its results cannot be written.
    let results = node.data().join("results");
    std::fs::remove_dir(&results).unwrap();
    std::fs::write(&results, "").unwrap();
    send(&node, &files);
    let waits = wait_until(PATIENCE, || {
        node.jobs()
            .first()
            .is_some_and(|job| job["state"] == "routed" && job["reason"].is_string())
    });
    assert!(waits, "{}", node.log());
    node.kill();
    std::fs::remove_file(&results).unwrap();
    // As if the node had ended so at three starts.
    assert_eq!(set_attempts(&node, 3), 1, "no job was under way");

    node.start();
    let job = &node.ended_jobs(1)[0];
    assert_eq!(job["state"], "failed", "{job:#}");
    let reason = job["reason"].as_str().unwrap();
    assert!(reason.contains("the node ended 3 times"), "{reason}");

    send(&node, &files);
    let job = &node.ended_jobs(2)[0];
    assert_eq!(job["state"], "delivered", "{job:#}");
}

/// Writes into the index of a node that does not run; gives the number of jobs it holds.
fn set_attempts(node: &Node, attempts: u32) -> i64 {
    let script = "import sqlite3, sys\n\
        index = sqlite3.connect(sys.argv[1])\n\
        print(index.execute('UPDATE jobs SET attempts = ?', (int(sys.argv[2]),)).rowcount)\n\
        index.commit()";
    let output = std::process::Command::new(python())
        .args(["-c", script])
        .arg(node.data().join("index.sqlite"))
        .arg(attempts.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    text.parse().unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn a_disk_that_is_slow_loses_nothing_and_the_node_still_answers() {
    let (folder, pacs_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = free_port();
    let pacs = storescp(pacs_folder.path(), port);
    let mut node = segmenting_for(port).prepare();
    node.start_on_slow_disk(400);
    let files = DrawnSeries::new(UID, WITH_ORGANS).write(folder.path());
    std::thread::scope(|threads| {
        let sending = threads.spawn(|| send(&node, &files));
        // Each instance takes its time; others are heard meanwhile.
        crate::assert_answers(&node);
        sending.join().unwrap();
    });

    let job = &node.ended_jobs(1)[0];
    assert_eq!(job["state"], "delivered", "{job:#}");
    assert_eq!(data_sets(&node.kept()), data_sets(&files));
    assert_eq!(received(pacs_folder.path()).len(), 1);
    assert_eq!(store_requests(&pacs), 1);
}
