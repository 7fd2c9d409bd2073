//! No patient's name, identifier or birth date in what the node prints, at debug level too, whatever goes wrong.

use crate::raw_association::RawAssociation;
use crate::support::http;
use crate::support::{DrawnSeries, NodeSetup, data_set, free_port};
use crate::{WITH_ORGANS, printed, send, storescp};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use std::os::unix::fs::PermissionsExt;

const UID: &str = "1.2.826.0.1.3680043.10.543.90";
const SECRETS: [&str; 5] = [
    "Sesame",
    "Unmistakable",
    "SECRET4711",
    "19010203",
    "ACCESS4712",
];

fn of_a_patient(uid: &str) -> DrawnSeries {
    let mut series = DrawnSeries::new(uid, WITH_ORGANS);
    series.set_all(tags::PATIENT_NAME, VR::PN, "Unmistakable^Sesame");
    series.set_all(tags::PATIENT_ID, VR::LO, "SECRET4711");
    series.set_all(tags::PATIENT_BIRTH_DATE, VR::DA, "19010203");
    series.set_all(tags::ACCESSION_NUMBER, VR::SH, "ACCESS4712");
    series
}

#[test]
fn nothing_of_the_patient_is_printed_whatever_happens() {
    let port = free_port();
    let pacs_folder = tempfile::tempdir().unwrap();
    let _pacs = storescp(pacs_folder.path(), port);
    let web = free_port();
    let node = NodeSetup::default()
        .log("debug")
        .web(&format!("listen = \"127.0.0.1:{web}\""))
        .peer("scanner", "SCANNER", free_port())
        .peer("pacs", "PACS", port)
        .rule(
            "by name",
            "when = { PatientName = { glob = \"*Sesame*\" }, PatientID = { present = true } }\ndestinations = [\"pacs\"]",
        )
        .start();
    let folder = tempfile::tempdir().unwrap();

    // One that is segmented, and ones that fail at each station of the road.
    let files = of_a_patient(&format!("{UID}.1")).write(&folder.path().join("good"));
    send(&node, &files);
    assert_eq!(
        node.ended_jobs(1)[0]["state"],
        "delivered",
        "{}",
        node.log()
    );
    let mut gap = of_a_patient(&format!("{UID}.2"));
    gap.slices.remove(3);
    send(&node, &gap.write(&folder.path().join("gap")));
    node.ended_jobs(2);
    let mut nonsense = of_a_patient(&format!("{UID}.3"));
    // Values in the wrong place end up in a parser's complaint.
    for tag in [
        tags::IMAGE_POSITION_PATIENT,
        tags::PIXEL_SPACING,
        tags::RESCALE_SLOPE,
        tags::INSTANCE_NUMBER,
    ] {
        nonsense.set_all(tag, VR::DS, "Unmistakable");
    }
    send(&node, &nonsense.write(&folder.path().join("nonsense")));
    node.ended_jobs(3);
    let bytes = data_set(&files[0]);
    let mut association = RawAssociation::open(&node);
    assert_ne!(association.store("1.2.3", &bytes, 4000), 0);
    assert_ne!(association.store("1.2.3", &bytes[..900], 4000), 0);
    let text = b"Dear Unmistakable Sesame, ".repeat(40);
    assert_ne!(association.store("1.2.3", &text, 4000), 0);
    association.release();

    let page = |path: &str| {
        let host = format!("127.0.0.1:{web}");
        let answer = http::request(web, "GET", path, &host, b"").unwrap();
        assert_eq!(answer.status, 200, "{path}");
        answer.text()
    };
    let one = |arguments: &[&str]| printed(&node.command("jobs").args(arguments).output().unwrap());
    let table = node.command("jobs").output().unwrap();
    let json = node.command("jobs").arg("--json").output().unwrap();
    assert!(table.status.success() && json.status.success());
    for (what, text) in [
        ("log", node.log()),
        ("table", printed(&table)),
        ("JSON", printed(&json)),
        ("job", one(&["show", "2"])),
        ("error", one(&["retry", "1"]) + &one(&["show", "77"])),
        ("metrics", page("/metrics")),
        (
            "status page without users",
            page("/") + &page("/jobs/1") + &page("/jobs/2"),
        ),
    ] {
        assert!(!text.is_empty(), "{what}");
        for secret in SECRETS {
            let line = text.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "the {what} tells {secret}: {line:?}");
        }
    }

    // What is kept of them is its owner's alone, whatever the umask.
    let mut seen = 0;
    for entry in walkdir::WalkDir::new(node.data()).min_depth(1) {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o} {}", entry.path().display());
        seen += 1;
    }
    assert!(seen > 256, "only {seen} files and folders");
}
