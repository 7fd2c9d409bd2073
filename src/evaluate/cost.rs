//! What an answer costs: time, and the memory of the process.

use std::time::Instant;

/// Time and memory of one answer.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Cost {
    /// Wall time, s.
    pub seconds: f64,
    /// The most memory that the process had resident meanwhile (weights and images included), MiB; none where the
    /// system does not say (it is Linux that does).
    pub peak_mib: Option<f64>,
}

/// Runs something and measures it.
pub(super) fn measured<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let counts_anew = forget_peak();
    let start = Instant::now();
    let done = work();
    let seconds = start.elapsed().as_secs_f64();
    let peak_mib = counts_anew.then(peak_mib).flatten();
    (done, Cost { seconds, peak_mib })
}

/// Lets the kernel count the peak from now on (proc(5), `clear_refs`); false where it cannot.
fn forget_peak() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// `VmHWM` of proc(5).
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory is the process's: this one must have it to itself.
    #[test]
    #[cfg(target_os = "linux")]
    fn memory_that_was_in_use_meanwhile_counts_and_earlier_memory_does_not() {
        let alone = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "evaluate::cost::tests::alone"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&alone.stdout);
        assert!(
            alone.status.success() && said.contains("1 passed"),
            "{said}"
        );
    }

    #[test]
    #[ignore = "run by the test above, in a process of its own"]
    fn alone() {
        let bytes = |mib: usize| std::hint::black_box(vec![1u8; mib << 20]).len();
        let (_, first) = measured(|| bytes(400));
        let (_, second) = measured(|| bytes(100));
        let (Some(first), Some(second)) = (first.peak_mib, second.peak_mib) else {
            return;
        };
        assert!(
            first > 400.0 && first - second > 200.0,
            "{first}, {second} MiB"
        );
    }
}
