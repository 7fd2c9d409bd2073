//! Which series are arriving, by a clock that nobody can set, and over which associations.
//!
//! Lives in memory: after a restart no association is open any more, and a series that was arriving counts as quiet
//! from the start of the process on.

use super::NewInstance;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Series Instance UID, calling and called AE title.
pub(super) type SeriesKey = (String, String, String);

/// When a series that has been quiet for a while counts as complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completeness {
    /// Quiet for this long.
    pub quiet: Duration,
    /// Quiet for this long, when every association that brought it was released in good order.
    pub after_release: Duration,
    /// Quiet for this long although an association that brings it is open; at least `quiet`.
    pub while_open: Duration,
}

#[derive(Debug)]
struct Arrival {
    last: Instant,
    open: HashSet<u64>,
    /// An association that brought part of it ended without a release: there may be more of it.
    is_cut_off: bool,
}

#[derive(Debug, Default)]
struct Series {
    next_association: u64,
    arriving: HashMap<SeriesKey, Arrival>,
}

/// What is arriving.
#[derive(Debug, Clone)]
pub(super) struct Arrivals {
    started: Instant,
    series: Arc<Mutex<Series>>,
    ended: Arc<Notify>,
}

impl Arrivals {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            series: Arc::default(),
            ended: Arc::default(),
        }
    }

    /// Waits until an association that brought something has ended.
    pub(super) async fn ended(&self) {
        self.ended.notified().await;
    }

    pub(super) fn association(&self) -> Bringing {
        let mut series = self.lock();
        series.next_association += 1;
        Bringing {
            id: series.next_association,
            is_released: false,
            brought: HashSet::new(),
            arrivals: self.clone(),
        }
    }

    /// How long after `now` each of these series is complete, if nothing more of it comes; zero for one that is.
    pub(super) fn until_complete<'k>(
        &self,
        keys: impl Iterator<Item = &'k SeriesKey>,
        when: &Completeness,
        now: Instant,
    ) -> Vec<Duration> {
        let series = self.lock();
        keys.map(|key| {
            let (last, wait) = match series.arriving.get(key) {
                None => (self.started, when.quiet),
                Some(arrival) if !arrival.open.is_empty() => {
                    (arrival.last, when.while_open.max(when.quiet))
                }
                Some(arrival) if arrival.is_cut_off => (arrival.last, when.quiet),
                Some(arrival) => (arrival.last, when.after_release.min(when.quiet)),
            };
            wait.saturating_sub(now.saturating_duration_since(last))
        })
        .collect()
    }

    /// How long nothing of a series has come, and whether an association that brings it is open.
    pub(super) fn quiet(&self, key: &SeriesKey) -> (Duration, bool) {
        let series = self.lock();
        match series.arriving.get(key) {
            Some(arrival) => (arrival.last.elapsed(), !arrival.open.is_empty()),
            None => (self.started.elapsed(), false),
        }
    }

    /// Forgets series that are complete and that no open association could bring more of.
    pub(super) fn forget<'k>(&self, keys: impl Iterator<Item = &'k SeriesKey>) {
        let mut series = self.lock();
        for key in keys {
            if series
                .arriving
                .get(key)
                .is_some_and(|arrival| arrival.open.is_empty())
            {
                series.arriving.remove(key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Series> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open association, and the series it brings. Dropped without [`Bringing::released`] it was cut off.
#[derive(Debug)]
pub struct Bringing {
    id: u64,
    is_released: bool,
    brought: HashSet<SeriesKey>,
    arrivals: Arrivals,
}

impl Bringing {
    /// An instance came whole.
    pub fn brought(&mut self, instance: &NewInstance) {
        let key = (
            instance.series_uid.clone(),
            instance.calling_ae.clone(),
            instance.called_ae.clone(),
        );
        let now = Instant::now();
        let mut series = self.arrivals.lock();
        let arrival = series.arriving.entry(key.clone()).or_insert(Arrival {
            last: now,
            open: HashSet::new(),
            is_cut_off: false,
        });
        arrival.last = now;
        arrival.open.insert(self.id);
        drop(series);
        self.brought.insert(key);
    }

    /// The peer released the association: it has said all it had to say.
    pub fn released(&mut self) {
        self.is_released = true;
    }
}

impl Drop for Bringing {
    fn drop(&mut self) {
        let mut series = self.arrivals.lock();
        for key in &self.brought {
            if let Some(arrival) = series.arriving.get_mut(key) {
                arrival.open.remove(&self.id);
                arrival.is_cut_off |= !self.is_released;
            }
        }
        drop(series);
        if !self.brought.is_empty() {
            // Whoever looks just now looks once more.
            self.arrivals.ended.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Header;
    use crate::archive::spool::Spooled;

    const WHEN: Completeness = Completeness {
        quiet: Duration::from_secs(10),
        after_release: Duration::from_secs(2),
        while_open: Duration::from_secs(60),
    };

    fn instance(series: &str) -> NewInstance {
        NewInstance {
            sop_class_uid: String::new(),
            sop_instance_uid: String::new(),
            transfer_syntax: String::new(),
            study_uid: String::new(),
            series_uid: series.into(),
            modality: String::new(),
            calling_ae: "A".into(),
            called_ae: "B".into(),
            header: Header::new(),
            bytes: Spooled {
                path: std::path::PathBuf::new(),
                received_at: 0,
                length: 0,
            },
        }
    }

    /// Whether the series is complete so many seconds from now.
    fn is_complete(arrivals: &Arrivals, series: &str, seconds: u64) -> bool {
        let key = (series.to_owned(), "A".to_owned(), "B".to_owned());
        let now = Instant::now() + Duration::from_secs(seconds);
        let until = arrivals.until_complete(std::iter::once(&key), &WHEN, now);
        until[0].is_zero()
    }

    #[test]
    fn a_series_waits_for_the_associations_that_bring_it_and_less_long_after_they_were_released() {
        let arrivals = Arrivals::new();
        let (mut one, mut two) = (arrivals.association(), arrivals.association());
        one.brought(&instance("s"));
        two.brought(&instance("s"));
        one.released();
        drop(one);
        assert!(!is_complete(&arrivals, "s", 59), "one is still open");
        assert!(is_complete(&arrivals, "s", 61), "but says nothing of it");
        two.released();
        drop(two);
        assert!(!is_complete(&arrivals, "s", 1));
        assert!(is_complete(&arrivals, "s", 3));
    }

    #[test]
    fn a_series_that_was_cut_off_waits_for_its_sender_to_come_back() {
        let arrivals = Arrivals::new();
        let mut bringing = arrivals.association();
        bringing.brought(&instance("s"));
        drop(bringing);
        assert!(!is_complete(&arrivals, "s", 9));
        assert!(is_complete(&arrivals, "s", 11));
    }

    #[test]
    fn a_series_from_before_a_restart_is_quiet_from_the_start_on() {
        let arrivals = Arrivals::new();
        assert!(!is_complete(&arrivals, "s", 9));
        assert!(is_complete(&arrivals, "s", 11));
    }
}
