//! QIDO-RS and WADO-RS of what was sent.

use crate::support::{DrawnSeries, Node, NodeSetup, tool};
use crate::{JSON, WITH_ORGANS, Web};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use std::path::Path;

const UID: &str = "1.2.826.0.1.3680043.10.543.400";

fn dcmsend(node: &Node, folder: &Path) {
    let sent = tool("dcmsend")
        .args([
            "--scan-directories",
            "--aetitle",
            "SCANNER",
            "--call",
            Node::AE_TITLE,
        ])
        .args(["--decompress-never"])
        .args(["127.0.0.1", &node.port.to_string()])
        .arg(folder)
        .output()
        .unwrap();
    assert!(sent.status.success(), "{sent:?}");
}

#[test]
fn the_client_library_finds_and_reads_all_of_what_was_sent_by_c_store() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    DrawnSeries::new(UID, WITH_ORGANS).write(&plain);
    let compressed = folder.path().join("compressed");
    std::fs::create_dir(&compressed).unwrap();
    let other = folder.path().join("other");
    for file in DrawnSeries::new(&format!("{UID}.9"), WITH_ORGANS).write(&other) {
        let into = compressed.join(file.file_name().unwrap());
        let done = tool("dcmcjpls").arg(&file).arg(into).status().unwrap();
        assert!(done.success());
    }
    let web = Web::start(
        NodeSetup::default().node("accept_unknown_callers = true"),
        "",
    );
    for sent in [&plain, &compressed] {
        dcmsend(&web.node, sent);
        assert_eq!(web.client("read", &[sent]).trim(), "all of it");
    }
    // Nothing of a patient, and no UID, is in the log.
    let log = web.node.log();
    assert!(!log.contains(UID), "{log}");
}

#[test]
fn names_are_found_and_given_in_the_letters_they_were_written_in() {
    for (charset, study) in [("ISO_IR 192", "5"), ("ISO_IR 100", "6")] {
        let folder = tempfile::tempdir().unwrap();
        let mut series = DrawnSeries::new(&format!("{UID}.{study}"), 8..10);
        series.set_all(tags::SPECIFIC_CHARACTER_SET, VR::CS, charset);
        series.set_all(tags::PATIENT_NAME, VR::PN, "M\u{fc}ller^J\u{fc}rgen");
        series.set_all(tags::SERIES_DESCRIPTION, VR::LO, "portalven\u{f6}s");
        let files = series.write(folder.path());
        let web = Web::start(NodeSetup::default(), "");
        assert_eq!(web.store("/studies", &files).status, 200);

        let found = web.get("/series?PatientName=M%C3%BCller*&includefield=all", JSON);
        assert_eq!(found.status, 200, "{}", found.text());
        for word in ["M\u{fc}ller^J\u{fc}rgen", "portalven\u{f6}s"] {
            assert!(found.text().contains(word), "{charset}: {}", found.text());
        }
    }
}

#[test]
fn what_cannot_be_answered_is_refused_with_its_status_and_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let files = DrawnSeries::new(UID, 8..10).write(folder.path());
    let web = Web::start(NodeSetup::default(), "");
    assert_eq!(web.store("/studies", &files).status, 200);
    let study = format!("/studies/{UID}.1");
    let series = format!("{study}/series/{UID}.2");
    let instance = format!("{series}/instances/{UID}.3.8");
    let frame = format!("{instance}/frames/1");
    for (path, accept, status, word) in [
        ("/studies/1.2.3", "*/*", 404, "no such study"),
        ("/studies/1.2.x", "*/*", 400, "UID"),
        (study.as_str(), "text/html", 406, "transfer-syntax"),
        (
            &format!("{study}/metadata"),
            "application/dicom+xml",
            406,
            "json",
        ),
        ("/studies?limit=many", JSON, 400, "limit"),
        ("/studies?StudyDate=soon", JSON, 400, "StudyDate"),
        ("/studies?includefield=Nothing", JSON, 400, "includefield"),
        (&format!("{instance}/frames/2"), "*/*", 404, "1 frames"),
        (&format!("{instance}/frames/none"), "*/*", 400, "numbers"),
        (
            &frame,
            "multipart/related; type=\"image/jp2\"",
            406,
            "octet-stream",
        ),
        (
            &format!("{instance}/rendered"),
            "video/mpeg",
            406,
            "image/png",
        ),
        (
            &format!("{series}/rendered"),
            "image/png",
            406,
            "multipart/related",
        ),
        (
            &format!("{instance}/rendered?window=1"),
            "*/*",
            400,
            "window",
        ),
        (
            &format!("{instance}/bulkdata/00100010"),
            "*/*",
            404,
            "value",
        ),
        ("/nothing", "*/*", 404, "resource"),
    ] {
        let answer = web.get(path, accept);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().contains(word), "{path}: {}", answer.text());
        assert!(answer.header("cache-control").unwrap().contains("no-store"));
    }
    assert_eq!(web.get("/studies?PatientID=nobody", JSON).text(), "[]");
    // What is not done is said.
    let warned = web.get("/studies?fuzzymatching=true", JSON);
    assert!(
        warned
            .header("warning")
            .unwrap()
            .starts_with("299 irisnode")
    );
    let thumbnail = web.get(&format!("{series}/thumbnail"), "image/png");
    assert_eq!(&thumbnail.body[1..4], b"PNG");
    // A body that is asked for as it is kept is the file, byte for byte, behind its own meta information.
    let kept = web.get(&instance, "application/dicom; transfer-syntax=*");
    let dataset = crate::support::data_set(&files[0]);
    assert!(kept.body.ends_with(&dataset), "the data set is another");
}
