//! What becomes of what is kept: on a full disk, with a damaged index, and when it is old.

use crate::support::{CtSlice, DrawnSeries, NodeSetup, PATIENCE, data_set, free_port, wait_until};
use crate::{ANY_CT, printed, receiver, send, send_each, small_slices};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use std::collections::BTreeSet;
use std::path::PathBuf;

const UID: &str = "1.2.826.0.1.3680043.10.543.52";

fn data_sets(files: &[PathBuf]) -> BTreeSet<Vec<u8>> {
    files.iter().map(|file| data_set(file)).collect()
}

#[test]
fn a_full_disk_refuses_what_comes_and_takes_it_when_there_is_room_again() {
    for min_free in ["8 MiB", "0"] {
        let mut node = receiver()
            .node(&format!("min_free = \"{min_free}\""))
            .prepare();
        if !node.start_on_disk_of("32m") {
            println!("left out: needs a file system of its own, and so user namespaces");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let files = small_slices(folder.path(), UID, 40);
        send(&node, &files[..10]);
        let ballast = node.data().join("ballast");
        let filled = std::fs::write(&ballast, vec![1; 40 << 20]);
        assert!(filled.is_err(), "the disk is larger than was asked for");

        for outcome in send_each(&node, "SCANNER", &files[10..], |_| {}) {
            let error = outcome.result.expect_err(min_free);
            assert!(error.is_transient(), "{error}");
            assert!(error.to_string().contains("A700H"), "{error}");
        }

        std::fs::remove_file(&ballast).unwrap();
        let mut rest: Vec<PathBuf> = files[10..].to_vec();
        let taken = wait_until(PATIENCE, || {
            let outcomes = send_each(&node, "SCANNER", &rest, |_| {});
            rest = outcomes
                .into_iter()
                .filter(|outcome| outcome.result.is_err())
                .map(|outcome| outcome.path)
                .collect();
            rest.is_empty()
        });
        assert!(taken, "{}", node.log());
        assert_eq!(data_sets(&node.kept()), data_sets(&files));
        let whole = wait_until(PATIENCE, || {
            node.newest_job()["instances"] == 40 && node.newest_job()["state"] == "skipped"
        });
        assert!(whole, "{:#?}\n{}", node.jobs(), node.log());
    }
}

#[test]
fn a_damaged_index_is_made_anew_from_the_files_and_damaged_files_are_named() {
    let mut node = receiver().start();
    let folder = tempfile::tempdir().unwrap();
    let files = small_slices(folder.path(), UID, 5);
    send(&node, &files);
    node.ended_jobs(1);
    node.stop();
    let index = node.data().join("index.sqlite");
    // What a write-ahead log still held would hide the damage.
    assert!(!node.data().join("index.sqlite-wal").exists());
    let mut bytes = std::fs::read(&index).unwrap();
    let upto = bytes.len().min(20_000);
    bytes[..upto].fill(7);
    std::fs::write(&index, bytes).unwrap();

    let refused = node.command("serve").output().unwrap();
    assert!(!refused.status.success());
    let text = printed(&refused);
    assert!(text.contains("irisnode fsck"), "{text}");
    let repaired = node.command("fsck").output().unwrap();
    let text = printed(&repaired);
    assert!(repaired.status.success(), "{text}");
    assert!(text.contains("5 instances are whole"), "{text}");
    assert!(
        text.contains("The index was damaged and is made anew"),
        "{text}"
    );
    node.start();
    let job = &node.ended_jobs(1)[0];
    assert_eq!(
        (&job["state"], &job["instances"]),
        (&"skipped".into(), &5.into())
    );
    assert_eq!(data_sets(&node.kept()), data_sets(&files));

    node.stop();
    let mut kept = node.kept();
    let (gone, flipped) = (kept.remove(0), kept.remove(0));
    std::fs::remove_file(&gone).unwrap();
    let mut bytes = std::fs::read(&flipped).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&flipped, bytes).unwrap();
    let found = node.command("fsck").output().unwrap();
    assert!(!found.status.success());
    let text = printed(&found);
    assert!(text.contains("3 instances are whole"), "{text}");
    assert!(
        text.contains(&format!("missing: {}", gone.display())),
        "{text}"
    );
    assert!(
        text.contains(&format!("damaged: {}", flipped.display())),
        "{text}"
    );
}

#[test]
fn old_series_leave_and_those_without_an_answer_stay() {
    let mut node = NodeSetup::default()
        .peer("scanner", "SCANNER", free_port())
        .rule("any CT", ANY_CT)
        .node("keep_for = \"1s\"")
        .start();
    let folder = tempfile::tempdir().unwrap();
    // One slice is no volume: its job fails, and waits for a person.
    let mut unanswered = DrawnSeries::new(UID, 8..16);
    unanswered.slices.truncate(1);
    let unanswered = unanswered.write(&folder.path().join("failed"));
    send(&node, &unanswered);
    node.ended_jobs(1);
    let answered = CtSlice::new(&format!("{UID}.7")).write(folder.path());
    let text = std::fs::read(&answered).unwrap();
    let at = text
        .windows(6)
        .position(|bytes| bytes == b"CS\x02\0CT")
        .unwrap();
    let mut other = text.clone();
    other[at + 4..at + 6].copy_from_slice(b"OT");
    std::fs::write(&answered, other).unwrap();
    send(&node, &[answered]);
    node.ended_jobs(2);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    node.stop();
    node.start();

    let left = wait_until(PATIENCE, || node.jobs().len() == 1);
    assert!(left, "{:#?}", node.jobs());
    assert_eq!(node.newest_job()["state"], "failed");
    let gone = wait_until(PATIENCE, || node.kept().len() == 1);
    assert!(gone, "{:?}", node.kept());
    assert_eq!(data_sets(&node.kept()), data_sets(&unanswered));
}

#[test]
fn beyond_the_quota_the_oldest_leave_and_those_without_an_answer_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = NodeSetup::default()
        .peer("scanner", "SCANNER", free_port())
        .rule("of a phantom", "when = { PatientID = \"FAILS\" }")
        .start();
    // One slice is no volume: its job fails, and waits for a person.
    let mut unanswered = DrawnSeries::new(UID, 8..16);
    unanswered.set_all(tags::PATIENT_ID, VR::LO, "FAILS");
    unanswered.slices.truncate(1);
    let unanswered = unanswered.write(&folder.path().join("failed"));
    send(&node, &unanswered);
    node.ended_jobs(1);
    // Three that no rule matches, one after the other.
    let mut answered = Vec::new();
    for number in 1..=3 {
        let uid = format!("{UID}.70.{number}");
        let own = folder.path().join(number.to_string());
        std::fs::create_dir(&own).unwrap();
        answered.push(CtSlice::new(&uid).write(&own));
        send(&node, &answered[number - 1..]);
        node.ended_jobs(number + 1);
    }
    let size = |files: &[PathBuf]| -> u64 {
        files
            .iter()
            .map(|file| file.metadata().unwrap().len())
            .sum()
    };
    let kept = node.kept();
    let one = kept
        .iter()
        .map(|file| file.metadata().unwrap().len())
        .min()
        .unwrap();
    // Room for all but one and a half of the three.
    let room = size(&kept) - one - one / 2;
    let text = node.configuration();
    node.configure(&text.replace("[node]\n", &format!("[node]\nmax_archive = \"{room} B\"\n")));
    node.stop();
    node.start();

    let left = wait_until(PATIENCE, || node.kept().len() == 2);
    assert!(left, "{:?}", node.kept());
    let stay: Vec<PathBuf> = unanswered.iter().chain(&answered[2..]).cloned().collect();
    assert_eq!(data_sets(&node.kept()), data_sets(&stay));
}
