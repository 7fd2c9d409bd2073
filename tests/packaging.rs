//! The package's files, held against the program and against systemd.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot arrange its situation fails"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn debian(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("packaging/debian")
        .join(file)
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What systemd says of a unit; nothing on a system without systemd.
fn systemd_analyze(arguments: &[&str], unit: &Path) -> Option<Output> {
    let said = Command::new("systemd-analyze")
        .args(arguments)
        .arg(unit)
        .output();
    if said.is_err() {
        println!("left out: needs systemd-analyze");
    }
    said.ok()
}

/// The unit, alone or with a drop-in of the examples, running the built program.
fn unit_with(drop_in: Option<&str>) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("irisnode.service");
    let text = std::fs::read_to_string(debian("irisnode.service")).unwrap();
    let text = text.replace("/usr/bin/irisnode", env!("CARGO_BIN_EXE_irisnode"));
    std::fs::write(&unit, text).unwrap();
    if let Some(name) = drop_in {
        let drop_ins = folder.path().join("irisnode.service.d");
        std::fs::create_dir(&drop_ins).unwrap();
        std::fs::copy(debian("examples").join(name), drop_ins.join(name)).unwrap();
    }
    (folder, unit)
}

#[test]
fn systemd_finds_the_service_well_confined() {
    // Tenths of the exposure level; "OK" is below 5.0.
    let Some(said) = systemd_analyze(
        &["security", "--offline=true", "--threshold=15"],
        &debian("irisnode.service"),
    ) else {
        return;
    };
    let text = printed(&said);
    assert!(said.status.success(), "{text}");
    let verdict = text.lines().find(|line| line.contains("exposure level"));
    assert!(verdict.is_some_and(|line| line.contains("OK")), "{text}");
}

#[test]
fn systemd_understands_every_line_of_the_unit_and_of_the_examples() {
    for drop_in in [
        None,
        Some("gpu.conf"),
        Some("port-104.conf"),
        Some("data-dir.conf"),
    ] {
        let (_folder, unit) = unit_with(drop_in);
        let Some(said) = systemd_analyze(&["verify", "--man=no"], &unit) else {
            return;
        };
        let text = printed(&said);
        let of_ours: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("irisnode"))
            .collect();
        assert!(of_ours.is_empty(), "{drop_in:?}: {of_ours:#?}");
    }
}

#[test]
fn the_configuration_of_the_package_is_accepted_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("irisnode.toml");
    let text = std::fs::read_to_string(debian("irisnode.toml")).unwrap();
    assert!(text.contains("data_dir = \"/var/lib/irisnode\""), "{text}");
    std::fs::write(&file, text.replace("/var/lib/irisnode", "data")).unwrap();
    let checked = Command::new(env!("CARGO_BIN_EXE_irisnode"))
        .args(["check", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", printed(&checked));

    // And with the lines that an administrator opens first.
    let opened: String = text
        .replace("/var/lib/irisnode", "data")
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(option) if option.starts_with("[[") || option.contains(" = ") => {
                format!("{option}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(opened.contains("\n[[peer]]\n") && opened.contains("\n[[rule]]\n"));
    std::fs::write(&file, opened).unwrap();
    let checked = Command::new(env!("CARGO_BIN_EXE_irisnode"))
        .args(["check", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    let text = printed(&checked);
    // Of all that, only the task is not there yet.
    assert!(!checked.status.success(), "{text}");
    assert!(text.contains("1 problem"), "{text}");
    assert!(text.contains("no task `abdomen`"), "{text}");
}
