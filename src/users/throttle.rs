//! Guessing a password gets slower with every wrong guess.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong guesses before the first pause.
const FREE: u32 = 4;
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Names that are remembered at most; beyond them all share one.
const MOST_NAMES: usize = 1000;

/// Wrong guesses by the name they were made for.
#[derive(Debug, Default)]
pub struct Throttle {
    wrong: Mutex<HashMap<String, (u32, Instant)>>,
}

impl Throttle {
    /// How long the next guess for a name must wait; counts it, so that guesses at the same time count too.
    pub fn begin(&self, name: &str, now: Instant) -> Result<(), Duration> {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let known = wrong.contains_key(name) || wrong.len() < MOST_NAMES;
        let name = if known { name } else { "" };
        let (count, last) = wrong.entry(name.to_owned()).or_insert((0, now));
        let pause = pause_after(*count);
        let waited = now.saturating_duration_since(*last);
        if waited < pause {
            return Err(pause - waited);
        }
        *count += 1;
        *last = now;
        Ok(())
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
            assert_eq!(throttle.begin("ada", start), Ok(()));
        }
        let wait = throttle.begin("ada", start).unwrap_err();
        assert_eq!(wait, Duration::from_secs(2));
        assert_eq!(throttle.begin("eve", start), Ok(()), "others may");
        let later = start + wait;
        assert_eq!(throttle.begin("ada", later), Ok(()));
        assert_eq!(
            throttle.begin("ada", later).unwrap_err(),
            Duration::from_secs(4)
        );
        throttle.succeeded("ada");
        assert_eq!(throttle.begin("ada", later), Ok(()));
        assert_eq!(pause_after(60), LONGEST);
    }
}
