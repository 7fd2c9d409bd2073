//! Storage commitment, as pynetdicom asks for it: what is kept is committed to, and nothing else.

use crate::support::{Node, NodeSetup, free_port, python, root};
use crate::{send, small_slices};
use serde_json::Value;

const UID: &str = "1.2.826.0.1.3680043.10.543.55";
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const MR: &str = "1.2.840.10008.5.1.4.1.1.4";

fn ask(node: &Node, own_port: u16, instances: &[String]) -> Value {
    let output = std::process::Command::new(python())
        .arg(root().join("tests/node/commitment.py"))
        .args([node.port.to_string(), own_port.to_string()])
        .args(instances)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim()).unwrap_or_else(|_| panic!("{output:?}\n{}", node.log()))
}

#[test]
fn what_is_kept_is_committed_to_and_what_is_not_is_named_with_the_reason() {
    let own_port = free_port();
    let mut node = NodeSetup::default()
        .peer("scanner", "SCANNER", own_port)
        .start();
    let folder = tempfile::tempdir().unwrap();
    let files = small_slices(folder.path(), UID, 3);
    send(&node, &files);

    let all = ask(
        &node,
        own_port,
        &[format!("{CT}={UID}.1"), format!("{CT}={UID}.2")],
    );
    assert_eq!(all["status"], 0, "{all:#}");
    assert_eq!(
        (&all["event_type"], &all["same_transaction"]),
        (&1.into(), &true.into())
    );
    assert_eq!(
        all["safe"],
        serde_json::json!([format!("{UID}.1"), format!("{UID}.2")])
    );

    // Committed to is what survives a crash.
    node.kill();
    node.start();
    let some = ask(
        &node,
        own_port,
        &[
            format!("{CT}={UID}.3"),
            format!("{CT}={UID}.4"),
            format!("{MR}={UID}.1"),
        ],
    );
    assert_eq!(some["event_type"], 2, "{some:#}");
    assert_eq!(some["safe"], serde_json::json!([format!("{UID}.3")]));
    let failed = serde_json::json!({format!("{UID}.4"): 0x0112, format!("{UID}.1"): 0x0119});
    assert_eq!(some["failed"], failed);
}

#[test]
fn a_caller_that_cannot_be_called_back_is_told_so_at_once() {
    let node = NodeSetup::default()
        .node("accept_unknown_callers = true")
        .start();
    let answer = ask(&node, free_port(), &[format!("{CT}={UID}.1")]);
    assert_eq!(answer["status"], 0x0110, "{answer:#}");
}
