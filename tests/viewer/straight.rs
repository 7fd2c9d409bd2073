//! OHIF pointed straight at the node: no PACS, no web server between; the node segments what was stored, and serves it.

use crate::support::http::request_with;
use crate::support::{DrawnSeries, NodeSetup, PATIENCE, free_port, root, wait_until};
use crate::{Torso, assert_shown, looked_at};
use irisnode::assemble::read_series;
use irisnode::encode::read_seg;
use serde_json::Value;
use std::path::PathBuf;

const UID: &str = "1.2.826.0.1.3680043.10.543.460";

/// STOW-RS of files; a body of parts.
fn body(files: &[PathBuf]) -> Vec<u8> {
    let mut body = Vec::new();
    for file in files {
        body.extend(b"--here\r\nContent-Type: application/dicom\r\n\r\n");
        body.extend(std::fs::read(file).unwrap());
        body.extend(b"\r\n");
    }
    body.extend(b"--here--\r\n");
    body
}

#[test]
fn ohif_shows_a_result_of_the_node_over_the_nodes_own_dicomweb() {
    let port = free_port();
    let ohif = root().join(".deps/ohif");
    let node = NodeSetup::default()
        .rule("drawn organs", "when = { Modality = \"CT\" }")
        .sections(&format!(
            "[dicomweb]\nlisten = \"127.0.0.1:{port}\"\nviewer = \"{}\"\n",
            ohif.display()
        ))
        .start();
    let folder = tempfile::tempdir().unwrap();
    let files = DrawnSeries::new(UID, 6..18).write(&folder.path().join("images"));
    let ask = |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]| {
        let mut all = vec![("Host", "127.0.0.1")];
        all.extend(headers);
        let path = format!("/dicom-web{path}");
        request_with(port, method, &path, &all, body).unwrap()
    };
    let multipart = "multipart/related; type=\"application/dicom\"; boundary=here";
    let stored = ask(
        "POST",
        "/studies",
        &[("Content-Type", multipart)],
        &body(&files),
    );
    assert_eq!(stored.status, 200, "{}", stored.text());

    // The result is there when a query finds it.
    let mut seg = Value::Null;
    let path = format!("/studies/{UID}.1/series?Modality=SEG");
    let there = wait_until(PATIENCE, || {
        let found = ask("GET", &path, &[], b"");
        seg = serde_json::from_slice(&found.body).unwrap_or_default();
        !seg[0].is_null()
    });
    assert!(there, "{}", node.log());
    let series = seg[0]["0020000E"]["Value"][0].as_str().unwrap();
    let path = format!("/studies/{UID}.1/series/{series}/instances");
    let found: Value = serde_json::from_slice(&ask("GET", &path, &[], b"").body).unwrap();
    let instance = found[0]["00080018"]["Value"][0].as_str().unwrap();
    let as_file = [("Accept", "application/dicom; transfer-syntax=*")];
    let seg = ask("GET", &format!("{path}/{instance}"), &as_file, b"");
    assert_eq!(seg.status, 200, "{}", seg.text());
    let file = folder.path().join("seg.dcm");
    std::fs::write(&file, &seg.body).unwrap();

    let series = read_series(&files).unwrap();
    let (labels, segments) = read_seg(&file)
        .unwrap()
        .onto(&series.volume.geometry)
        .unwrap();
    let torso = Torso {
        _folder: folder,
        files,
        series,
        labels,
        segments,
    };
    let [columns, rows, slices] = torso.labels.geometry.size;
    let layer = &torso.labels.layers[0];
    let found_on = |k: &usize| {
        let slice = &layer[k * columns * rows..][..columns * rows];
        slice.iter().filter(|label| **label != 0).count()
    };
    let fullest = (0..slices).max_by_key(found_on).unwrap();
    let looked = [fullest.saturating_sub(2), fullest];
    let source = format!("http://127.0.0.1:{port}/");
    let seen = looked_at(&source, &torso, "irisnode: drawn organs", &looked);
    for (&k, seen) in looked.iter().zip(&seen) {
        assert_shown(&torso, k, seen);
    }
    let coloured = seen[1].len();
    assert!(
        2 * coloured > found_on(&fullest),
        "{coloured} pixels are coloured"
    );
}
