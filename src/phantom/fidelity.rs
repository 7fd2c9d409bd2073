//! How exactly a subject is drawn.

use crate::iris::train::add_noise;
use crate::volume::Geometry;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

/// Distance of the points at which a quick subject is bent exactly, mm: half of the finest bend's.
const BENT_EVERY_MM: f64 = 15.0;

/// How exactly a subject is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fidelity {
    /// Every voxel bent on its own, all that is normal drawn from the normal distribution.
    Exact,
    /// Bent at every 15 mm and linearly between, with noise that is nearly normal: much the same, several times as fast.
    Quick,
}

impl Fidelity {
    /// So many voxels lie between those that are bent exactly.
    pub(super) fn step(self, grid: &Geometry) -> usize {
        let finest = grid.spacing.into_iter().fold(f64::INFINITY, f64::min);
        match self {
            Self::Exact => 1,
            Self::Quick => (BENT_EVERY_MM / finest).round().max(1.0) as usize,
        }
    }

    /// Adds normal noise of this standard deviation to each of some values.
    pub(super) fn add_noise(self, values: &mut [f32], deviation: f64, rng: &mut impl Rng) {
        match self {
            Self::Quick => add_noise(values, deviation as f32, rng),
            Self::Exact => {
                for value in values {
                    let noise: f64 = StandardNormal.sample(rng);
                    *value += (noise * deviation) as f32;
                }
            }
        }
    }
}
