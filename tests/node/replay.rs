//! What new rules would have done with what came, and having it done.

use crate::support::{DrawnSeries, Node, TASK, free_port};
use crate::{ANY_CT, WITH_ORGANS, printed, received, receiver, send, small_slices, storescp};
use serde_json::Value;
use std::path::PathBuf;

const UID: &str = "1.2.826.0.1.3680043.10.543.102";

/// The node's configuration with another rule, beside it.
fn with_rule(node: &Node, lines: &str) -> PathBuf {
    let path = node.data().with_file_name("new.toml");
    let text = format!(
        "{}\n[[rule]]\nname = \"new\"\ntasks = [\"{TASK}\"]\n{lines}\n",
        node.configuration()
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn replay(node: &Node, config: &PathBuf, words: &[&str]) -> (bool, String) {
    let mut command = crate::support::irisnode();
    command.args(["replay", "--config"]).arg(config).args(words);
    let output = command.output().unwrap();
    assert!(node.log().contains("listening"));
    (output.status.success(), printed(&output))
}

#[test]
fn new_rules_are_asked_about_what_came_and_do_only_what_they_would_do_otherwise() {
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let _pacs = storescp(folder.path(), port);
    let node = receiver()
        .peer("pacs", "PACS", port)
        .rule("head", &format!("when = {{ Modality = \"CT\", SeriesInstanceUID = \"{UID}.9\" }}\ndestinations = [\"pacs\"]"))
        .start();
    let drawn = tempfile::tempdir().unwrap();
    send(
        &node,
        &DrawnSeries::new(UID, WITH_ORGANS).write(drawn.path()),
    );
    node.ended_jobs(1);
    let two = tempfile::tempdir().unwrap();
    send(&node, &small_slices(two.path(), &format!("{UID}.9"), 2));
    let jobs = node.ended_jobs(2);
    assert_eq!(
        (&jobs[1]["state"], &jobs[0]["state"]),
        (&"skipped".into(), &"failed".into())
    );
    // What the first series is missed by: a rule for it alone.
    let only = format!(
        "when = {{ SeriesInstanceUID = \"{UID}.2\" }}\ndestinations = [\"pacs\"]\nreport = true"
    );
    let new = with_rule(&node, &only);

    let (ok, said) = replay(&node, &new, &["--since", "yesterday", "--dry-run"]);
    assert!(ok, "{said}");
    assert!(said.contains("nothing [skipped]"), "{said}");
    assert!(
        said.contains(&format!("new: {TASK} → pacs (with a report)")),
        "{said}"
    );
    assert!(
        said.contains(&format!("head: {TASK} → pacs [failed]")),
        "{said}"
    );
    assert!(
        said.contains("2 series since")
            && said.contains("1 of them otherwise, 0 of those not at all"),
        "{said}"
    );
    // Nothing of a patient, and no UID.
    assert!(!said.contains("Drawn") && !said.contains(UID), "{said}");
    let (ok, said) = replay(
        &node,
        &new,
        &["--since", "yesterday", "--dry-run", "--json"],
    );
    assert!(ok, "{said}");
    let documents: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&documents[0]["differs"], &documents[1]["differs"]),
        (&true.into(), &false.into())
    );
    assert_eq!(documents[0]["these_rules"][0]["rule"], "new");
    let (ok, said) = replay(
        &node,
        &new,
        &["--since", "yesterday", "--until", "today", "--dry-run"],
    );
    assert!(ok && said.contains("no series has come"), "{said}");
    // Looking has changed nothing, and doing wants a yes.
    let (ok, said) = replay(&node, &new, &["--since", "1h"]);
    assert!(!ok && said.contains("--dry-run"), "{said}");
    assert_eq!(node.ended_jobs(2), jobs);

    let (ok, said) = replay(&node, &new, &["--since", "1h", "--yes"]);
    assert!(
        ok && said.contains("Job 3 does the series of job 1 again"),
        "{said}"
    );
    let jobs = node.ended_jobs(3);
    assert_eq!(jobs[0]["state"], "delivered", "{jobs:#?}");
    // A segmentation and its report, by a rule that the running node does not even know.
    assert_eq!(received(folder.path()).len(), 2);
    let (ok, said) = replay(&node, &new, &["--since", "1h", "--yes"]);
    assert!(ok && said.contains("Nothing is done again"), "{said}");
}

#[test]
fn a_series_that_new_rules_leave_alone_is_shown_and_stays_as_it_is() {
    let node = receiver().rule("every CT", ANY_CT).start();
    let two = tempfile::tempdir().unwrap();
    send(&node, &small_slices(two.path(), UID, 2));
    let jobs = node.ended_jobs(1);
    let path = node.data().with_file_name("new.toml");
    std::fs::write(&path, node.configuration().replace("\"CT\"", "\"MR\"")).unwrap();

    let (ok, said) = replay(&node, &path, &["--since", "today", "--yes"]);
    assert!(ok, "{said}");
    assert!(said.contains("nothing: no rule matched"), "{said}");
    assert!(
        said.contains("1 of them otherwise, 1 of those not at all"),
        "{said}"
    );
    assert!(said.contains("Nothing is done again"), "{said}");
    assert_eq!(node.ended_jobs(1), jobs);
}
