//! Smooth random fields in patient space.

use crate::volume::Vec3;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

/// Normal noise on a coarse lattice, interpolated trilinearly; it repeats far outside its cube.
#[derive(Debug, Clone)]
pub(super) struct Field {
    values: Vec<f32>,
    cells: usize,
    pitch: f64,
}

impl Field {
    /// A field that varies over about `pitch` mm within a cube of `extent` mm around the origin,
    /// with standard deviation `amplitude` at the lattice points.
    pub(super) fn new(rng: &mut impl Rng, pitch: f64, extent: f64, amplitude: f64) -> Self {
        let cells = (extent / pitch).ceil() as usize + 2;
        let values = (0..cells.pow(3))
            .map(|_| {
                let value: f64 = StandardNormal.sample(rng);
                (value * amplitude) as f32
            })
            .collect();
        Self {
            values,
            cells,
            pitch,
        }
    }

    /// The value at a point (LPS, mm).
    pub(super) fn at(&self, p: Vec3) -> f64 {
        let half = self.cells as f64 / 2.0;
        let mut low = [0usize; 3];
        let mut part = [0f32; 3];
        for a in 0..3 {
            let t = (p[a] / self.pitch + half).rem_euclid(self.cells as f64);
            low[a] = (t as usize).min(self.cells - 1);
            part[a] = (t - low[a] as f64) as f32;
        }
        let value = |dx: usize, dy: usize, dz: usize| {
            let wrap = |i: usize| if i >= self.cells { i - self.cells } else { i };
            self.values[(wrap(low[2] + dz) * self.cells + wrap(low[1] + dy)) * self.cells
                + wrap(low[0] + dx)]
        };
        let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
        let plane = |dz| {
            mix(
                mix(value(0, 0, dz), value(1, 0, dz), part[0]),
                mix(value(0, 1, dz), value(1, 1, dz), part[0]),
                part[1],
            )
        };
        f64::from(mix(plane(0), plane(1), part[2]))
    }
}
