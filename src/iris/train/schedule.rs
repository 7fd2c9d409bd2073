//! The learning rate over a run.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Linear warm-up, then a cosine down to a hundredth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Highest rate.
    pub peak: f64,
    /// Steps of warm-up.
    pub warm_up: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Minutes of the whole run, whatever steps they hold (`steps` at most): for a machine that is lent so long. Such a
    /// run cannot be resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
}

impl Schedule {
    /// The share of the run that is done, 0 to 1, before step `step` (from 0), after it ran for so long.
    pub fn done(&self, step: u64, ran: Duration) -> f64 {
        let of_steps = step as f64 / self.steps.max(1) as f64;
        let of_time = self
            .minutes
            .map_or(0.0, |minutes| ran.as_secs_f64() / (minutes * 60.0));
        of_steps.max(of_time).min(1.0)
    }

    /// The rate of step `step` (from 0), a share `done` of the run being over.
    pub fn rate(&self, step: u64, done: f64) -> f64 {
        let rise = ((step + 1) as f64 / self.warm_up.max(1) as f64).min(1.0);
        let fall = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        self.peak * rise * (0.01 + 0.99 * fall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUNDRED: Schedule = Schedule {
        peak: 1.0,
        warm_up: 10,
        steps: 100,
        minutes: None,
    };

    #[test]
    fn rises_then_falls_and_never_reaches_zero() {
        let rate = |step| HUNDRED.rate(step, HUNDRED.done(step, Duration::from_secs(3600)));
        assert!(rate(0) < rate(5));
        assert!(rate(9) > 0.95);
        assert!(rate(50) < rate(20));
        assert!(rate(99) > 0.0 && rate(99) < 0.02);
        assert!(rate(1000) > 0.0);
    }

    #[test]
    fn a_run_of_some_minutes_is_over_when_they_are() {
        let timed = Schedule {
            minutes: Some(2.0),
            ..HUNDRED
        };
        let done = |step, seconds| timed.done(step, Duration::from_secs(seconds));
        assert_eq!(done(10, 60), 0.5);
        assert_eq!(done(10, 180), 1.0);
        assert_eq!(done(90, 60), 0.9, "or when its steps are done");
    }
}
