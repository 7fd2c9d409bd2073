//! Killed again and again under load: what was acknowledged is there, and every series is answered once.
//!
//! `make chaos` kills a thousand times; as part of the tests, a few.

use crate::support::{
    DrawnSeries, Node, NodeSetup, Orthanc, PATIENCE, data_set, free_port, wait_until,
};
use crate::{WITH_ORGANS, send_each, small_slices};
use rand::{RngExt, SeedableRng};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

const UID: &str = "1.2.826.0.1.3680043.10.543.54";
const SENDERS: usize = 3;
/// Kills between two series that are to be answered.
const KILLS_A_SERIES: usize = 4;

fn kills() -> usize {
    let asked = std::env::var("IRISNODE_CHAOS_KILLS").ok();
    asked.map_or(4, |kills| kills.parse().expect("a number of kills"))
}

#[test]
fn killed_again_and_again_under_load_the_node_loses_nothing_and_answers_every_series_once() {
    let kills = kills();
    let seed = std::env::var("IRISNODE_CHAOS_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let orthanc = Orthanc::start(json!({}));
    let mut node = NodeSetup::default()
        .peer("scanner", "SCANNER", free_port())
        .peer("load", "LOAD", free_port())
        .peer("orthanc", Orthanc::AE_TITLE, orthanc.dicom_port)
        .rule(
            "scanner",
            "when = { calling_ae = \"SCANNER\" }\ndestinations = [\"orthanc\"]",
        )
        .delivery("first_retry = \"100ms\"\nlongest_pause = \"500ms\"")
        .start();
    let folder = tempfile::tempdir().unwrap();
    let acknowledged = Mutex::new(BTreeSet::new());
    let (mut asked, mut unsent) = (Vec::new(), Vec::new());
    for kill in 0..kills {
        if kill % KILLS_A_SERIES == 0 {
            let uid = format!("{UID}.{}", asked.len() + 1);
            let series = DrawnSeries::new(&uid, WITH_ORGANS);
            unsent.push(series.write(&folder.path().join(&uid)));
            asked.push(uid);
        }
        let process = node.process().id().to_string();
        let after = Duration::from_millis(random.random_range(0..900));
        let load: Vec<Vec<PathBuf>> = (0..SENDERS)
            .map(|sender| {
                let folder = folder.path().join(format!("load-{sender}"));
                small_slices(&folder, &format!("{UID}.0.{kill}.{sender}"), 60)
            })
            .collect();
        std::thread::scope(|scope| {
            for files in &load {
                scope.spawn(|| acknowledge(&node, "LOAD", files, &acknowledged));
            }
            scope.spawn(|| {
                unsent.retain_mut(|files| !acknowledge(&node, "SCANNER", files, &acknowledged))
            });
            scope.spawn(|| {
                std::thread::sleep(after);
                let killed = std::process::Command::new("kill")
                    .args(["-KILL", &process])
                    .status();
                assert!(killed.unwrap().success());
            });
        });
        node.kill();
        node.start();
        if kill % 50 == 49 {
            println!(
                "{} kills, {} instances acknowledged",
                kill + 1,
                acknowledged.lock().unwrap().len()
            );
        }
    }
    while !unsent.is_empty() {
        unsent.retain_mut(|files| !acknowledge(&node, "SCANNER", files, &acknowledged));
    }
    answer_all(&node);

    let kept: BTreeSet<Vec<u8>> = node.kept().iter().map(|file| data_set(file)).collect();
    let acknowledged = acknowledged.into_inner().unwrap();
    let lost = acknowledged.difference(&kept).count();
    assert_eq!(lost, 0, "of {} acknowledged instances", acknowledged.len());
    let answers: Vec<String> = orthanc
        .instances_of("SEG")
        .iter()
        .map(|seg| orthanc.tag(seg, "StudyInstanceUID"))
        .collect();
    let mut expected: Vec<String> = asked.iter().map(|uid| format!("{uid}.1")).collect();
    let mut answered = answers.clone();
    expected.sort();
    answered.sort();
    assert_eq!(answered, expected, "each series once");
    println!(
        "{kills} kills: {} acknowledged instances, none lost; {} series, each answered once",
        acknowledged.len(),
        asked.len()
    );
}

/// Sends files, and takes from them what is acknowledged; says whether that is all of them.
fn acknowledge(
    node: &Node,
    calling_ae: &str,
    files: &[PathBuf],
    acknowledged: &Mutex<BTreeSet<Vec<u8>>>,
) -> bool {
    let outcomes = send_each(node, calling_ae, files, |outcome| {
        if outcome.result.is_ok() {
            acknowledged.lock().unwrap().insert(data_set(&outcome.path));
        }
    });
    outcomes.iter().all(|outcome| outcome.result.is_ok())
}

/// Waits until every job has ended. A series that a kill met three times while it was worked on is set aside: whoever
/// knows that the series is not to blame has it done again, as is done here.
fn answer_all(node: &Node) {
    let mut jobs = Vec::new();
    let ended = wait_until(PATIENCE * 4, || {
        let output = node
            .command("jobs")
            .args(["--json", "--most", "1000000"])
            .output()
            .unwrap();
        jobs = serde_json::from_slice::<Vec<serde_json::Value>>(&output.stdout).unwrap();
        for job in jobs.iter().filter(|job| job["state"] == "failed") {
            let reason = job["reason"].as_str().unwrap();
            // Part of a series, from before the rest of it came, is no volume perhaps; a later job does it whole.
            let is_aside = reason.contains("so it is set aside");
            if is_aside {
                let _ = node
                    .command("jobs")
                    .args(["retry", &job["id"].to_string()])
                    .output();
            }
        }
        jobs.iter().all(|job| {
            let state = job["state"].as_str().unwrap();
            let aside = job["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("set aside"));
            ["delivered", "skipped", "failed", "discarded"].contains(&state) && !aside
        })
    });
    assert!(
        ended,
        "{:#?}\n{}",
        jobs.iter().take(5).collect::<Vec<_>>(),
        node.log()
    );
}
