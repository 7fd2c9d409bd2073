//! packaging/CONFORMANCE.md says what the code does: its tables are made from the code's own.

use crate::support::{python, root};
use irisnode::config::NodeConfig;
use irisnode::deliver::{GET_CLASS, IMAGE_CLASSES, MOVE_CLASS};
use irisnode::receive::statement;
use std::fmt::Write;

/// Names of UIDs, by pydicom's copy of PS3.6.
fn names(uids: &[&str]) -> Vec<String> {
    let script = "import sys, pydicom\nfor uid in sys.argv[1:]: print(pydicom.uid.UID(uid).name)";
    let output = std::process::Command::new(python())
        .args(["-c", script])
        .args(uids)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn table_of_uids(uids: &[&str]) -> String {
    let mut table = "| name | UID |\n|---|---|\n".to_owned();
    for (name, uid) in names(uids).iter().zip(uids) {
        writeln!(table, "| {name} | {uid} |").unwrap();
    }
    table
}

/// What queries are matched by, and why something is not stored.
fn dicomweb_parts() -> [(&'static str, String); 2] {
    let said = irisnode::dicomweb::statement();
    let mut search = "| attribute | tag | of |\n|---|---|---|\n".to_owned();
    for (keyword, tag, level) in &said.matched {
        let level = format!("{level:?}").to_lowercase();
        let (group, element) = (tag.group(), tag.element());
        writeln!(
            search,
            "| {keyword} | ({group:04X},{element:04X}) | {level} |"
        )
        .unwrap();
    }
    writeln!(search, "\nMost results of an answer: {}.", said.max_results).unwrap();
    let mut reasons = "| reason | when |\n|---|---|\n".to_owned();
    for (code, meaning) in &said.failure_reasons {
        writeln!(reasons, "| {code:04X}H | {meaning} |").unwrap();
    }
    [("search", search), ("failure reasons", reasons)]
}

/// The generated parts, by the name in their marker.
fn parts() -> Vec<(&'static str, String)> {
    let said = statement();
    let node = NodeConfig::default();
    let mut statuses = "| status | when |\n|---|---|\n".to_owned();
    for (code, meaning) in &said.statuses {
        writeln!(statuses, "| {code:04X}H | {meaning} |").unwrap();
    }
    let association = format!(
        "| | |\n|---|---|\n\
         | Application Context Name | 1.2.840.10008.3.1.1.1 |\n\
         | Implementation Class UID, in associations and files | {} |\n\
         | Implementation Version Name, in associations and files | {} |\n\
         | largest PDU taken | {} bytes |\n\
         | most presentation contexts | {} |\n\
         | associations at once | {} (`max_associations`) |\n\
         | asynchronous operations | not negotiated: one at a time |\n\
         | time until a connection without an association is closed | {} (`association_timeout`) |\n\
         | time until a silent association is aborted | {} (`idle_timeout`) |\n",
        said.implementation_class_uid,
        said.implementation_version_name,
        said.max_pdu_length,
        said.max_presentation_contexts,
        node.max_associations,
        humantime::format_duration(node.association_timeout),
        humantime::format_duration(node.idle_timeout),
    );
    vec![
        ("association", association),
        ("services", table_of_uids(&said.services)),
        ("storage classes", table_of_uids(&said.storage_classes)),
        ("transfer syntaxes", table_of_uids(&said.transfer_syntaxes)),
        ("statuses", statuses),
        (
            "retrieval",
            format!(
                "| for | abstract syntax | transfer syntaxes proposed |\n|---|---|---|\n\
                 | images that labels refer to | {} ({MOVE_CLASS}) | Explicit and Implicit VR Little Endian |\n\
                 | the same, of a peer with `c_get` | {} ({GET_CLASS}) | Explicit and Implicit VR Little Endian |\n\
                 | what that peer gives (role SCP) | the classes below | Explicit and Implicit VR Little Endian and Explicit VR Big Endian in one context; each other one of section 4.2.2 in a context of its own |\n",
                "Study Root Query/Retrieve Information Model - MOVE",
                "Study Root Query/Retrieve Information Model - GET"
            ),
        ),
        ("images by C-GET", table_of_uids(&IMAGE_CLASSES)),
    ]
}

#[test]
fn the_conformance_statement_says_what_the_code_does() {
    let file = root().join("packaging/CONFORMANCE.md");
    let written = std::fs::read_to_string(&file).unwrap();
    let mut expected = written.clone();
    for (name, part) in parts().into_iter().chain(dicomweb_parts()) {
        let (begin, end) = (
            format!("<!-- {name} -->\n"),
            format!("<!-- end of {name} -->"),
        );
        let from = expected
            .find(&begin)
            .unwrap_or_else(|| panic!("no {begin}"))
            + begin.len();
        let to = expected.find(&end).unwrap_or_else(|| panic!("no {end}"));
        expected.replace_range(from..to, &part);
    }
    if std::env::var_os("IRISNODE_WRITE").is_some() {
        std::fs::write(&file, &expected).unwrap();
        return;
    }
    assert!(
        written == expected,
        "packaging/CONFORMANCE.md no longer says what the code does; write its tables anew by\n  \
         IRISNODE_WRITE=1 cargo test --test node conformance\nand read the rest of it again"
    );
}
