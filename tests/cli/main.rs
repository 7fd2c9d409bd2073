//! The command line as an administrator sees it: what is printed, where it points, what is written.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot arrange its situation fails"
)]

mod encoding;
mod evaluating;
mod images;
mod init;
mod rules;
mod segmentations;
#[path = "../support/mod.rs"]
mod support;
mod teaching;

use irisnode::iris::{Iris, IrisConfig};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::root;

/// A folder with a small untrained network, where the program runs.
struct Desk {
    folder: tempfile::TempDir,
}

/// What the program said.
struct Answer {
    success: bool,
    stdout: String,
    /// Lines joined by spaces: where a sentence is broken depends on the terminal.
    stderr: String,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        tch::manual_seed(5);
        Iris::new(IrisConfig::tiny(), tch::Device::Cpu)
            .save(&folder.path().join("w.safetensors"), &BTreeMap::new())
            .unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A configuration with a peer on a port, and rules.
    fn config(&self, port: u16, rules: &str) -> PathBuf {
        let text = format!(
            "[node]\nweights = \"w.safetensors\"\ntask_dir = \"tasks\"\nlisten = \"127.0.0.1:0\"\n[[peer]]\nname = \"pacs\"\nae_title = \"ORTHANC\"\nhost = \"127.0.0.1\"\nport = {port}\n\n{rules}"
        );
        self.write("irisnode.toml", &text)
    }

    /// Runs `irisnode` with words that hold no spaces, then paths.
    fn run(&self, words: &str, paths: &[(&str, &Path)]) -> Answer {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_irisnode"));
        command
            .current_dir(self.folder.path())
            .env_remove("IRISNODE_CONFIG")
            .env("NO_COLOR", "1")
            .args(words.split_whitespace());
        for (option, path) in paths {
            if !option.is_empty() {
                command.arg(option);
            }
            command.arg(path);
        }
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let words: Vec<&str> = stderr
            .split_whitespace()
            .filter(|word| *word != "│")
            .collect();
        Answer {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: words.join(" "),
        }
    }

    /// A task `abdomen` from the NIfTI reference of the fixtures.
    fn teach(&self) {
        let answer = self.run(
            "task add abdomen --segment 1=spleen --segment 2=liver --tasks-dir tasks --weights w.safetensors",
            &[
                ("--image", &fixture("reference/image.nii.gz")),
                ("--label", &fixture("reference/labels.nii.gz")),
            ],
        );
        answer.worked();
    }
}

impl Answer {
    fn worked(&self) -> &Self {
        assert!(self.success, "{}\n{}", self.stdout, self.stderr);
        self
    }

    fn failed_saying(&self, sentences: &[&str]) {
        assert!(!self.success, "{}", self.stdout);
        for sentence in sentences {
            assert!(
                self.stderr.contains(sentence),
                "no `{sentence}` in: {}",
                self.stderr
            );
        }
    }
}

fn fixture(name: &str) -> PathBuf {
    root().join("dicom-fixtures").join(name)
}

/// Copies the query series into a folder.
fn copy_series(to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(fixture("query/series")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
