//! The node, proven by the peers it will meet: Orthanc, DCMTK, pynetdicom, and some that mean no good.
//!
//! Each test starts the built program with the shipped weights and a task taught from `dicom-fixtures/`, does to it
//! what a hospital's network does, and looks at what an administrator can see: what peers print, `irisnode jobs`,
//! the files kept, the log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot arrange its situation fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod associations;
mod chaos;
mod clock;
mod commitment;
mod confirming;
mod conformance;
mod counting;
mod dashboard;
mod delivery;
mod durability;
mod hostile;
mod https;
mod jobs;
mod keeping;
mod memory;
mod notify;
mod power_loss;
mod privacy;
mod raw_association;
mod reload;
mod replay;
mod review;
mod revocation;
mod road;
mod series;
mod service;
mod status_page;
mod syntaxes;
mod teaching;
mod tls;
mod traces;

use irisnode::config::{Delivery, Peer};
use irisnode::deliver::{FileOutcome, store};
use std::path::{Path, PathBuf};
use std::process::Output;
use support::{CtSlice, Node, NodeSetup, Running, free_port, tool};

/// A rule for every CT that comes.
const ANY_CT: &str = "when = { Modality = \"CT\" }";
/// Where the drawn subject has organs that the task finds.
const WITH_ORGANS: std::ops::Range<usize> = 8..16;

/// A node that knows the caller SCANNER and has no rules: for what happens before a job.
fn receiver() -> NodeSetup {
    NodeSetup::default().peer("scanner", "SCANNER", free_port())
}

fn as_peer(node: &Node) -> Peer {
    Peer {
        name: "node".into(),
        ae_title: Node::AE_TITLE.into(),
        host: "127.0.0.1".into(),
        port: node.port,
        compress: Vec::new(),
        only_from: Vec::new(),
        tls: None,
        only_with: Vec::new(),
        expected_count: false,
        storage_commitment: false,
        c_get: false,
        dicomweb: None,
    }
}

/// Sends files as they lie on disk, byte for byte; `acknowledged` hears of each.
fn send_each(
    node: &Node,
    calling_ae: &str,
    files: &[PathBuf],
    acknowledged: impl FnMut(&FileOutcome),
) -> Vec<FileOutcome> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(store(
            &as_peer(node),
            calling_ae,
            files,
            &Delivery::default(),
            acknowledged,
        ))
}

/// Sends files as SCANNER; every one must be acknowledged.
fn send(node: &Node, files: &[PathBuf]) {
    for outcome in send_each(node, "SCANNER", files, |_| {}) {
        outcome.result.expect("an acknowledgement");
    }
}

/// A program of DCMTK that calls the node as SCANNER.
fn dcmtk(node: &Node, program: &str, options: &[&str], files: &[PathBuf]) -> Output {
    tool(program)
        .args(["--aetitle", "SCANNER", "--call", Node::AE_TITLE])
        .args(options)
        .args(["127.0.0.1", &node.port.to_string()])
        .args(files)
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The node answers whoever asks in good order.
fn assert_answers(node: &Node) {
    let echo = dcmtk(node, "echoscu", &[], &[]);
    assert!(echo.status.success(), "{}\n{}", printed(&echo), node.log());
}

/// Slices of 16 x 16 pixels, for what does not depend on the image.
fn small_slices(folder: &Path, series: &str, count: u16) -> Vec<PathBuf> {
    std::fs::create_dir_all(folder).unwrap();
    (1..=count)
        .map(|number| {
            CtSlice {
                number,
                ..CtSlice::new(series)
            }
            .write(folder)
        })
        .collect()
}

/// DCMTK's storescp as the PACS that results go to.
fn storescp(folder: &Path, port: u16) -> Running {
    let mut command = tool("storescp");
    command
        .arg("--verbose")
        .arg("--output-directory")
        .arg(folder)
        .arg(port.to_string());
    Running::start_listening(&mut command, port, folder.join("storescp.log"))
}

/// Files that a storescp received.
fn received(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_none_or(|extension| extension != "log"))
        .collect()
}

/// How often a storescp was asked to store.
fn store_requests(storescp: &Running) -> usize {
    storescp.log().matches("Received Store Request").count()
}
