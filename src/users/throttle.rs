//! Guessing a password gets slower with every wrong guess.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong guesses before the first pause.
const FREE: u32 = 4;
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// A name that nobody guesses for, for so long, begins anew.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);
/// Names that are remembered at most; beyond them those with the fewest wrong guesses are forgotten.
const MOST_NAMES: usize = 1000;

/// Wrong guesses by the name they were made for.
#[derive(Debug, Default)]
pub struct Throttle {
    wrong: Mutex<HashMap<String, (u32, Instant)>>,
}

impl Throttle {
    /// Whether a name may be guessed for now, or how long that must wait. Whoever guesses asks this and says what came
    /// of it before the next one does: else many could guess at the same time.
    pub fn may_guess(&self, name: &str, now: Instant) -> Result<(), Duration> {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((count, last)) = wrong.get(name) else {
            return Ok(());
        };
        let pause = pause_after(*count);
        let waited = now.saturating_duration_since(*last);
        if waited < pause {
            return Err(pause - waited);
        }
        Ok(())
    }

    /// It was wrong.
    pub fn failed(&self, name: &str, now: Instant) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() >= MOST_NAMES && !wrong.contains_key(name) {
            wrong.retain(|_, (_, last)| now.saturating_duration_since(*last) < FORGOTTEN);
            // Whoever invents names pushes out invented ones, and no name that is guessed at in earnest.
            let fewest = wrong.iter().min_by_key(|(_, guesses)| **guesses);
            if let Some(fewest) = fewest.map(|(name, _)| name.clone())
                && wrong.len() >= MOST_NAMES
            {
                wrong.remove(&fewest);
            }
        }
        let (count, last) = wrong.entry(name.to_owned()).or_insert((0, now));
        *count += 1;
        *last = now;
    }

    /// It was right.
    pub fn succeeded(&self, name: &str) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.remove(name);
    }
}

fn pause_after(wrong: u32) -> Duration {
    match wrong.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(more) => Duration::from_secs(2u64.saturating_pow(more + 1)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_wrong_guesses_and_end_with_a_right_one() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for _ in 0..FREE {
            assert_eq!(throttle.may_guess("ada", start), Ok(()));
            throttle.failed("ada", start);
        }
        let wait = throttle.may_guess("ada", start).unwrap_err();
        assert_eq!(wait, Duration::from_secs(2));
        assert_eq!(throttle.may_guess("eve", start), Ok(()), "others may");
        let later = start + wait;
        assert_eq!(throttle.may_guess("ada", later), Ok(()));
        throttle.failed("ada", later);
        assert_eq!(
            throttle.may_guess("ada", later).unwrap_err(),
            Duration::from_secs(4)
        );
        throttle.succeeded("ada");
        assert_eq!(throttle.may_guess("ada", later), Ok(()));
        assert_eq!(pause_after(60), LONGEST);
    }

    #[test]
    fn invented_names_keep_nobody_out_and_free_no_name_that_is_guessed_at() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for _ in 0..=FREE {
            throttle.failed("ada", start);
        }
        for number in 0..3 * MOST_NAMES {
            throttle.failed(&format!("nobody {number}"), start);
        }
        assert!(throttle.may_guess("ada", start).is_err());
        assert_eq!(throttle.may_guess("eve", start), Ok(()));
        let names = throttle.wrong.lock().unwrap().len();
        assert!(names <= MOST_NAMES, "{names}");
    }
}
