//! A series that does not fit into memory is set aside with a reason, and nothing else suffers for it: within a limit of
//! the process's own, where allocations fail, and under a killer, as the kernel and control groups have one.

use crate::support::{DrawnSeries, Node, NodeSetup, PATIENCE, Running, data_set, free_port};
use crate::{ANY_CT, WITH_ORGANS, received, send, storescp};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const UID: &str = "1.2.826.0.1.3680043.10.543.59";
/// The large series is the drawn body with so many times the columns, rows and slices.
const FINER: usize = 7;
/// Its voxels, MiB.
const VOLUME: u64 = (112 * 128 * 24 * FINER.pow(3) * 4) as u64 >> 20;

/// A node with what it holds before anything comes, its PACS, and the files of a large series and a small one.
struct Arranged {
    node: Node,
    _pacs: Running,
    folder: tempfile::TempDir,
    large: Vec<PathBuf>,
    small: Vec<PathBuf>,
}

/// The body, a quarter larger, so that the network takes much more memory for it than for the small series; its slices
/// each shifted to posterior by so much of what they are apart.
fn large(lean: f64) -> DrawnSeries {
    let mut series = DrawnSeries::new(UID, 0..24).finer(FINER);
    let finer = |mm: f64| 1.25 * mm / FINER as f64;
    let spacing = format!("{0:.6}\\{0:.6}", finer(3.0));
    series.set_all(tags::PIXEL_SPACING, VR::DS, &spacing);
    for slice in 0..24 * FINER {
        let along = finer(4.0) * slice as f64;
        let position = format!("-238\\{:.4}\\{along:.4}", lean * along - 208.0);
        series.set(slice, tags::IMAGE_POSITION_PATIENT, VR::DS, &position);
    }
    series
}

impl Arranged {
    fn of(large: DrawnSeries) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arrived = folder.path().join("pacs");
        std::fs::create_dir(&arrived).unwrap();
        let port = free_port();
        let node = NodeSetup::default()
            .peer("scanner", "SCANNER", free_port())
            .peer("pacs", "PACS", port)
            .rule("any CT", &format!("{ANY_CT}\ndestinations = [\"pacs\"]"))
            .start();
        let small = DrawnSeries::new(&format!("{UID}.9"), WITH_ORGANS);
        Self {
            node,
            _pacs: storescp(&arrived, port),
            large: large.write(&folder.path().join("large")),
            small: small.write(&folder.path().join("small")),
            folder,
        }
    }

    /// Sends both, the large one first, as soon as the node listens.
    fn send(&self) {
        let listens = || TcpStream::connect(("127.0.0.1", self.node.port)).is_ok();
        assert!(
            crate::support::wait_until(PATIENCE, listens),
            "{}",
            self.node.log()
        );
        send(&self.node, &self.large);
        send(&self.node, &self.small);
    }

    /// Starts the node again whenever it has ended, as systemd does, until both jobs have; `meanwhile` looks on.
    fn supervise(&mut self, start: impl Fn(&mut Node), mut meanwhile: impl FnMut(&mut Node)) {
        let started = Instant::now();
        let mut looked = Instant::now();
        while started.elapsed() < 2 * PATIENCE {
            if !self.node.process().is_alive() {
                start(&mut self.node);
            }
            meanwhile(&mut self.node);
            if looked.elapsed() > Duration::from_millis(500) {
                looked = Instant::now();
                let jobs = self.node.jobs();
                let ended = |job: &Value| job["state"] == "failed" || job["state"] == "delivered";
                if jobs.len() == 2 && jobs.iter().all(ended) {
                    return;
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("{:#?}\n{}", self.node.jobs(), self.node.log());
    }

    /// The large series is set aside, the small one delivered, and all is kept; gives the reason.
    fn reason(&self) -> String {
        let jobs = self.node.jobs();
        let [small, large] = jobs.as_slice() else {
            panic!("{jobs:#?}");
        };
        assert_eq!(large["state"], "failed", "{large:#}\n{}", self.node.log());
        assert_eq!(
            small["state"],
            "delivered",
            "{small:#}\n{}",
            self.node.log()
        );
        assert_eq!(received(&self.folder.path().join("pacs")).len(), 1);
        let data_sets = |files: &[PathBuf]| -> BTreeSet<Vec<u8>> {
            files.iter().map(|file| data_set(file)).collect()
        };
        let sent = [self.large.as_slice(), self.small.as_slice()].concat();
        assert!(
            data_sets(&self.node.kept()) == data_sets(&sent),
            "not all is kept"
        );
        let reason = large["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("irisnode jobs retry"), "{reason}");
        // For administrators: no call stack, no place on this machine.
        assert!(
            !reason.contains("frame #") && !reason.contains(".so"),
            "{reason}"
        );
        reason
    }
}

/// What becomes of the two within so many MiB more than an idle node has.
fn within(more: u64, mut arranged: Arranged) -> Arranged {
    let limit = (arranged.node.memory("VmData:").unwrap() + more) << 20;
    arranged.node.stop();
    arranged.node.start_within(limit);
    arranged.send();
    arranged.supervise(|node| node.start_within(limit), |_| {});
    arranged
}

#[test]
fn a_series_whose_voxels_would_not_fit_is_segmented_all_the_same() {
    // Read straight onto the network's grid, it is never in memory as a whole.
    let arranged = within(VOLUME - 40, Arranged::of(large(0.0)));
    let jobs = arranged.node.jobs();
    assert!(
        jobs.iter().all(|job| job["state"] == "delivered"),
        "{jobs:#?}\n{}",
        arranged.node.log()
    );
    assert_eq!(received(&arranged.folder.path().join("pacs")).len(), 2);
}

#[test]
fn a_series_that_leans_and_does_not_fit_as_a_whole_is_set_aside_and_the_next_one_is_done() {
    let arranged = within(VOLUME - 40, Arranged::of(large(0.1)));
    let reason = arranged.reason();
    assert!(
        reason.contains("not enough memory for this series: no memory could be had")
            && reason.contains(&format!("{VOLUME} MiB of voxels")),
        "{reason}"
    );
    assert!(reason.contains("tried 3 times"), "{reason}");
}

#[test]
fn a_series_that_leaves_the_network_too_little_is_set_aside_with_what_it_takes() {
    // What threads and their stacks take besides moves by some tens of MiB; segmenting takes
    // more than two hundred, and of the small one less than fifty.
    let arranged = within(150, Arranged::of(large(0.0)));
    let (reason, log) = (arranged.reason(), arranged.node.log());
    // libtorch says so, or the node ends for it; a later try may not even get as far.
    assert!(
        reason.contains("not enough memory for this series")
            || reason.contains("the node ended 3 times"),
        "{reason}"
    );
    assert!(
        log.contains("there may not be enough memory") && log.contains("segmenting it takes"),
        "{log}"
    );
}

#[test]
fn a_series_for_which_the_node_is_killed_again_and_again_is_set_aside_and_says_so() {
    let mut arranged = Arranged::of(large(0.0));
    arranged.send();
    let most = arranged.node.memory("VmRSS:").unwrap() + 120;
    let kill = |node: &mut Node| {
        if node.memory("VmRSS:").is_some_and(|held| held > most) {
            node.kill();
        }
    };
    arranged.supervise(|node| node.start(), kill);
    let reason = arranged.reason();
    assert!(
        reason.contains("the node ended 3 times") && reason.contains("want of memory"),
        "{reason}"
    );
}
