//! A power cut: whatever was not synced is gone, and every acknowledged instance is there all the same.
//!
//! strace writes down what the node asks of the disk; `power_loss.py` makes of it the data folder that a power cut
//! right after an acknowledgement would leave; the archive is opened on it as at the next start.

use crate::support::{PATIENCE, data_set, python, root, wait_until};
use crate::{receiver, send, small_slices};
use irisnode::archive::Archive;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const UID: &str = "1.2.826.0.1.3680043.10.543.51";
/// Power cuts, over the whole of what is received.
const CUTS: usize = 12;

#[test]
fn after_a_power_cut_every_acknowledged_instance_is_there_bit_for_bit_and_has_its_row() {
    let folder = tempfile::tempdir().unwrap();
    let (trace, cuts) = (folder.path().join("trace"), folder.path().join("cuts"));
    let mut node = receiver().prepare();
    node.start_traced(&trace);
    let series: Vec<Vec<PathBuf>> = (0..3)
        .map(|n| {
            small_slices(
                &folder.path().join(n.to_string()),
                &format!("{UID}.{n}"),
                40,
            )
        })
        .collect();
    std::thread::scope(|scope| {
        for files in &series {
            scope.spawn(|| send(&node, files));
        }
    });
    let process = node.process().id().to_string();
    node.stop();
    let written = wait_until(PATIENCE, || {
        let trace = std::fs::read_to_string(&trace).unwrap();
        let mut ends = trace
            .lines()
            .filter(|line| line.ends_with("+++ exited with 0 +++"));
        ends.any(|line| line.split(' ').next() == Some(&process))
    });
    assert!(written, "strace did not see the node end");
    std::fs::create_dir(&cuts).unwrap();
    let simulated = std::process::Command::new(python())
        .arg(root().join("tests/node/power_loss.py"))
        .arg(&trace)
        .arg(node.data())
        .arg(&cuts)
        .arg(CUTS.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&simulated.stdout);
    assert_eq!(said.trim(), "120", "{simulated:?}");

    let sent: BTreeMap<String, Vec<u8>> = series
        .iter()
        .enumerate()
        .flat_map(|(n, files)| {
            let uid = move |at| format!("{UID}.{n}.{}", at + 1);
            files
                .iter()
                .enumerate()
                .map(move |(at, file)| (uid(at), data_set(file)))
        })
        .collect();
    let mut examined = 0;
    for acknowledged in acknowledgements(&cuts) {
        let uids = std::fs::read_to_string(&acknowledged).unwrap();
        let uids: Vec<&str> = uids.lines().collect();
        for left in ["dropped", "named"] {
            let data = acknowledged.with_file_name(format!("{}-{left}", uids.len()));
            let (held, rows) = after_restart(&data);
            for uid in &uids {
                assert!(
                    held.contains(&sent[*uid]),
                    "{}: {uid} is lost",
                    data.display()
                );
            }
            assert!(rows >= uids.len() as i64, "{}: {rows} rows", data.display());
            let sent: BTreeSet<&Vec<u8>> = sent.values().collect();
            let strange = held.iter().filter(|held| !sent.contains(held)).count();
            assert_eq!(strange, 0, "{}: files that nobody sent", data.display());
            examined += 1;
        }
    }
    assert_eq!(examined, 2 * CUTS);
}

fn acknowledgements(cuts: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(cuts).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    files.filter(|file| file.is_file()).collect()
}

/// Data sets of the instances that the archive has after it was opened, and the number of their rows.
fn after_restart(data: &Path) -> (BTreeSet<Vec<u8>>, i64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let rows = runtime.block_on(async {
        let archive = Archive::open(data).await.unwrap();
        archive.instance_count().await.unwrap()
    });
    let files = walkdir::WalkDir::new(data.join("instances")).into_iter();
    let files = files
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file());
    (files.map(|entry| data_set(entry.path())).collect(), rows)
}
