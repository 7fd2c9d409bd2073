//! A configuration that changes under a running node.

use crate::raw_association::RawAssociation;
use crate::support::{
    CtSlice, DrawnSeries, Node, NodeSetup, PATIENCE, data_set, free_port, http, wait_until,
};
use crate::{ANY_CT, WITH_ORGANS, dcmtk, received, receiver, send, small_slices, storescp};

const UID: &str = "1.2.826.0.1.3680043.10.543.101";

/// A rule as it stands in the file.
fn rule(name: &str, lines: &str) -> String {
    let task = crate::support::TASK;
    format!("\n[[rule]]\nname = \"{name}\"\ntasks = [\"{task}\"]\n{lines}\n")
}

fn get(port: u16, path: &str) -> http::Answer {
    http::request(port, "GET", path, "localhost", b"").expect("an answer")
}

fn send_two(node: &Node, uid: &str) {
    let folder = tempfile::tempdir().unwrap();
    send(node, &small_slices(folder.path(), uid, 2));
}

/// The state of the newest job, once `count` have ended.
fn newest_of(node: &Node, count: usize) -> String {
    node.ended_jobs(count)[0]["state"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_rule_that_is_added_to_the_file_is_used_for_the_next_series_and_open_associations_go_on() {
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let _pacs = storescp(folder.path(), port);
    let node = receiver().peer("pacs", "PACS", port).start();
    send_two(&node, UID);
    assert_eq!(newest_of(&node, 1), "skipped");
    let mut open = RawAssociation::open(&node);

    let to_pacs = format!("{ANY_CT}\ndestinations = [\"pacs\"]");
    node.configure(&(node.configuration() + &rule("every CT", &to_pacs)));
    node.wait_for_log("is in force");

    node.wait_for_log("rule `every CT` added");
    let slice = CtSlice::new(&format!("{UID}.2"));
    let files = tempfile::tempdir().unwrap();
    let bytes = data_set(&slice.write(files.path()));
    assert_eq!(open.store(&slice.sop_instance(), &bytes, 4096), 0);
    open.release();
    // One slice is no volume; the rule has matched all the same.
    assert_eq!(newest_of(&node, 2), "failed");
    let drawn = tempfile::tempdir().unwrap();
    send(
        &node,
        &DrawnSeries::new(&format!("{UID}.3"), WITH_ORGANS).write(drawn.path()),
    );
    assert_eq!(newest_of(&node, 3), "delivered");
    assert_eq!(received(folder.path()).len(), 1);
}

#[test]
fn a_file_with_a_mistake_is_refused_as_a_whole_and_everyone_is_told() {
    let web = free_port();
    let node = receiver()
        .web(&format!("listen = \"127.0.0.1:{web}\""))
        .rule(
            "every CT",
            &format!("{ANY_CT}\ndestinations = [\"scanner\"]"),
        )
        .start();
    let sound = node.configuration();
    let in_force = || {
        let metrics = get(web, "/metrics").text();
        metrics.contains("irisnode_config_in_force 1")
    };
    assert!(in_force());
    assert!(!get(web, "/").text().contains("is not in force"));

    // A rule that would be fine, and one that is not: neither is taken.
    let wrong = sound.clone()
        + &rule("every MR", "when = { Modality = \"MR\" }")
        + &rule("wrong", "when = { Modalty = \"CT\" }");
    node.configure(&wrong);
    let line = 1 + wrong
        .lines()
        .position(|line| line.contains("Modalty"))
        .unwrap();
    node.wait_for_log(&format!("irisnode.toml:{line}: "));
    node.wait_for_log("did you mean `Modality`?");
    assert!(wait_until(PATIENCE, || !in_force()));
    let page = get(web, "/").text();
    assert!(
        page.contains("is not in force") && page.contains(&format!(":{line}: ")),
        "{page}"
    );
    assert_eq!(get(web, "/readyz").status, 200);

    // What ran goes on: two slices are no volume, and the rule for CT says so.
    send_two(&node, UID);
    let failed = || {
        get(web, "/metrics")
            .text()
            .contains("irisnode_jobs{state=\"failed\"} 1\n")
    };
    assert!(wait_until(PATIENCE, failed), "{}", node.log());

    node.configure(&sound);
    assert!(wait_until(PATIENCE, in_force), "{}", node.log());
    assert!(!get(web, "/").text().contains("is not in force"));
    assert!(!node.log().contains("`every MR`"), "{}", node.log());
}

#[test]
fn what_only_a_start_can_take_is_named_and_the_next_start_takes_it() {
    let mut node = receiver().start();
    let port = node.port;
    let elsewhere = free_port();
    let moved = node
        .configuration()
        .replace(&format!(":{port}\""), &format!(":{elsewhere}\""));
    node.configure(&(moved + &rule("every CT", ANY_CT)));
    node.wait_for_log("needs a restart: it changes listen of [node]");
    // The rule beside it is not in force either.
    send_two(&node, UID);
    assert_eq!(newest_of(&node, 1), "skipped");

    node.stop();
    node.port = elsewhere;
    node.start();
    send_two(&node, &format!("{UID}.2"));
    assert_eq!(newest_of(&node, 2), "failed");
}

#[test]
fn a_peer_that_is_removed_can_no_longer_call_and_sighup_asks_at_once() {
    let mut node: Node = NodeSetup::default()
        .peer("other", "OTHER", free_port())
        .peer("scanner", "SCANNER", free_port())
        .start();
    // Nobody has touched the file: that it is looked at shows that it was asked for.
    node.hang_up();
    node.wait_for_log("the configuration says what runs: nothing changes");
    assert!(dcmtk(&node, "echoscu", &[], &[]).status.success());

    let text = node.configuration();
    let scanner = text.find("[[peer]]\nname = \"scanner\"").unwrap();
    node.configure(&text[..scanner]);
    node.hang_up();
    node.wait_for_log("peer `scanner` removed");
    let echo = dcmtk(&node, "echoscu", &[], &[]);
    assert!(!echo.status.success());
    node.wait_for_log("is that of no [[peer]]");

    node.configure(&text);
    node.hang_up();
    node.wait_for_log("peer `scanner` added");
    assert!(dcmtk(&node, "echoscu", &[], &[]).status.success());
}

#[test]
fn a_result_for_a_peer_whose_name_was_mistyped_waits_for_it() {
    let (port, nobody) = (free_port(), free_port());
    let folder = tempfile::tempdir().unwrap();
    let mut node = receiver()
        .peer("pacs", "PACS", nobody)
        .delivery("first_retry = \"300ms\"\nlongest_pause = \"1s\"")
        .rule("every CT", &format!("{ANY_CT}\ndestinations = [\"pacs\"]"))
        .start();
    let drawn = tempfile::tempdir().unwrap();
    send(
        &node,
        &DrawnSeries::new(UID, WITH_ORGANS).write(drawn.path()),
    );
    let waits = |reason: &str| {
        let job = node.newest_job();
        let said = job["reason"].as_str().unwrap_or_default();
        job["state"] == "segmented" && said.contains(reason)
    };
    assert!(
        wait_until(PATIENCE, || waits("cannot connect")),
        "{}",
        node.log()
    );

    let text = node.configuration();
    node.configure(&text.replace("\"pacs\"", "\"pasc\""));
    assert!(
        wait_until(PATIENCE, || waits("no [[peer]] named `pacs`")),
        "{}",
        node.log()
    );
    // It is right again, and where the PACS has moved to.
    let _pacs = storescp(folder.path(), port);
    node.configure(&text.replace(&nobody.to_string(), &port.to_string()));
    node.hang_up();
    assert_eq!(newest_of(&node, 1), "delivered");
    assert_eq!(received(folder.path()).len(), 1);
}
