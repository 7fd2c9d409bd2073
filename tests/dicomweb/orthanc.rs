//! Orthanc's DICOMweb plugin as a peer: it stores into the node, queries it, and fetches from it.

use crate::support::{DrawnSeries, NodeSetup, Orthanc, PATIENCE, wait_until};
use crate::{WITH_ORGANS, Web};
use serde_json::{Value, json};
use std::path::Path;

const UID: &str = "1.2.826.0.1.3680043.10.543.450";
const PLUGIN: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";

fn post(orthanc: &Orthanc, path: &str, body: &Value) -> Value {
    orthanc.post(path, body.to_string().as_bytes())
}

#[test]
fn orthanc_stores_into_the_node_and_fetches_the_result_from_it() {
    assert!(Path::new(PLUGIN).exists(), "run `make deps`");
    let web = Web::start(
        NodeSetup::default().rule("any CT", "when = { Modality = \"CT\" }"),
        "",
    );
    let orthanc = Orthanc::start(json!({
        "Plugins": [PLUGIN],
        "DicomWeb": {"Enable": true, "Root": "/dicom-web/", "Servers": {"irisnode": [format!("{}/", web.url())]}},
    }));
    let folder = tempfile::tempdir().unwrap();
    for file in DrawnSeries::new(UID, WITH_ORGANS).write(folder.path()) {
        orthanc.post("/instances", &std::fs::read(file).unwrap());
    }
    let study = orthanc.get("/studies")[0].as_str().unwrap().to_owned();
    let job = post(
        &orthanc,
        "/dicom-web/servers/irisnode/stow",
        &json!({"Resources": [study], "Synchronous": true}),
    );
    assert!(job != Value::Null, "{}", orthanc.log());
    let uid = format!("{UID}.1");
    let series = web.found(&format!("/studies/{uid}/series"));
    assert_eq!(series[0]["00201209"]["Value"][0], WITH_ORGANS.len());

    // Its query, over the node's.
    let mut seg = String::new();
    let there = wait_until(PATIENCE, || {
        let asked =
            json!({"Uri": format!("/studies/{uid}/series"), "Arguments": {"Modality": "SEG"}});
        let found = post(&orthanc, "/dicom-web/servers/irisnode/qido", &asked);
        let found = found.as_array().cloned().unwrap_or_default();
        let uids = found.iter().filter_map(|one| {
            let value = one.get("0020,000e").or(one.get("0020000E"))?;
            value["Value"]
                .as_str()
                .or(value["Value"][0].as_str())
                .map(str::to_owned)
        });
        seg = uids.collect::<Vec<_>>().pop().unwrap_or_default();
        !seg.is_empty()
    });
    assert!(there, "{}\n{}", web.node.log(), orthanc.log());
    assert!(orthanc.instances_of("SEG").is_empty());
    let wanted = json!({"Resources": [{"Study": uid, "Series": seg}], "Synchronous": true});
    post(&orthanc, "/dicom-web/servers/irisnode/retrieve", &wanted);
    let found = orthanc.instances_of("SEG");
    assert_eq!(found.len(), 1, "{}", orthanc.log());
    assert_eq!(orthanc.tag(&found[0], "StudyInstanceUID"), uid);
}
