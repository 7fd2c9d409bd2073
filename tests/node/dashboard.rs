//! The pages with users: pictures and names for those who may see them, buttons for those who may act.

use crate::support::{DrawnSeries, NodeSetup, free_port, python, root};
use crate::teaching::{LIVER, SPLEEN, drawn, send_to_teach, wait_for_proposal};
use crate::{WITH_ORGANS, printed, send, storescp};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use std::path::{Path, PathBuf};
use std::process::Command;

const UID: &str = "1.2.826.0.1.3680043.10.543.98";
const PASSWORD: &str = "correct horse battery staple";

/// What a person does in a browser and sees (`dashboard.py`).
fn browse(web: u16, pictures: &Path, part: &str, files: &[PathBuf]) {
    let done = Command::new(python())
        .arg(root().join("tests/node/dashboard.py"))
        .args([&web.to_string(), PASSWORD])
        .arg(pictures)
        .arg(part)
        .args(files)
        .output()
        .unwrap();
    assert!(done.status.success(), "{part}: {}", printed(&done));
}

/// Where screenshots go: `$IRISNODE_PICTURES`, to look at them, or nowhere in particular.
fn pictures(otherwise: &Path) -> PathBuf {
    std::env::var_os("IRISNODE_PICTURES").map_or_else(|| otherwise.to_owned(), Into::into)
}

#[test]
fn pictures_and_buttons_are_for_those_who_may() {
    let (web, pacs_port) = (free_port(), free_port());
    let folder = tempfile::tempdir().unwrap();
    let pacs_folder = tempfile::tempdir().unwrap();
    let _pacs = storescp(pacs_folder.path(), pacs_port);
    let pictures = pictures(folder.path());
    let node = NodeSetup::default()
        .own_tasks()
        .web(&format!("listen = \"127.0.0.1:{web}\""))
        .peer("scanner", "SCANNER", free_port())
        .peer("pacs", "PACS", pacs_port)
        .sections(
            "[teach]\nae_title = \"IRISTEACH\"\n[[rule]]\nname = \"every CT\"\ntasks = [\"*taught\"]\n\
             destinations = [\"pacs\"]\nwhen = { Modality = \"CT\" }\n",
        )
        .start();
    let named = |uid: &str, place: &Path| {
        let mut series = DrawnSeries::new(uid, WITH_ORGANS);
        series.set_all(tags::PATIENT_NAME, VR::PN, "Drawn^Nobody");
        series.set_all(tags::SERIES_DESCRIPTION, VR::LO, "Portal venous");
        series.write(place)
    };
    let place = folder.path().join("taught");
    let mut taught = named(&format!("{UID}.1"), &place);
    taught.push(drawn(&place, "Leber", LIVER, None).0);
    for outcome in send_to_teach(&node, "SCANNER", &taught) {
        outcome.result.unwrap();
    }
    wait_for_proposal(&node, 1, "proposed");
    browse(web, &pictures, "anonymous", &[]);

    assert!(!node.add_user("ada", "admin", "short"));
    assert!(node.add_user("ada", "admin", PASSWORD));
    assert!(node.add_user("vic", "viewer", PASSWORD));
    browse(web, &pictures, "teach", &[]);

    let place = folder.path().join("dropped");
    let mut dropped = named(&format!("{UID}.3"), &place);
    dropped.push(drawn(&place, "Milz", SPLEEN, None).0);
    browse(web, &pictures, "drop", &dropped);

    send(
        &node,
        &named(&format!("{UID}.2"), &folder.path().join("next")),
    );
    let job = node.ended_jobs(5).remove(0);
    assert_eq!(job["state"], "delivered", "{job:#}\n{}", node.log());
    browse(web, &pictures, "job", &[]);
    browse(web, &pictures, "around", &[]);
    assert!(!node.log().contains("Nobody") && !node.log().contains(PASSWORD));
}
