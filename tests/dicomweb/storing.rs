//! STOW-RS: the same promise as C-STORE's.

use crate::support::{CtSlice, DrawnSeries, NodeSetup, data_set};
use crate::{WITH_ORGANS, Web, body, failures};
use serde_json::Value;
use std::path::PathBuf;

const UID: &str = "1.2.826.0.1.3680043.10.543.410";

fn slices(folder: &std::path::Path, series: &str, count: u16) -> Vec<PathBuf> {
    std::fs::create_dir_all(folder).unwrap();
    let slice = |number| CtSlice {
        number,
        ..CtSlice::new(series)
    };
    (1..=count)
        .map(|number| slice(number).write(folder))
        .collect()
}

#[test]
fn the_client_library_stores_a_series_and_reads_it_back() {
    let folder = tempfile::tempdir().unwrap();
    DrawnSeries::new(UID, WITH_ORGANS).write(folder.path());
    let web = Web::start(NodeSetup::default(), "");
    let said: Value = serde_json::from_str(&web.client("store", &[folder.path()])).unwrap();
    let stored = said["00081199"]["Value"].as_array().unwrap();
    assert_eq!(stored.len(), WITH_ORGANS.len(), "{said:#}");
    let url = format!("{}/studies/{UID}.1", web.url());
    assert_eq!(said["00081190"]["Value"][0], url.as_str());
    assert_eq!(web.client("read", &[folder.path()]).trim(), "all of it");
}

#[test]
fn what_was_answered_survives_a_kill_right_after() {
    let folder = tempfile::tempdir().unwrap();
    let mut web = Web::start(NodeSetup::default(), "");
    for round in 0..3 {
        let series = format!("{UID}.5{round}");
        let files = slices(&folder.path().join(&series), &series, 40);
        let answer = web.store("/studies", &files);
        web.node.kill();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut kept: Vec<Vec<u8>> = web.node.kept().iter().map(|file| data_set(file)).collect();
        kept.sort();
        for file in &files {
            assert!(kept.binary_search(&data_set(file)).is_ok(), "one is lost");
        }
        web.node.start();
        let path = format!("/studies/{series}.0/series/{series}/instances");
        assert_eq!(web.found(&path).len(), files.len());
    }
}

#[test]
fn each_instance_has_its_own_answer() {
    let folder = tempfile::tempdir().unwrap();
    let web = Web::start(NodeSetup::default(), "max_instance = \"100 kB\"");
    let files = slices(folder.path(), UID, 2);
    let good: Vec<Vec<u8>> = files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    // Another study than the URL's.
    let mut other = DrawnSeries::new(UID, 8..9);
    other.set_all(
        dicom_dictionary_std::tags::STUDY_INSTANCE_UID,
        dicom_core::VR::UI,
        "1.2.3",
    );
    let other = std::fs::read(&other.write(&folder.path().join("other"))[0]).unwrap();
    // An instance of no storage class, one that is cut short, one too large, and one that is none.
    let unknown = CtSlice {
        sop_class: "1.2.840.10008.5.1.4.1.1.9999".into(),
        ..CtSlice::new(&format!("{UID}.8"))
    };
    let unknown = std::fs::read(unknown.write(&folder.path().join("other"))).unwrap();
    let cut = good[1][..good[1].len() - 100].to_vec();
    let large = [good[1].clone(), vec![0; 200_000]].concat();
    let uid = |number| format!("{UID}.{number}");

    let parts = [
        good[0].clone(),
        other,
        unknown,
        cut,
        large,
        b"nothing".to_vec(),
    ];
    let path = format!("/studies/{UID}.0");
    let answer = web.ask("POST", &path, &[crate::STOW], &body(&parts));
    assert_eq!(answer.status, 202, "{}", answer.text());
    let expected = [
        (format!("{UID}.3.8"), 0xC001),
        (format!("{UID}.8.1"), 0x0122),
        (uid(2), 0xC000),
        (uid(2), 0x0110),
        (String::new(), 0xC000),
    ];
    assert_eq!(failures(&answer), expected);
    let found = web.found(&format!("/studies/{UID}.0/instances"));
    assert_eq!(found.len(), 1, "{found:#?}");

    // None of them stored, and all of them.
    let answer = web.ask("POST", &path, &[crate::STOW], &body(&[b"nothing".to_vec()]));
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert_eq!(
        web.ask("POST", &path, &[crate::STOW], &body(&good)).status,
        200
    );
    assert_eq!(web.found(&format!("/studies/{UID}.0/instances")).len(), 2);
}

#[test]
fn nothing_is_stored_while_the_disk_is_low() {
    let folder = tempfile::tempdir().unwrap();
    let files = slices(folder.path(), UID, 1);
    let web = Web::start(NodeSetup::default().node("min_free = \"8000 TiB\""), "");
    let answer = web.store("/studies", &files);
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    web.node.wait_for_log("are free");
    assert!(web.found("/studies").is_empty());
}
