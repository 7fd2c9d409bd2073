//! Smooth random fields in patient space.

use crate::volume::{Geometry, Vec3};
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
        let [x, y, z] = p.map(|coordinate| self.cell(coordinate));
        let [a, b, c, d, e, f, g, h] = std::array::from_fn(|corner| {
            let [x, y, z] = [x.0[corner & 1], y.0[corner >> 1 & 1], z.0[corner >> 2]];
            self.values[(z * self.cells + y) * self.cells + x]
        });
        let near = mix(mix(a, b, x.1), mix(c, d, x.1), y.1);
        let far = mix(mix(e, f, x.1), mix(g, h, x.1), y.1);
        f64::from(mix(near, far, z.1))
    }

    /// The values at a row of a grid's voxels, from its voxel `first` on.
    pub(super) fn row(&self, grid: &Geometry, first: usize, values: &mut [f32]) {
        let start = grid.to_patient(grid.voxel(first).map(|n| n as f64));
        let step = grid.direction[0].map(|d| d * grid.spacing[0]);
        self.along(start, step, values);
    }

    /// The values at points a step from one another (LPS, mm), the first at `start`.
    ///
    /// Where the step is along an axis, as in every grid that training draws, what lies across it is interpolated once
    /// a cell.
    fn along(&self, start: Vec3, step: Vec3, values: &mut [f32]) {
        let (length, half) = (self.cells as f64, self.cells as f64 / 2.0);
        // Counted in 32 bits, which processors turn into numbers several at once.
        let place =
            |axis: usize, n: i32| (start[axis] + f64::from(n) * step[axis]) / self.pitch + half;
        let last = i32::try_from(values.len()).unwrap_or(i32::MAX) - 1;
        let is_within = |axis| {
            [0, last]
                .iter()
                .all(|&n| (0.0..length).contains(&place(axis, n)))
        };
        let moved: Vec<usize> = (0..3).filter(|&a| step[a] != 0.0).collect();
        let axis = match moved.as_slice() {
            &[axis] if is_within(axis) => axis,
            _ => {
                for (n, value) in values.iter_mut().enumerate() {
                    let point = std::array::from_fn(|a| start[a] + n as f64 * step[a]);
                    *value = self.at(point) as f32;
                }
                return;
            }
        };
        let (b, c) = ((axis + 1) % 3, (axis + 2) % 3);
        let ([low_b, high_b], part_b) = self.cell(start[b]);
        let ([low_c, high_c], part_c) = self.cell(start[c]);
        let strides = [1, self.cells, self.cells * self.cells];
        let [ll, hl, lh, hh] = [
            low_b * strides[b] + low_c * strides[c],
            high_b * strides[b] + low_c * strides[c],
            low_b * strides[b] + high_c * strides[c],
            high_b * strides[b] + high_c * strides[c],
        ];
        // The lattice's line through the row, and its first point once more behind its last.
        let line: Vec<f32> = (0..self.cells)
            .chain(std::iter::once(0))
            .map(|n| {
                let value = |across: usize| self.values[across + n * strides[axis]];
                let near = mix(value(ll), value(hl), part_b);
                let far = mix(value(lh), value(hh), part_b);
                mix(near, far, part_c)
            })
            .collect();
        for (n, value) in (0..).zip(values) {
            let t = place(axis, n);
            let low = t as i32;
            let at = low as usize;
            *value = mix(line[at], line[at + 1], (t - f64::from(low)) as f32);
        }
    }

    /// The lattice points beside a coordinate (mm), and how far from the lower to the higher it lies.
    fn cell(&self, coordinate: f64) -> ([usize; 2], f32) {
        let length = self.cells as f64;
        let t = coordinate / self.pitch + length / 2.0;
        // A remainder is slow, and hardly ever another number.
        let t = match (0.0..length).contains(&t) {
            true => t,
            false => t.rem_euclid(length),
        };
        let low = (t as usize).min(self.cells - 1);
        let high = if low + 1 >= self.cells { 0 } else { low + 1 };
        ([low, high], (t - low as f64) as f32)
    }
}

fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    proptest! {
        #[test]
        fn a_row_has_the_values_that_its_points_have(
            start in prop::array::uniform3(-300.0f64..300.0),
            length in 0.5f64..9.0,
            axis in 0usize..4,
        ) {
            let field = Field::new(&mut ChaCha8Rng::seed_from_u64(2), 14.0, 200.0, 1.0);
            // The last is oblique.
            let step = match axis {
                3 => [length, 0.3, -0.2],
                axis => std::array::from_fn(|a| if a == axis { length } else { 0.0 }),
            };
            let mut row = [0.0; 90];
            field.along(start, step, &mut row);
            for (n, value) in row.iter().enumerate() {
                let point = std::array::from_fn(|a| start[a] + n as f64 * step[a]);
                prop_assert!((f64::from(*value) - field.at(point)).abs() < 1e-4);
            }
        }
    }
}
