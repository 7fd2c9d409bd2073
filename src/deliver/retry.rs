//! How patiently a peer is asked again.

use super::error::DeliverError;
use super::store::{FileOutcome, store};
use crate::config::{Delivery, Peer};
use backon::{BackoffBuilder, ExponentialBuilder};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pauses between attempts: each about twice the one before, with jitter so that many results waiting for one peer do not all return at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The first pause.
    pub first: Duration,
    /// Pauses stop growing here.
    pub longest: Duration,
    /// The pauses together do not exceed this.
    pub total: Duration,
}

impl From<&Delivery> for RetryPolicy {
    fn from(delivery: &Delivery) -> Self {
        Self {
            first: delivery.first_retry,
            longest: delivery.longest_pause,
            total: delivery.give_up_after,
        }
    }
}

impl RetryPolicy {
    /// The pauses, in order; it is time to give up when they end.
    pub fn pauses(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        ExponentialBuilder::new()
            .with_jitter()
            .with_factor(2.0)
            .with_min_delay(self.first)
            .with_max_delay(self.longest)
            .without_max_times()
            .with_total_delay(Some(self.total))
            .build()
    }

    /// The pause after the given number of failed attempts (1 after the first), without jitter: for a queue that keeps the count across restarts.
    pub fn pause_after(&self, failures: u32) -> Duration {
        let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
        self.first.saturating_mul(doubled).min(self.longest)
    }

    /// [`RetryPolicy::pause_after`] one more failure than `earlier`; `None` when the pauses before it have used up the patience.
    pub fn next_pause(&self, earlier: i64) -> Option<Duration> {
        let failures = u32::try_from(earlier).unwrap_or(u32::MAX).saturating_add(1);
        let waited: Duration = (1..failures).map(|n| self.pause_after(n)).sum();
        (waited < self.total).then(|| self.pause_after(failures))
    }
}

/// Sends files as [`store`] does, and again those that failed for a passing reason, until all are acknowledged or refused for good, or the policy of `delivery` ends.
///
/// `progress` hears of every outcome of every attempt, `retrying` of an error, how many files wait for it, and the pause that follows.
pub async fn store_patiently<P: AsRef<Path>>(
    peer: &Peer,
    calling_ae: &str,
    files: &[P],
    delivery: &Delivery,
    mut progress: impl FnMut(&FileOutcome),
    mut retrying: impl FnMut(&DeliverError, usize, Duration),
) -> Vec<FileOutcome> {
    let mut pauses = RetryPolicy::from(delivery).pauses();
    let mut waiting: Vec<PathBuf> = files.iter().map(|file| file.as_ref().to_owned()).collect();
    let mut known: HashMap<PathBuf, FileOutcome> = HashMap::new();
    loop {
        let outcomes = store(peer, calling_ae, &waiting, delivery, &mut progress).await;
        waiting.clear();
        let mut reason = None;
        for outcome in outcomes {
            if let Err(error) = &outcome.result
                && error.is_transient()
            {
                waiting.push(outcome.path.clone());
                reason.get_or_insert_with(|| error.clone());
            }
            known.insert(outcome.path.clone(), outcome);
        }
        let (Some(reason), Some(pause)) = (reason, pauses.next()) else {
            break;
        };
        retrying(&reason, waiting.len(), pause);
        tokio::time::sleep(pause).await;
    }
    files
        .iter()
        .filter_map(|file| known.get(file.as_ref()).cloned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(8),
        total: Duration::from_secs(60),
    };

    #[test]
    fn pauses_grow_to_a_limit_and_end() {
        let pauses: Vec<Duration> = POLICY.pauses().collect();
        assert!(pauses.len() >= 5, "{pauses:?}");
        // Jitter adds at most the pause itself.
        assert!(
            pauses.iter().all(|pause| *pause <= 2 * POLICY.longest),
            "{pauses:?}"
        );
        assert!(
            pauses.iter().sum::<Duration>() <= POLICY.total,
            "{pauses:?}"
        );
        assert!(pauses[0] < pauses[4], "{pauses:?}");
    }

    #[test]
    fn a_counted_pause_doubles_up_to_the_limit() {
        let seconds = |failures| POLICY.pause_after(failures).as_secs();
        assert_eq!(
            [1, 2, 3, 4, 5, 40, u32::MAX].map(seconds),
            [1, 2, 4, 8, 8, 8, 8]
        );
    }
}
