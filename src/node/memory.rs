//! How much memory a series takes, and how much there is: for the record of one that may not fit.
//!
//! Nothing is refused for it. The estimate is rough and what is free changes, so that a try which fails costs less than
//! a series refused wrongly.

use crate::config::size_in_words;
use crate::iris::IrisConfig;
use crate::segment::SegmentOptions;
use crate::volume::Geometry;
use std::fmt;
use std::fs::read_to_string;
use std::path::Path;

/// Bytes of the network's pass for each voxel of its window and channel of the first stage (benches/README.md, "Memory of
/// segmenting").
const OF_WINDOW: f64 = 30.0;
/// Bytes for each voxel of the network's grid: the image, and the sum, weights and result of one class.
const OF_GRID: f64 = 16.0;
/// Bytes for each voxel of the source grid: the runs of the labels.
const OF_SOURCE: f64 = 0.1;

/// What a series takes beside its own voxels, and what there is for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fit {
    /// It takes so much or more, bytes.
    takes: u64,
    /// Free, bytes; `None` where the system does not say.
    free: Option<u64>,
}

impl Fit {
    /// Of a series that has been read, segmented by such a network.
    pub(super) fn of(volume: &Geometry, network: &IrisConfig) -> Self {
        let of_window = OF_WINDOW * network.channels.first().map_or(0.0, |&n| n as f64);
        let source = volume.len() as f64;
        let network = source * volume.voxel_mm3() / network.spacing_mm.iter().product::<f64>();
        let window = network.min(SegmentOptions::default().window.max_voxels as f64);
        Self {
            takes: (source * OF_SOURCE + network * OF_GRID + window * of_window) as u64,
            free: free(),
        }
    }

    /// It will hardly go well.
    pub(super) fn is_short(self) -> bool {
        self.free.is_some_and(|free| free < self.takes)
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // To the MiB: the rest is no more than noise.
        let mib = |bytes: u64| size_in_words(bytes >> 20 << 20);
        write!(f, "segmenting it takes {} or more", mib(self.takes))?;
        match self.free {
            Some(free) => write!(f, ", and {} were free", mib(free)),
            None => Ok(()),
        }
    }
}

/// Whether an error says that memory could not be had: libtorch's on the CPU and on a GPU, C++'s, and ours.
pub(super) fn is_want_of_memory(error: &str) -> bool {
    [
        "can't allocate memory",
        "not enough memory",
        "out of memory",
        "bad_alloc",
        "no memory could be had",
    ]
    .iter()
    .any(|words| error.contains(words))
}

/// Whether an error may say so: oneDNN has these words for all that goes wrong where its code is made, and memory is what
/// is wanting there as a rule.
pub(super) fn may_be_want_of_memory(error: &str) -> bool {
    error.contains("could not create a primitive")
}

/// The least that the system, the control group (version 2) and the process's own limits leave, bytes.
fn free() -> Option<u64> {
    let read = |path: &str| read_to_string(path).unwrap_or_default();
    let status = read("/proc/self/status");
    let limits = read("/proc/self/limits");
    let left = |limit: &str, used: &str| {
        let most = limit_of(&limits, limit)?;
        Some(most.saturating_sub(kilobytes(&status, used)?))
    };
    let all = [
        kilobytes(&read("/proc/meminfo"), "MemAvailable:"),
        left("Max data size", "VmData:"),
        left("Max address space", "VmSize:"),
        of_control_groups(&read("/proc/self/cgroup")),
    ];
    all.into_iter().flatten().min()
}

/// `Name:   123 kB` of /proc/meminfo and /proc/self/status, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let value = line.trim().strip_suffix("kB")?.trim();
    value.parse::<u64>().ok()?.checked_mul(1024)
}

/// The soft limit of /proc/self/limits, bytes; `None` where there is none.
fn limit_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What the process's control group and those above it leave.
fn of_control_groups(text: &str) -> Option<u64> {
    let own = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let root = Path::new("/sys/fs/cgroup");
    let groups = Path::new(own).ancestors().map(|group| root.join(group));
    groups
        .filter_map(|group| {
            let number = |file: &str| -> Option<u64> {
                read_to_string(group.join(file)).ok()?.trim().parse().ok()
            };
            let used = number("memory.current")?;
            let statistics = read_to_string(group.join("memory.stat")).unwrap_or_default();
            // Of files that were read: given up where memory is wanted.
            let cached = statistics
                .lines()
                .find_map(|line| line.strip_prefix("inactive_file "))
                .and_then(|bytes| bytes.parse().ok())
                .unwrap_or(0);
            Some(number("memory.max")?.saturating_sub(used.saturating_sub(cached)))
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read() {
        let meminfo = "MemTotal:       24627324 kB\nMemAvailable:   13312000 kB\n";
        assert_eq!(kilobytes(meminfo, "MemAvailable:"), Some(13_312_000 * 1024));
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max data size             314572800            unlimited            bytes     \n\
                      Max address space         unlimited            unlimited            bytes     \n";
        assert_eq!(limit_of(limits, "Max data size"), Some(314_572_800));
        assert_eq!(limit_of(limits, "Max address space"), None);
        assert!(free().is_some_and(|free| free > 0));
    }

    #[test]
    fn a_larger_volume_takes_more_and_is_short_of_what_is_less() {
        let of = |size| {
            let volume = Geometry::axial([size; 3], [1.0; 3], [0.0; 3]);
            Fit::of(&volume, &IrisConfig::small())
        };
        let (small, large) = (of(100), of(500));
        assert!(small.takes < large.takes);
        // One window's pass is the largest part of it until the volume itself is large.
        assert!(large.takes < 3 << 30, "{large}");
        let short = Fit {
            free: Some(small.takes - 1),
            ..small
        };
        assert!(
            short.is_short()
                && !Fit {
                    free: None,
                    ..small
                }
                .is_short()
        );
        assert!(short.to_string().contains("or more, and"), "{short}");
    }

    #[test]
    fn want_of_memory_is_told_from_other_ends() {
        for error in [
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 11796480 bytes.",
            "CUDA out of memory. Tried to allocate 2.00 GiB",
            "std::bad_alloc",
        ] {
            assert!(is_want_of_memory(error), "{error}");
        }
        assert!(!is_want_of_memory("the size of tensor a (3) must match"));
    }
}
