//! One table of reader and object: who finds every voxel at its place, and who does not and why.
//!
//! `tests/README.md` holds it, and a verdict that changes fails; `make conformance` writes it anew, with the versions.

use crate::objects::{Object, objects};
use crate::report;
use crate::support::{dciodvfy, python, root, tool};
use irisnode::encode::SegObject;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Readers, by the names of the table's columns, and how each is asked its version.
const READERS: [&str; 9] = [
    "dciodvfy",
    "dcmdump",
    "dcm2xml",
    "pydicom",
    "highdicom",
    "dcmqi",
    "dcmjs",
    "cornerstone",
    "irisnode",
];

/// Every voxel, or for the checkers no error.
const RIGHT: &str = "✓";

/// Nothing where a reader is content, else what it says.
pub type Verdicts = BTreeMap<String, String>;

fn seg_in(folder: &Path) -> PathBuf {
    folder.join("seg.dcm")
}

/// The first line that holds a word.
fn line_with<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.lines().find(|line| line.contains(word))
}

/// No error in an object that it knows as an `iod`.
pub fn by_dciodvfy(file: &Path, iod: &str) -> String {
    let report = dciodvfy().arg(file).output().unwrap();
    let report = String::from_utf8_lossy(&report.stderr).into_owned();
    match line_with(&report, "Error") {
        Some(error) => error.to_owned(),
        None if report.lines().any(|line| line == iod) => String::new(),
        None => "does not know the object".into(),
    }
}

pub fn by_dcmtk(program: &str, file: &Path) -> String {
    let read = tool(program).arg(file).output().unwrap();
    let said = String::from_utf8_lossy(&read.stderr);
    match line_with(&said, "E:") {
        Some(error) => error.to_owned(),
        None if read.status.success() => String::new(),
        None => "fails".into(),
    }
}

/// Our own reader gives back every voxel and what each segment is.
fn by_irisnode(object: &Object, folder: &Path) -> String {
    let read = match irisnode::encode::read_seg(&seg_in(folder)) {
        Ok(read) => read,
        Err(error) => return error.to_string(),
    };
    let (found, listed) = match SegObject::onto(&read, &object.labels.geometry) {
        Ok(found) => found,
        Err(error) => return error.to_string(),
    };
    let meant = object
        .segments
        .iter()
        .filter(|segment| object.labels.mask(segment.number).contains(&true));
    for (listed, meant) in listed.iter().zip(meant) {
        if listed.description != meant.description
            || found.mask(listed.number) != object.labels.mask(meant.number)
        {
            return format!("{} is another", meant.description.label);
        }
    }
    String::new()
}

/// What a script prints for each folder.
fn by_script(command: &mut Command, folders: &[PathBuf]) -> Vec<Verdicts> {
    let output = command.args(folders).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    let read: BTreeMap<PathBuf, Verdicts> = serde_json::from_slice(&output.stdout).unwrap();
    folders.iter().map(|folder| read[folder].clone()).collect()
}

fn python_readers(readers: &str) -> Command {
    let mut command = Command::new(python());
    command
        .arg(root().join("tests/readers/read_with.py"))
        .arg(readers);
    command
}

fn viewer_libraries() -> Command {
    let mut command = tool("node");
    command
        .arg(root().join("tests/readers/read_with.mjs"))
        .arg(root().join(".deps/node"));
    command
}

/// Each of these Python readers (comma-separated) finds in a file what an object meant.
pub fn assert_read_by(meant: &Object, file: &Path, readers: &str) {
    let folder = tempfile::tempdir().unwrap();
    meant.say_what_is_meant(folder.path());
    std::fs::copy(file, seg_in(folder.path())).unwrap();
    let verdicts = by_script(&mut python_readers(readers), &[folder.path().to_owned()]);
    for (reader, verdict) in &verdicts[0] {
        assert_eq!(verdict, "", "{reader} of {}", file.display());
    }
}

fn verdicts(objects: &[Object], folder: &Path) -> Vec<Verdicts> {
    let folders: Vec<PathBuf> = (0..objects.len())
        .map(|n| folder.join(n.to_string()))
        .collect();
    for (object, folder) in objects.iter().zip(&folders) {
        std::fs::create_dir(folder).unwrap();
        object.put(&seg_in(folder));
        object.say_what_is_meant(folder);
    }
    let python = by_script(&mut python_readers("pydicom,highdicom,dcmqi"), &folders);
    let node = by_script(&mut viewer_libraries(), &folders);
    let read = objects.iter().zip(&folders).zip(python).zip(node);
    read.map(|(((object, folder), mut verdicts), node)| {
        verdicts.extend(node);
        verdicts.insert(
            "dciodvfy".into(),
            by_dciodvfy(&seg_in(folder), "Segmentation"),
        );
        for program in ["dcmdump", "dcm2xml"] {
            verdicts.insert(program.into(), by_dcmtk(program, &seg_in(folder)));
        }
        verdicts.insert("irisnode".into(), by_irisnode(object, folder));
        verdicts
    })
    .collect()
}

/// The table, and below it the reasons, numbered.
fn table(readers: &[&str], rows: &[(&str, Verdicts)]) -> String {
    let mut text = format!("| object | {} |\n", readers.join(" | "));
    writeln!(text, "|---|{}", ":-:|".repeat(readers.len())).unwrap();
    let mut reasons: Vec<String> = Vec::new();
    for (name, verdicts) in rows {
        write!(text, "| {name} |").unwrap();
        for reader in readers {
            let said = &verdicts[*reader];
            if said.is_empty() {
                write!(text, " {RIGHT} |").unwrap();
                continue;
            }
            let reason = format!("{reader}: {said}");
            let known = reasons.iter().position(|other| *other == reason);
            let number = known.unwrap_or_else(|| {
                reasons.push(reason);
                reasons.len() - 1
            });
            write!(text, " {} |", number + 1).unwrap();
        }
        text.push('\n');
    }
    text.push('\n');
    for (at, reason) in reasons.iter().enumerate() {
        writeln!(text, "{}. {reason}", at + 1).unwrap();
    }
    text
}

const BEGIN: &str = "<!-- verdicts: written by `make conformance` -->\n";
const REPORTS: &str = "\nMeasurement reports, of which highdicom must find each segment's volume, finding, side, tracking and reference, and dcmqi the volumes:\n\n";
const VERSIONS: &str = "<!-- versions -->\n";
const END: &str = "<!-- end of verdicts -->\n";

#[test]
fn everyone_finds_every_voxel_as_the_table_says() {
    let objects = objects();
    let folder = tempfile::tempdir().unwrap();
    let names = objects.iter().map(|object| object.name);
    let rows: Vec<_> = names.zip(verdicts(&objects, folder.path())).collect();
    let reports = report::verdicts();
    let found = [table(&READERS, &rows), table(&report::READERS, &reports)].join(REPORTS);
    let path = root().join("tests/README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the mark where it begins");
    let (kept, rest) = rest.split_once(VERSIONS).expect("the mark of the versions");
    let (_, after) = rest.split_once(END).expect("the mark where it ends");
    if std::env::var_os("IRISNODE_WRITE").is_some() {
        let versions = versions();
        let written = format!("{before}{BEGIN}{found}{VERSIONS}{versions}{END}{after}");
        std::fs::write(&path, written).unwrap();
    } else {
        assert_eq!(
            found, kept,
            "what readers make of our objects has changed; where it should, run `make conformance`"
        );
    }
}

/// One line that names the version of every reader.
fn versions() -> String {
    let of_debian = |package: &str| {
        let asked = tool("dpkg-query")
            .args(["-W", "-f", "${Version}", package])
            .output();
        String::from_utf8(asked.unwrap().stdout).unwrap()
    };
    let pinned = std::fs::read_to_string(root().join("setup/requirements.txt")).unwrap();
    let of_python = |package: &str| {
        let lines = pinned
            .lines()
            .find_map(|line| line.split_once("==").filter(|(name, _)| *name == package));
        lines.map(|(_, version)| version.to_owned()).unwrap()
    };
    let node = std::fs::read(root().join("setup/node/package.json")).unwrap();
    let node: Value = serde_json::from_slice(&node).unwrap();
    let of_node = |package: &str| node["dependencies"][package].as_str().unwrap().to_owned();
    format!(
        "\nVersions: dicom3tools {}, DCMTK {}, pydicom {}, highdicom {}, dcmqi {}, dcmjs {}, @cornerstonejs/adapters {}, irisnode {}.\n",
        of_python("dicom3tools"),
        of_debian("dcmtk"),
        of_python("pydicom"),
        of_python("highdicom"),
        of_python("dcmqi"),
        of_node("dcmjs"),
        of_node("@cornerstonejs/adapters"),
        env!("CARGO_PKG_VERSION"),
    )
}
