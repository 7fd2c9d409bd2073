//! Which source voxels make a target voxel along one axis, and with what weight.
//!
//! Linear interpolation, after a Gaussian where the target is coarser. A target
//! that takes one voxel in `r` cannot hold what is finer than `r`, so the source
//! is smoothed by a Gaussian of standard deviation `sqrt(r² - 1) / 2.355` voxels:
//! together with the source's own point spread (full width at half maximum of one
//! voxel) that gives a full width of `r` voxels. Interpolating the smoothed source
//! is one weighted sum, so no smoothed copy is made.

/// Standard deviation of a Gaussian with a full width at half maximum of one.
const SIGMA_PER_FWHM: f64 = 0.424_660_900_144_009_5;
/// The Gaussian is cut where it is below a thousandth of its peak.
const CUT_SIGMAS: f64 = 3.7;
/// Rounding of coordinates must not push a voxel out of the grid.
pub(super) const EDGE: f64 = 1e-6;

/// The normalised Gaussian for a reduction by `r`, `[-radius, radius]`; one single weight when nothing is to be smoothed.
pub(super) fn gaussian(r: f64) -> Vec<f64> {
    let variance = (r * r - 1.0) * SIGMA_PER_FWHM * SIGMA_PER_FWHM;
    // Below a tenth of a voxel the neighbours weigh nothing.
    if variance.is_nan() || variance < 0.01 {
        return vec![1.0];
    }
    let radius = (variance.sqrt() * CUT_SIGMAS).ceil() as i64;
    let weights: Vec<f64> = (-radius..=radius)
        .map(|x| (-(x * x) as f64 / (2.0 * variance)).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / sum).collect()
}

/// The weighted sum of consecutive source voxels that makes one target voxel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Taps {
    pub(super) first: usize,
    pub(super) weights: Vec<f32>,
}

/// Taps of each target voxel along one axis; `None` outside the source grid.
///
/// `source` voxels, target voxel `t` at source coordinate `offset + step · t`. Beyond the outermost voxel
/// centres the edge voxel goes on; half a voxel further the grid ends.
pub(super) fn axis_taps(source: usize, target: usize, offset: f64, step: f64) -> Vec<Option<Taps>> {
    let kernel = gaussian(step.abs());
    let radius = (kernel.len() / 2) as i64;
    let last = source as i64 - 1;
    (0..target)
        .map(|t| {
            let at = offset + step * t as f64;
            let inside = at >= -0.5 - EDGE && at <= last as f64 + 0.5 + EDGE;
            if !inside {
                return None;
            }
            let floor = at.floor();
            let share = at - floor;
            let base = floor as i64;
            let clamp = |x: i64| x.clamp(0, last) as usize;
            let (first, end) = (clamp(base - radius), clamp(base + radius + 1));
            let mut weights = vec![0.0f64; end - first + 1];
            for (tap, weight) in (-radius..=radius).zip(&kernel) {
                weights[clamp(base + tap) - first] += (1.0 - share) * weight;
                weights[clamp(base + tap + 1) - first] += share * weight;
            }
            // A voxel that falls on a centre is that voxel, not a sum with nothing.
            while weights.len() > 1 && weights.last().is_some_and(|w| *w < 1e-9) {
                weights.pop();
            }
            Some(Taps {
                first,
                weights: weights.into_iter().map(|w| w as f32).collect(),
            })
        })
        .collect()
}
