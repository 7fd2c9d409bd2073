//! Transfer syntaxes: whatever a peer sends is kept as it came, and decodes to the voxels of the uncompressed series.

use crate::support::{DrawnSeries, Node, data_set, python, recoded, root, shared_data};
use crate::{assert_answers, dcmtk, printed, receiver, send};
use irisnode::assemble::read_series;
use std::path::PathBuf;

const UID: &str = "1.2.826.0.1.3680043.10.543.80";

/// A name, the transfer syntax, the program that makes it, and the option of DCMTK's storescu that sends it.
type Case = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
);

const CASES: &[Case] = &[
    (
        "explicit",
        "1.2.840.10008.1.2.1",
        &["dcmconv", "+te"],
        "--propose-little",
    ),
    (
        "implicit",
        "1.2.840.10008.1.2",
        &["dcmconv", "+ti"],
        "--propose-implicit",
    ),
    (
        "big endian",
        "1.2.840.10008.1.2.2",
        &["dcmconv", "+tb"],
        "--propose-big",
    ),
    (
        "deflated",
        "1.2.840.10008.1.2.1.99",
        &["dcmconv", "+td"],
        "--propose-deflated",
    ),
    ("RLE", "1.2.840.10008.1.2.5", &["dcmcrle"], "--propose-rle"),
    (
        "JPEG lossless",
        "1.2.840.10008.1.2.4.70",
        &["dcmcjpeg", "+e1"],
        "--propose-lossless",
    ),
    (
        "JPEG-LS",
        "1.2.840.10008.1.2.4.80",
        &["dcmcjpls"],
        "--propose-jls-lossless",
    ),
    (
        "JPEG 2000",
        "1.2.840.10008.1.2.4.90",
        &["recode.py", "jpeg2000-lossless"],
        "--propose-j2k-lossless",
    ),
];
const HTJ2K: &str = "1.2.840.10008.1.2.4.201";

/// The kept files of a transfer syntax.
fn kept_in(node: &Node, transfer_syntax: &str) -> Vec<PathBuf> {
    let is_in = |file: &PathBuf| {
        let object = dicom_object::open_file(file).unwrap();
        object.meta().transfer_syntax() == transfer_syntax
    };
    node.kept().into_iter().filter(is_in).collect()
}

#[test]
fn every_transfer_syntax_is_kept_as_received_and_decodes_to_the_same_voxels() {
    let node = receiver().start();
    let folder = tempfile::tempdir().unwrap();
    for (number, (name, syntax, program, option)) in CASES.iter().enumerate() {
        let plain = DrawnSeries::new(&format!("{UID}.{number}"), 10..13)
            .write(&folder.path().join(format!("plain {name}")));
        let files = recoded(program, &plain, &folder.path().join(name));
        let expected = read_series(&plain).unwrap().volume;

        // DCMTK writes the data set anew as it sends it; its values stay.
        let sent = dcmtk(&node, "storescu", &[option], &files);
        assert!(sent.status.success(), "{name}: {}", printed(&sent));
        let kept = kept_in(&node, syntax);
        assert_eq!(kept.len(), 3, "{name}");
        let found = read_series(&kept)
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .volume;
        assert_eq!(found.geometry, expected.geometry, "{name}");
        assert!(found.voxels == expected.voxels, "{name}: other voxels");

        // Sent as they lie on disk, they lie on the node's disk so.
        send(&node, &files);
        let kept: Vec<Vec<u8>> = kept_in(&node, syntax)
            .iter()
            .map(|file| data_set(file))
            .collect();
        for file in &files {
            assert!(kept.contains(&data_set(file)), "{name}: other bytes");
        }
    }
    let jobs = node.jobs();
    assert!(jobs.iter().all(|job| job["instances"] == 3), "{jobs:#?}");
    assert_answers(&node);
}

#[test]
fn a_real_jpeg_2000_series_arrives_as_it_is() {
    let Some(shared) = shared_data() else { return };
    let node = receiver().start();
    let folder = tempfile::tempdir().unwrap();
    let identified = std::process::Command::new(python())
        .arg(root().join("demo/identify.py"))
        .arg(shared.join("ct_b/dicom"))
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(identified.status.success(), "{}", printed(&identified));
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();

    let sent = dcmtk(&node, "dcmsend", &["--decompress-never"], &files);

    assert!(sent.status.success(), "{}", printed(&sent));
    let kept = kept_in(&node, "1.2.840.10008.1.2.4.90");
    assert_eq!(kept.len(), files.len());
    let (kept, original) = (read_series(&kept).unwrap(), read_series(&files).unwrap());
    assert!(kept.volume.voxels == original.volume.voxels);
}

#[test]
fn htj2k_as_openjph_writes_it_decodes_to_the_same_voxels() {
    let node = receiver().start();
    let folder = tempfile::tempdir().unwrap();
    let plain = DrawnSeries::new(UID, 10..13).write(&folder.path().join("plain"));
    let files = recoded(
        &["recode.py", "htj2k"],
        &plain,
        &folder.path().join("htj2k"),
    );

    // DCMTK's storescu knows no HTJ2K; ours sends the bytes as they are.
    send(&node, &files);

    let kept = kept_in(&node, HTJ2K);
    assert_eq!(kept.len(), 3);
    let (kept, original) = (read_series(&kept).unwrap(), read_series(&plain).unwrap());
    assert_eq!(kept.volume.geometry, original.volume.geometry);
    assert!(kept.volume.voxels == original.volume.voxels);
}

#[test]
fn a_code_stream_that_ends_too_soon_is_kept_and_its_job_says_so() {
    let node = receiver().rule("any CT", crate::ANY_CT).start();
    let folder = tempfile::tempdir().unwrap();
    let plain = DrawnSeries::new(UID, 10..13).write(&folder.path().join("plain"));
    let damaged = ["recode.py", "htj2k-damaged"];
    let files = recoded(&damaged, &plain, &folder.path().join("htj2k"));

    send(&node, &files);

    assert_eq!(kept_in(&node, HTJ2K).len(), 3);
    let job = &node.ended_jobs(1)[0];
    assert_eq!(job["state"], "failed", "{job:#}");
    let reason = job["reason"].as_str().unwrap();
    assert!(reason.contains("the pixels cannot be decoded"), "{reason}");
}
