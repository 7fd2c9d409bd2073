//! Smooth random fields in patient space.

use super::fidelity::Fidelity;
use crate::volume::{Geometry, Vec3};
use rand::Rng;

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
    pub(super) fn new(
        rng: &mut impl Rng,
        pitch: f64,
        extent: f64,
        amplitude: f64,
        fidelity: Fidelity,
    ) -> Self {
        let cells = (extent / pitch).ceil() as usize + 2;
        let mut values = vec![0.0; cells.pow(3)];
        fidelity.add_noise(&mut values, amplitude, rng);
        Self {
            values,
            cells,
            pitch,
        }
    }

    /// The field of the exponentials of this one's lattice values: positive everywhere.
    pub(super) fn exp(mut self) -> Self {
        self.values
            .iter_mut()
            .for_each(|value| *value = value.exp());
        self
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

    /// The field on a grid.
    pub(super) fn over<'f>(&'f self, grid: &'f Geometry) -> OverGrid<'f> {
        let runs_along_axes = (0..3).all(|a| (0..3).all(|b| a == b || grid.direction[a][b] == 0.0));
        OverGrid {
            field: self,
            grid,
            lines: runs_along_axes.then(|| Lines::new(self, grid)),
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

/// A field on its way through the rows of a grid.
pub(super) struct OverGrid<'f> {
    field: &'f Field,
    grid: &'f Geometry,
    /// Where the grid runs along the patient's axes, as every one does that training draws.
    lines: Option<Lines>,
}

impl OverGrid<'_> {
    /// The values at the voxels of row `j` of slice `k`. Quickest for row after row of one slice.
    pub(super) fn row(&mut self, j: usize, k: usize, values: &mut [f32]) {
        if let Some(lines) = &mut self.lines {
            return lines.row(j, k, values);
        }
        for (i, value) in values.iter_mut().enumerate() {
            let voxel = [i, j, k].map(|n| n as f64);
            *value = self.field.at(self.grid.to_patient(voxel)) as f32;
        }
    }
}

/// The lattice's lines that lie about a grid's rows, interpolated at each of its columns once, for many rows share them.
struct Lines {
    columns: usize,
    rows: Beside,
    slices: Beside,
    /// Line after line; lattice points along the grid's rows first, then along its slices.
    values: Vec<f32>,
    /// The slice whose lines are in `of_slice`.
    slice: Option<usize>,
    /// Lines for each lattice point along the rows, interpolated between slices.
    of_slice: Vec<f32>,
}

impl Lines {
    fn new(field: &Field, grid: &Geometry) -> Self {
        let along = |axis: usize| {
            let coordinate = move |n: usize| {
                grid.origin[axis] + n as f64 * grid.spacing[axis] * grid.direction[axis][axis]
            };
            (0..grid.size[axis]).map(move |n| field.cell(coordinate(n)))
        };
        let columns: Vec<([usize; 2], f32)> = along(0).collect();
        let (rows, slices) = (Beside::new(along(1)), Beside::new(along(2)));
        let mut values =
            Vec::with_capacity(columns.len() * rows.points.len() * slices.points.len());
        for z in &slices.points {
            for y in &rows.points {
                let line = &field.values[(z * field.cells + y) * field.cells..][..field.cells];
                let at =
                    |&([low, high], part): &([usize; 2], f32)| mix(line[low], line[high], part);
                values.extend(columns.iter().map(at));
            }
        }
        Self {
            columns: columns.len(),
            of_slice: vec![0.0; columns.len() * rows.points.len()],
            slice: None,
            rows,
            slices,
            values,
        }
    }

    fn row(&mut self, j: usize, k: usize, values: &mut [f32]) {
        if self.slice != Some(k) {
            let plane = self.of_slice.len();
            mix_lines(&self.values, plane, self.slices.of[k], &mut self.of_slice);
            self.slice = Some(k);
        }
        mix_lines(&self.of_slice, self.columns, self.rows.of[j], values);
    }
}

/// Mixes two lines of so many values, of those that `lines` holds one after the other.
fn mix_lines(
    lines: &[f32],
    length: usize,
    ([low, high], part): ([usize; 2], f32),
    mixed: &mut [f32],
) {
    let line = |number: usize| &lines[number * length..][..length];
    for ((value, &low), &high) in mixed.iter_mut().zip(line(low)).zip(line(high)) {
        *value = mix(low, high, part);
    }
}

/// The lattice points beside the places along one axis of a grid.
struct Beside {
    /// Those of the lattice that are beside any, each once.
    points: Vec<usize>,
    /// For each place the two of `points` beside it, and how far from the lower to the higher it lies.
    of: Vec<([usize; 2], f32)>,
}

impl Beside {
    fn new(places: impl Iterator<Item = ([usize; 2], f32)>) -> Self {
        let mut points: Vec<usize> = Vec::new();
        let mut number = |point: usize| {
            // The latest are nearest.
            let known = points.iter().rposition(|&known| known == point);
            known.unwrap_or_else(|| {
                points.push(point);
                points.len() - 1
            })
        };
        let of = places
            .map(|(beside, part)| (beside.map(&mut number), part))
            .collect();
        Self { points, of }
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
        fn on_a_grid_it_has_the_values_that_the_voxels_have(
            origin in prop::array::uniform3(-300.0f64..300.0),
            spacing in prop::array::uniform3(0.5f64..9.0),
            turned in 0.0f64..0.4,
            is_oblique in any::<bool>(),
            mirrored in any::<bool>(),
        ) {
            let field = Field::new(&mut ChaCha8Rng::seed_from_u64(2), 14.0, 200.0, 1.0, Fidelity::Exact);
            let mut grid = Geometry::axial([31, 9, 7], spacing, origin);
            if is_oblique {
                let (sin, cos) = turned.sin_cos();
                grid.direction = [[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]];
            } else if mirrored {
                grid.direction[1] = [0.0, -1.0, 0.0];
            }
            let (mut over, mut row) = (field.over(&grid), [0.0; 31]);
            for (j, k) in (0..7).flat_map(|k| (0..9).map(move |j| (j, k))) {
                over.row(j, k, &mut row);
                for (i, value) in row.iter().enumerate() {
                    let exact = field.at(grid.to_patient([i, j, k].map(|n| n as f64)));
                    prop_assert!((f64::from(*value) - exact).abs() < 1e-4);
                }
            }
        }
    }
}
