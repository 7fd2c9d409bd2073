//! The whole road: a modality sends to a PACS, the PACS routes to the node, a DICOM-SEG comes back.

use crate::support::{
    DrawnSeries, Node, NodeSetup, Orthanc, PATIENCE, dciodvfy, free_port, root, tool, wait_until,
};
use crate::{ANY_CT, WITH_ORGANS, printed};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Output;

const UID: &str = "1.2.826.0.1.3680043.10.543.40";
const DICOMWEB: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";
const PYTHON: &str = "/usr/share/orthanc/plugins/libOrthancPython.so";

/// Orthanc with plugin-config/orthanc; the node's port is what an administrator would write into irisnode.json.
fn orthanc_that_routes_to(port: u16) -> Orthanc {
    let mut changes = json!({
        "LuaScripts": [root().join("plugin-config/orthanc/irisnode.lua")],
        "DicomModalities": {"irisnode": [Node::AE_TITLE, "127.0.0.1", port]},
    });
    if Path::new(DICOMWEB).exists() {
        changes["Plugins"] = json!([DICOMWEB]);
    }
    Orthanc::start(changes)
}

/// The same by the Python plugin.
fn orthanc_that_routes_by_python_to(port: u16) -> Orthanc {
    assert!(
        Path::new(PYTHON).exists(),
        "orthanc-python is missing: run `make deps`"
    );
    Orthanc::start(json!({
        "Plugins": [PYTHON],
        "PythonScript": root().join("plugin-config/orthanc/irisnode.py"),
        "DicomModalities": {"irisnode": [Node::AE_TITLE, "127.0.0.1", port]},
    }))
}

fn dcmsend(called: &str, calling: &str, port: u16, folder: &Path) -> Output {
    let sent = tool("dcmsend")
        .args(["--scan-directories", "--aetitle", calling, "--call", called])
        .args(["127.0.0.1", &port.to_string()])
        .arg(folder)
        .output()
        .unwrap();
    assert!(sent.status.success(), "{}", printed(&sent));
    sent
}

fn routed_by(orthanc: &Orthanc) -> Vec<Value> {
    let jobs = orthanc.get("/jobs?expand");
    let jobs = jobs.as_array().cloned().unwrap_or_default();
    let transfer = |job: &Value| job["Type"] == "DicomModalityStore";
    jobs.into_iter().filter(transfer).collect()
}

/// A node, an Orthanc that routes to it, and the folder of a series that Orthanc has got.
fn routed(orthanc_that_routes_to: fn(u16) -> Orthanc) -> (Node, Orthanc, tempfile::TempDir) {
    let port = free_port();
    let orthanc = orthanc_that_routes_to(port);
    let node = NodeSetup::default()
        .listening_on(port)
        .peer("orthanc", Orthanc::AE_TITLE, orthanc.dicom_port)
        .rule("any CT", ANY_CT)
        .start();
    let folder = tempfile::tempdir().unwrap();
    DrawnSeries::new(UID, WITH_ORGANS).write(folder.path());
    dcmsend(
        Orthanc::AE_TITLE,
        "SCANNER",
        orthanc.dicom_port,
        folder.path(),
    );
    (node, orthanc, folder)
}

/// The one result that comes back.
fn result_in(orthanc: &Orthanc, node: &Node) -> String {
    let arrived = wait_until(PATIENCE, || !orthanc.instances_of("SEG").is_empty());
    assert!(arrived, "{}\n{}", node.log(), orthanc.log());
    let jobs = node.ended_jobs(1);
    assert_eq!(jobs[0]["state"], "delivered", "{jobs:#?}");
    orthanc.instances_of("SEG").remove(0)
}

#[test]
fn a_series_in_orthanc_gets_one_dicom_seg_and_keeps_it_when_sent_again() {
    let (node, orthanc, folder) = routed(orthanc_that_routes_to);
    let found = result_in(&orthanc, &node);
    assert_belongs_to_the_series(&orthanc, &found);
    assert_valid(&orthanc, &found);

    // The same series once more, from the same PACS: the same result, not another one.
    dcmsend(Node::AE_TITLE, Orthanc::AE_TITLE, node.port, folder.path());
    let jobs = node.ended_jobs(2);
    assert!(
        jobs.iter().all(|job| job["state"] == "delivered"),
        "{jobs:#?}"
    );
    assert_eq!(orthanc.instances_of("SEG"), std::slice::from_ref(&found));

    assert_not_routed(&orthanc, &found);
    assert_eq!(node.kept().len(), WITH_ORGANS.len());
}

#[test]
fn orthancs_python_plugin_routes_the_images_and_never_the_result() {
    let (node, orthanc, _folder) = routed(orthanc_that_routes_by_python_to);
    let found = result_in(&orthanc, &node);
    assert_not_routed(&orthanc, &found);
    // A script that fails says so in the log, and there only.
    assert!(!orthanc.log().contains("is not sent"), "{}", orthanc.log());
}

/// Orthanc calls a series stable after a second: were the SEG routed, a transfer would follow.
fn assert_not_routed(orthanc: &Orthanc, seg: &str) {
    let series = orthanc.get(&format!("/instances/{seg}/series"));
    let series = series["ID"].as_str().unwrap().to_owned();
    let stable = wait_until(PATIENCE, || {
        orthanc.get(&format!("/series/{series}"))["IsStable"] == true
    });
    assert!(stable);
    let routed = routed_by(orthanc);
    assert_eq!(routed.len(), 1, "{routed:#?}");
}

fn assert_belongs_to_the_series(orthanc: &Orthanc, seg: &str) {
    assert_eq!(orthanc.tag(seg, "StudyInstanceUID"), format!("{UID}.1"));
    let tags = orthanc.get(&format!("/instances/{seg}/simplified-tags"));
    let referenced = &tags["ReferencedSeriesSequence"][0];
    assert_eq!(referenced["SeriesInstanceUID"], format!("{UID}.2"));
    if !Path::new(DICOMWEB).exists() {
        println!("left out: DICOMweb needs the orthanc-dicomweb plugin");
        return;
    }
    // Viewers find the images by it, and see it through DICOMweb only (OHIF/Viewers#4271).
    let path = format!(
        "/dicom-web/studies/{UID}.1/series/{}/metadata",
        orthanc.tag(seg, "SeriesInstanceUID")
    );
    let metadata = orthanc.get(&path);
    let series = &metadata[0]["00081115"]["Value"][0]["0020000E"]["Value"][0];
    assert_eq!(*series, format!("{UID}.2"), "{metadata:#}");
}

fn assert_valid(orthanc: &Orthanc, seg: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seg.dcm");
    std::fs::write(&file, orthanc.get_bytes(&format!("/instances/{seg}/file"))).unwrap();
    let judged = dciodvfy().arg(&file).output().unwrap();
    let text = printed(&judged);
    assert!(!text.contains("Error"), "{text}");
}
