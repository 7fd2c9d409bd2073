//! What the node makes of a series that came by STOW-RS.

use crate::support::{DrawnSeries, NodeSetup, Orthanc, PATIENCE, dciodvfy, wait_until};
use crate::{WITH_ORGANS, Web};
use serde_json::json;

const UID: &str = "1.2.826.0.1.3680043.10.543.420";
const ANY_CT: &str = "when = { Modality = \"CT\" }";

#[test]
fn a_stored_series_has_its_results_beside_it_for_whoever_asks() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("images");
    let files = DrawnSeries::new(UID, WITH_ORGANS).write(&images);
    let web = Web::start(
        NodeSetup::default().rule("any CT", &format!("{ANY_CT}\nreport = true")),
        "",
    );
    assert_eq!(web.store("/studies", &files).status, 200);
    assert_eq!(
        web.client("results", &[&images, folder.path()]).trim(),
        "found"
    );
    let seg = folder.path().join("SEG.dcm");
    let judged = dciodvfy().arg(&seg).output().unwrap();
    let text = String::from_utf8_lossy(&judged.stderr).into_owned();
    assert!(!text.contains("Error"), "{text}");
    let job = web.node.wait_for_state(&["delivered"]);
    assert_eq!((&job["delivered"], &job["results"]), (&2.into(), &2.into()));
    let shown = web
        .node
        .command("jobs")
        .args(["show", "1"])
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("kept"), "{shown}");
}

#[test]
fn results_of_a_stored_series_go_to_the_destinations_that_a_rule_names() {
    let orthanc = Orthanc::start(json!({}));
    let folder = tempfile::tempdir().unwrap();
    let files = DrawnSeries::new(UID, WITH_ORGANS).write(folder.path());
    let rule = format!("{ANY_CT}\ndestinations = [\"pacs\"]");
    let setup = NodeSetup::default()
        .peer("pacs", Orthanc::AE_TITLE, orthanc.dicom_port)
        .rule("any CT", &rule);
    let web = Web::start(setup, "");
    assert_eq!(web.store("/studies", &files).status, 200);
    let arrived = wait_until(PATIENCE, || orthanc.instances_of("SEG").len() == 1);
    assert!(arrived, "{}", web.node.log());
}

#[test]
fn a_result_held_for_review_is_not_there_before_it_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let files = DrawnSeries::new(UID, WITH_ORGANS).write(folder.path());
    let web = Web::start(
        NodeSetup::default().rule("careful", &format!("{ANY_CT}\nhold_below = 1.0")),
        "",
    );
    assert_eq!(web.store("/studies", &files).status, 200);
    web.node.wait_for_state(&["held"]);
    let series = format!("/studies/{UID}.1/series");
    let study = || {
        web.found(&format!("/studies?StudyInstanceUID={UID}.1"))
            .remove(0)
    };
    assert_eq!(web.found(&series).len(), 1);
    assert_eq!(study()["00201206"]["Value"][0], 1);
    assert_eq!(study()["00201208"]["Value"][0], WITH_ORGANS.len());

    let released = web
        .node
        .command("jobs")
        .args(["release", "1"])
        .output()
        .unwrap();
    assert!(released.status.success(), "{released:?}");
    let found = web.found(&series);
    let modalities: Vec<&str> = found
        .iter()
        .map(|one| one["00080060"]["Value"][0].as_str().unwrap())
        .collect();
    assert_eq!(modalities, ["CT", "SEG"]);
    assert_eq!(study()["00080061"]["Value"], json!(["CT", "SEG"]));
    assert_eq!(web.node.newest_job()["state"], "delivered");
}
