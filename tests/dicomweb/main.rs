//! DICOMweb, proven by those who speak it: the dicomweb-client library, Orthanc's plugin, a browser, and some that mean no
//! good. (OHIF is in `tests/viewer`.)

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot arrange its situation fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod hostile;
mod orthanc;
mod reading;
mod results;
mod storing;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::http::{Answer, request_with};
use support::{Node, NodeSetup, free_port, python, root};

/// Where the drawn subject has organs that the task finds.
const WITH_ORGANS: std::ops::Range<usize> = 8..16;
const JSON: &str = "application/dicom+json";

/// A node with DICOMweb.
struct Web {
    node: Node,
    port: u16,
}

impl Web {
    /// Starts it; `lines` are more of `[dicomweb]`.
    fn start(setup: NodeSetup, lines: &str) -> Self {
        let port = free_port();
        let section = format!("[dicomweb]\nlisten = \"127.0.0.1:{port}\"\n{lines}\n");
        let node = setup.sections(&section).start();
        Self { node, port }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/dicom-web", self.port)
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut all = vec![("Host", "127.0.0.1")];
        all.extend(headers);
        let path = format!("/dicom-web{path}");
        request_with(self.port, method, &path, &all, body)
            .unwrap_or_else(|| panic!("no answer\n{}", self.node.log()))
    }

    fn get(&self, path: &str, accept: &str) -> Answer {
        self.ask("GET", path, &[("Accept", accept)], b"")
    }

    /// What a query finds.
    fn found(&self, path: &str) -> Vec<Value> {
        let answer = self.get(path, JSON);
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// STOW-RS of files in one request.
    fn store(&self, path: &str, files: &[PathBuf]) -> Answer {
        let parts: Vec<Vec<u8>> = files
            .iter()
            .map(|file| std::fs::read(file).unwrap())
            .collect();
        self.ask("POST", path, &[STOW, ("Accept", JSON)], &body(&parts))
    }

    /// What the dicomweb-client library does; what it printed.
    fn client(&self, what: &str, arguments: &[&Path]) -> String {
        let output = Command::new(python())
            .arg(root().join("tests/dicomweb/client.py"))
            .args([what, &self.url()])
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{}", self.node.log());
        String::from_utf8(output.stdout).unwrap()
    }
}

const STOW: (&str, &str) = (
    "Content-Type",
    "multipart/related; type=\"application/dicom\"; boundary=here",
);

/// A body of STOW-RS.
fn body(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend(b"--here\r\nContent-Type: application/dicom\r\n\r\n");
        body.extend(part);
        body.extend(b"\r\n");
    }
    body.extend(b"--here--\r\n");
    body
}

/// Failure reasons of an answer to STOW-RS, by SOP Instance UID; of others by nothing.
fn failures(answer: &Answer) -> Vec<(String, u64)> {
    let said: Value = serde_json::from_slice(&answer.body).unwrap();
    let mut failures = Vec::new();
    for sequence in ["00081198", "0008119A"] {
        for item in said[sequence]["Value"].as_array().into_iter().flatten() {
            let uid = item["00081155"]["Value"][0].as_str().unwrap_or_default();
            let reason = item["00081197"]["Value"][0].as_u64().unwrap();
            failures.push((uid.to_owned(), reason));
        }
    }
    failures
}
