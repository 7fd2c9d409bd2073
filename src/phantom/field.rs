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
        self.walk().at(p)
    }

    /// For many points, one after the other.
    pub(super) fn walk(&self) -> Walk<'_> {
        Walk {
            field: self,
            low: [usize::MAX; 3],
            corners: [0.0; 8],
        }
    }
}

/// A field on the way from point to point: neighbours lie in one cell, whose corners are kept.
pub(super) struct Walk<'f> {
    field: &'f Field,
    /// The cell of the last point.
    low: [usize; 3],
    /// Its corners, x fastest.
    corners: [f32; 8],
}

impl Walk<'_> {
    /// The value at a point (LPS, mm).
    pub(super) fn at(&mut self, p: Vec3) -> f64 {
        let Field { cells, pitch, .. } = *self.field;
        let (half, length) = (cells as f64 / 2.0, cells as f64);
        let mut low = [0usize; 3];
        let mut part = [0f32; 3];
        for a in 0..3 {
            let t = p[a] / pitch + half;
            // A remainder is slow, and hardly ever another number.
            let t = match (0.0..length).contains(&t) {
                true => t,
                false => t.rem_euclid(length),
            };
            low[a] = (t as usize).min(cells - 1);
            part[a] = (t - low[a] as f64) as f32;
        }
        if low != self.low {
            self.low = low;
            let wrap = |i: usize| if i >= cells { i - cells } else { i };
            for (corner, value) in self.corners.iter_mut().enumerate() {
                let [x, y, z] = std::array::from_fn(|a| wrap(low[a] + (corner >> a & 1)));
                *value = self.field.values[(z * cells + y) * cells + x];
            }
        }
        let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
        let [a, b, c, d, e, f, g, h] = self.corners;
        let near = mix(mix(a, b, part[0]), mix(c, d, part[0]), part[1]);
        let far = mix(mix(e, f, part[0]), mix(g, h, part[0]), part[1]);
        f64::from(mix(near, far, part[2]))
    }
}
