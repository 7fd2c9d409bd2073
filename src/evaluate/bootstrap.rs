//! Means with an interval that says how far to trust them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Draws of the bootstrap.
const DRAWS: usize = 5000;
/// Seed: the same values give the same interval.
const SEED: u64 = 95;

/// A mean, and where it would lie had other subjects been drawn.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Estimate {
    /// Values it is the mean of.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Bootstrap 95 % interval of the mean (percentiles of the means of resampled values); none of a single value.
    pub interval: Option<[f64; 2]>,
}

/// Mean and bootstrap interval (Efron, 1979) of values of independent subjects; none without a value.
pub fn estimate(values: &[f64]) -> Option<Estimate> {
    let n = values.len();
    let mean = |sum: f64| sum / n as f64;
    if n == 0 {
        return None;
    }
    let interval = (n > 1).then(|| {
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        let mut means: Vec<f64> = (0..DRAWS)
            .map(|_| mean((0..n).map(|_| values[rng.random_range(0..n)]).sum()))
            .collect();
        means.sort_by(f64::total_cmp);
        let at = |share: f64| means[((DRAWS - 1) as f64 * share).round() as usize];
        [at(0.025), at(0.975)]
    });
    Some(Estimate {
        n,
        mean: mean(values.iter().sum()),
        interval,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_shrinks_with_the_square_root_of_the_subjects() {
        assert_eq!(estimate(&[]), None);
        assert_eq!(estimate(&[0.7]).unwrap().interval, None);
        let values: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        let found = estimate(&values).unwrap();
        let [low, high] = found.interval.unwrap();
        assert_eq!((found.n, found.mean), (100, 0.5));
        // 1.96 standard errors of a fair coin thrown a hundred times.
        assert!(
            (low - 0.402).abs() < 0.015 && (high - 0.598).abs() < 0.015,
            "{low} {high}"
        );
        assert_eq!(estimate(&values), Some(found));
    }
}
