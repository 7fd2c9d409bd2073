//! The life of a series as an OpenTelemetry collector sees it.

use crate::support::{DrawnSeries, PATIENCE, Running, TASK, free_port, python, root, wait_until};
use crate::{ANY_CT, WITH_ORGANS, receiver, send, small_slices, storescp};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const UID: &str = "1.2.826.0.1.3680043.10.543.104";

fn collector(folder: &Path, port: u16) -> Running {
    let mut command = Command::new(python());
    command
        .arg(root().join("tests/node/collector.py"))
        .arg(port.to_string())
        .arg(folder.join("spans"));
    Running::start_listening(&mut command, port, folder.join("collector.log"))
}

fn spans(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("spans")).unwrap_or_default();
    text.lines()
        // The last may be half written.
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The spans of a name, in the order of their times.
fn named<'s>(spans: &'s [Value], name: &str) -> Vec<&'s Value> {
    let mut found: Vec<&Value> = spans.iter().filter(|span| span["name"] == name).collect();
    found.sort_by_key(|span| span["start"].as_u64());
    found
}

#[test]
fn one_trace_shows_the_whole_life_of_a_series_over_a_restart() {
    let (port, pacs) = (free_port(), free_port());
    let folder = tempfile::tempdir().unwrap();
    let _collector = collector(folder.path(), port);
    let mut node = receiver()
        .peer("pacs", "PACS", pacs)
        .delivery("first_retry = \"300ms\"\nlongest_pause = \"1s\"")
        .sections(&format!(
            "[telemetry]\notlp = \"http://127.0.0.1:{port}\"\n"
        ))
        .rule("every CT", &format!("{ANY_CT}\ndestinations = [\"pacs\"]"))
        .start();
    let drawn = tempfile::tempdir().unwrap();
    send(
        &node,
        &DrawnSeries::new(UID, WITH_ORGANS).write(drawn.path()),
    );
    let tried = || !named(&spans(folder.path()), "deliver").is_empty();
    assert!(wait_until(PATIENCE, tried), "{}", node.log());
    // Nothing is whole before it has come to rest.
    assert!(named(&spans(folder.path()), "series").is_empty());
    node.stop();
    let _pacs = storescp(folder.path(), pacs);
    node.start();
    node.ended_jobs(1);
    let whole = || !named(&spans(folder.path()), "series").is_empty();
    assert!(wait_until(PATIENCE, whole), "{}", node.log());

    let all = spans(folder.path());
    let one = |name: &str| {
        let found = named(&all, name);
        assert_eq!(found.len(), 1, "{name} in {all:#?}");
        found[0].clone()
    };
    let series = one("series");
    assert!(
        all.iter().all(|span| span["trace"] == series["trace"]),
        "{all:#?}"
    );
    assert_eq!(series["parent"], "");
    assert_eq!(series["attributes"]["irisnode.state"], "delivered");
    assert_eq!(series["resource"]["service.name"], "irisnode");
    assert_eq!(series["resource"]["service.instance.id"], "IRISNODE");
    // One after the other, below the whole.
    let mut before = series["start"].as_u64().unwrap();
    for step in ["receive", "complete", "route", "segment"] {
        let step = one(step);
        assert_eq!(step["parent"], series["id"], "{step:#}");
        let (start, end) = (
            step["start"].as_u64().unwrap(),
            step["end"].as_u64().unwrap(),
        );
        // Times of the index are in milliseconds.
        assert!(start + 1_000_000 >= before && end >= start, "{step:#}");
        before = end;
    }
    let segment = one("segment");
    for part in ["assemble", "network", "encode"] {
        let part = one(part);
        assert_eq!(part["parent"], segment["id"], "{part:#}");
        assert!(
            part["start"].as_u64() >= segment["start"].as_u64(),
            "{part:#}"
        );
        assert!(part["end"].as_u64() <= segment["end"].as_u64(), "{part:#}");
    }
    // While the others arrived.
    let ahead = &one("assemble")["attributes"]["irisnode.slices_read_ahead"];
    assert!(ahead.as_i64() > Some(0), "{ahead}");
    let network = one("network");
    assert_eq!(network["attributes"]["irisnode.rule"], "every CT");
    assert_eq!(network["attributes"]["irisnode.tasks"], TASK);
    let attempts = named(&all, "deliver");
    assert!(attempts.iter().all(|one| one["parent"] == series["id"]));
    let (first, last) = (attempts[0], attempts[attempts.len() - 1]);
    assert_eq!(first["failed"], true);
    assert!(
        first["message"]
            .as_str()
            .unwrap()
            .contains("cannot connect"),
        "{first:#}"
    );
    assert_eq!(
        (&last["failed"], &last["attributes"]["irisnode.destination"]),
        (&false.into(), &"pacs".into())
    );
    let text = serde_json::to_string(&all).unwrap();
    assert!(!text.contains(UID) && !text.contains("Drawn"), "{text}");

    // Another series has another trace, and says why it failed.
    let two = tempfile::tempdir().unwrap();
    send(&node, &small_slices(two.path(), &format!("{UID}.2"), 2));
    let both = || named(&spans(folder.path()), "series").len() == 2;
    assert!(wait_until(PATIENCE, both), "{}", node.log());
    let all = spans(folder.path());
    let failed = named(&all, "series").pop().unwrap();
    assert_ne!(failed["trace"], series["trace"]);
    assert_eq!(
        (&failed["failed"], &failed["attributes"]["irisnode.state"]),
        (&true.into(), &"failed".into())
    );
    assert!(!failed["message"].as_str().unwrap().is_empty());
}

#[test]
fn a_collector_that_is_down_holds_up_nothing() {
    let node = receiver()
        .sections(&format!(
            "[telemetry]\notlp = \"http://127.0.0.1:{}\"\n",
            free_port()
        ))
        .rule("every CT", ANY_CT)
        .start();
    let two = tempfile::tempdir().unwrap();
    send(&node, &small_slices(two.path(), UID, 2));
    assert_eq!(node.ended_jobs(1)[0]["state"], "failed");
    node.wait_for_log("the collector did not take the traces");
}
