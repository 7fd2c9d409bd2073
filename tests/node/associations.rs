//! Who may call, what is negotiated, and many callers at once.

use crate::raw_association::RawAssociation;
use crate::support::{CtSlice, Node, PATIENCE, data_set, python, root, tool, wait_until};
use crate::{assert_answers, dcmtk, printed, receiver, send, small_slices};
use std::path::PathBuf;
use std::process::Output;

const SERIES: &str = "1.2.826.0.1.3680043.10.543.20";

fn call(program: &str, node: &Node, calling: &str, called: &str, files: &[PathBuf]) -> Output {
    tool(program)
        .args(["--aetitle", calling, "--call", called, "127.0.0.1"])
        .arg(node.port.to_string())
        .args(files)
        .output()
        .unwrap()
}

#[test]
fn a_wrong_called_and_an_unknown_calling_ae_title_are_rejected_with_the_reason() {
    let node = receiver().start();
    let folder = tempfile::tempdir().unwrap();
    let files = small_slices(folder.path(), SERIES, 1);

    for (program, files) in [("echoscu", &[][..]), ("storescu", &files)] {
        let wrong = call(program, &node, "SCANNER", "SOMEONE", files);
        assert!(!wrong.status.success());
        let text = printed(&wrong);
        assert!(text.contains("Called AE Title Not Recognized"), "{text}");

        let unknown = call(program, &node, "STRANGER", Node::AE_TITLE, files);
        assert!(!unknown.status.success());
        let text = printed(&unknown);
        assert!(text.contains("Calling AE Title Not Recognized"), "{text}");
    }

    assert_eq!(node.kept().len(), 0);
    assert_answers(&node);
}

#[test]
fn a_peer_that_is_tied_to_an_address_is_rejected_from_another() {
    let elsewhere = format!(
        "192.0.2.10\", \"::1\"]\nport = {}",
        crate::support::free_port()
    );
    let here = format!("127.0.0.1\"]\nport = {}", crate::support::free_port());
    let peer = |name: &str, ae_title: &str, rest: &str| {
        format!(
            "[[peer]]\nname = \"{name}\"\nae_title = \"{ae_title}\"\nhost = \"127.0.0.1\"\nonly_from = [\"{rest}\n"
        )
    };
    let node = receiver()
        .node("accept_unknown_callers = true")
        .delivery("")
        .sections(&(peer("away", "AWAY", &elsewhere) + &peer("here", "HERE", &here)))
        .start();

    let rejected = call("echoscu", &node, "AWAY", Node::AE_TITLE, &[]);
    assert!(!rejected.status.success());
    let text = printed(&rejected);
    assert!(text.contains("Calling AE Title Not Recognized"), "{text}");
    for known in ["HERE", "SCANNER", "STRANGER"] {
        let taken = call("echoscu", &node, known, Node::AE_TITLE, &[]);
        assert!(taken.status.success(), "{known}: {}", printed(&taken));
    }
}

#[test]
fn strangers_are_let_in_where_the_configuration_says_so() {
    let node = receiver().node("accept_unknown_callers = true").start();
    let folder = tempfile::tempdir().unwrap();
    let files = small_slices(folder.path(), SERIES, 2);

    let sent = call("storescu", &node, "STRANGER", Node::AE_TITLE, &files);
    assert!(sent.status.success(), "{}", printed(&sent));
    assert_eq!(node.kept().len(), 2);

    let wrong = call("echoscu", &node, "STRANGER", "SOMEONE", &[]);
    assert!(printed(&wrong).contains("Called AE Title Not Recognized"));
}

#[test]
fn what_the_node_does_not_know_is_rejected_context_by_context() {
    let node = receiver().start();
    let ct = "1.2.840.10008.5.1.4.1.1.2";
    let explicit = "1.2.840.10008.1.2.1";
    let unknown = "1.2.826.0.1.3680043.10.543.99";
    let find = "1.2.840.10008.5.1.4.1.2.2.1";

    let proposed = std::process::Command::new(python())
        .arg(root().join("tests/node/propose.py"))
        .arg(node.port.to_string())
        .args([
            format!("{ct} {explicit}"),
            format!("{unknown} {explicit}"),
            format!("{ct} {unknown}"),
            format!("{find} {explicit}"),
        ])
        .output()
        .unwrap();

    let text = printed(&proposed);
    let answers: Vec<&str> = text.lines().collect();
    assert_eq!(
        answers,
        [
            "Accepted",
            "Abstract Syntax Not Supported",
            "Transfer Syntax(es) Not Supported",
            "Abstract Syntax Not Supported",
        ]
    );
    assert_answers(&node);
}

#[test]
fn eight_peers_at_once_with_fragments_small_and_large_lose_nothing() {
    let node = receiver().start();
    let folder = tempfile::tempdir().unwrap();
    let sizes = ["4096", "16384", "65534", "131072"];
    let series: Vec<Vec<PathBuf>> = (0..8)
        .map(|n| {
            small_slices(
                &folder.path().join(n.to_string()),
                &format!("{SERIES}.{n}"),
                12,
            )
        })
        .collect();

    std::thread::scope(|scope| {
        for (n, files) in series.iter().enumerate() {
            let (node, size) = (&node, sizes[n % sizes.len()]);
            scope.spawn(move || {
                let options = ["--max-pdu", size, "--max-send-pdu", size];
                let sent = dcmtk(node, "storescu", &options, files);
                assert!(sent.status.success(), "{}", printed(&sent));
            });
        }
    });

    assert_eq!(node.kept().len(), 96);
    let jobs = node.ended_jobs(8);
    assert!(jobs.iter().all(|job| job["instances"] == 12), "{jobs:#?}");
}

#[test]
fn fragments_of_odd_lengths_make_the_same_file() {
    let node = receiver().start();
    let folder = tempfile::tempdir().unwrap();
    let mut association = RawAssociation::open(&node);
    for (number, length) in [(1, 1), (2, 7), (3, 333), (4, 65_535)] {
        let slice = CtSlice {
            number,
            ..CtSlice::new(SERIES)
        };
        let bytes = data_set(&slice.write(folder.path()));
        let status = association.store(&slice.sop_instance(), &bytes, length);
        assert_eq!(status, 0, "fragments of {length} bytes:\n{}", node.log());
        assert!(node.kept().iter().any(|kept| data_set(kept) == bytes));
    }
    association.release();
}

#[test]
fn three_hundred_slices_come_over_one_association() {
    // On a busy machine a sender may pause for longer than the quiet time of the other tests.
    let node = receiver().node("quiet_time = \"5s\"").start();
    let folder = tempfile::tempdir().unwrap();
    let files = small_slices(folder.path(), SERIES, 300);

    let sent = dcmtk(&node, "dcmsend", &["--verbose"], &files);

    let text = printed(&sent);
    assert!(sent.status.success(), "{text}");
    assert_eq!(node.kept().len(), 300);
    assert_eq!(node.ended_jobs(1)[0]["instances"], 300);
    node.wait_for_log("association ended");
    assert_eq!(node.log().matches("association ended").count(), 1);
}

#[test]
fn one_association_too_many_is_told_to_come_again() {
    let node = receiver().node("max_associations = 1").start();
    // The look whether the node listens may still be open.
    let mut first = None;
    let opened = wait_until(PATIENCE, || {
        first = RawAssociation::try_open(&node);
        first.is_some()
    });
    assert!(opened);

    let rejected = dcmtk(&node, "echoscu", &[], &[]);

    assert!(!rejected.status.success());
    let text = printed(&rejected);
    assert!(
        text.contains("Rejected Transient") && text.contains("Local Limit Exceeded"),
        "{text}"
    );
    first.unwrap().release();
    let free_again = wait_until(PATIENCE, || {
        dcmtk(&node, "echoscu", &[], &[]).status.success()
    });
    assert!(free_again);
}

#[test]
fn a_disk_nearly_full_refuses_what_comes_and_keeps_going() {
    let mut node = receiver().node("min_free = \"1000 TiB\"").start();
    let folder = tempfile::tempdir().unwrap();
    let files = small_slices(folder.path(), SERIES, 2);

    let sent = dcmtk(&node, "storescu", &["--verbose"], &files[..1]);

    let text = printed(&sent);
    assert!(
        text.contains("OutOfResources") || text.contains("a700"),
        "{text}"
    );
    let own = crate::send_each(&node, "SCANNER", &files, |_| {});
    for outcome in own {
        let error = outcome.result.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert!(error.to_string().contains("A700H"), "{error}");
    }
    assert_eq!(node.kept().len() + node.spooled().len(), 0);
    node.wait_for_log("MiB are free on the data folder's disk");
    assert_answers(&node);
    assert!(node.process().is_alive());
}

#[test]
fn a_second_node_on_the_same_data_is_refused_and_harms_nothing() {
    let node = receiver().start();
    let folder = tempfile::tempdir().unwrap();
    let bytes = data_set(&CtSlice::new(SERIES).write(folder.path()));
    let mut association = RawAssociation::open(&node);
    association.command(&CtSlice::new(SERIES).sop_instance());
    association.data(false, &bytes[..100]);

    let second = node.command("serve").output().unwrap();

    assert!(!second.status.success());
    let text = printed(&second).replace(['\n', '│'], " ");
    assert!(text.contains("another irisnode works in"), "{text}");
    association.data(true, &bytes[100..]);
    assert_eq!(association.status(), 0);
    association.release();
    assert_eq!(node.kept().len(), 1);
    send(&node, &small_slices(folder.path(), SERIES, 3));
}
