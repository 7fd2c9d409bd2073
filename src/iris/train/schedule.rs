//! The learning rate over a run.

use serde::{Deserialize, Serialize};

/// Linear warm-up, then a cosine down to a hundredth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Highest rate.
    pub peak: f64,
    /// Steps of warm-up.
    pub warm_up: u64,
    /// Steps of the whole run.
    pub steps: u64,
}

impl Schedule {
    /// The rate of step `step` (from 0).
    pub fn rate(&self, step: u64) -> f64 {
        let rise = ((step + 1) as f64 / self.warm_up.max(1) as f64).min(1.0);
        let done = (step as f64 / self.steps.max(1) as f64).min(1.0);
        let fall = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        self.peak * rise * (0.01 + 0.99 * fall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_then_falls_and_never_reaches_zero() {
        let schedule = Schedule {
            peak: 1.0,
            warm_up: 10,
            steps: 100,
        };
        assert!(schedule.rate(0) < schedule.rate(5));
        assert!(schedule.rate(9) > 0.95);
        assert!(schedule.rate(50) < schedule.rate(20));
        assert!(schedule.rate(99) > 0.0 && schedule.rate(99) < 0.02);
        assert!(schedule.rate(1000) > 0.0);
    }
}
