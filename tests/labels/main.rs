//! Labels of other programs, read onto an image's grid: every voxel of every segment, as its writer meant it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot arrange its situation fails"
)]

mod command_line;
mod damaged_rtstruct;
mod ohif;
mod rtstruct;
mod seg_kinds;
#[path = "../support/mod.rs"]
mod support;

use irisnode::assemble::{Series, read_series};
use irisnode::encode::Segment;
use irisnode::volume::LabelVolume;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use support::{python, root};

/// Runs a script of this folder.
fn script(name: &str, arguments: &[&Path]) {
    let done = Command::new(python())
        .arg(root().join("tests/labels").join(name))
        .args(arguments)
        .output()
        .expect("python starts");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{name}: {said}");
}

/// What `draw_rtstructs.py` makes: a folder for each orientation.
static DRAWN: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = emptied("labels-rtstructs");
    script("draw_rtstructs.py", &[&folder]);
    folder
});

/// What `write_segs.py` makes of the query series of the fixtures.
static SEGS: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = emptied("labels-segs");
    script("write_segs.py", &[&query_series(), &folder]);
    folder
});

fn query_series() -> PathBuf {
    root().join("dicom-fixtures/query/series")
}

fn emptied(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// The DICOM series in a folder.
fn series(folder: &Path) -> Series {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    read_series(&files).expect("a series")
}

/// What a script expects: by name, voxels with the column fastest.
fn expected<T: serde::de::DeserializeOwned>(folder: &Path) -> BTreeMap<String, T> {
    let text = std::fs::read(folder.join("expected.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The voxels of a segment.
fn voxels(labels: &LabelVolume, number: u16) -> Vec<usize> {
    let mask = labels.mask(number).into_iter().enumerate();
    mask.filter_map(|(at, inside)| inside.then_some(at))
        .collect()
}

fn named<'a>(segments: &'a [Segment], name: &str) -> &'a Segment {
    let found = segments.iter().find(|s| s.description.label == name);
    found.unwrap_or_else(|| panic!("no segment {name}"))
}
