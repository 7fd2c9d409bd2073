//! A series that does not fit into memory is set aside with a reason, and nothing else suffers for it: within a limit of
//! the process's own, where allocations fail, and under a killer, as the kernel and control groups have one.

use crate::support::{DrawnSeries, Node, NodeSetup, PATIENCE, Running, data_set, free_port};
use crate::{ANY_CT, WITH_ORGANS, received, send, storescp};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const UID: &str = "1.2.826.0.1.3680043.10.543.59";
/// The large series is the drawn body with so many times the columns, rows and slices.
const FINER: usize = 5;
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

impl Arranged {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arrived = folder.path().join("pacs");
        std::fs::create_dir(&arrived).unwrap();
        let port = free_port();
        let node = NodeSetup::default()
            .peer("scanner", "SCANNER", free_port())
            .peer("pacs", "PACS", port)
            .rule("any CT", &format!("{ANY_CT}\ndestinations = [\"pacs\"]"))
            .start();
        let large = DrawnSeries::new(UID, 0..24).finer(FINER);
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

/// What becomes of the two within so many MiB more than an idle node has: the reason of the large one, and the log.
fn within(more: u64) -> (String, String) {
    let mut arranged = Arranged::new();
    let limit = (arranged.node.memory("VmData:").unwrap() + more) << 20;
    arranged.node.stop();
    arranged.node.start_within(limit);
    arranged.send();
    arranged.supervise(|node| node.start_within(limit), |_| {});
    (arranged.reason(), arranged.node.log())
}

#[test]
fn a_series_whose_voxels_do_not_fit_is_set_aside_and_the_next_one_is_done() {
    let (reason, _) = within(VOLUME - 40);
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
    // more than a hundred.
    let (reason, log) = within(VOLUME + 95);
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
    let mut arranged = Arranged::new();
    arranged.send();
    let most = arranged.node.memory("VmRSS:").unwrap() + 100;
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
