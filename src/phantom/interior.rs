//! What structures look like inside, where scans are imitated: no organ is of one grey.

use super::fidelity::Fidelity;
use super::field::{Field, OverGrid};
use super::label_map::runs;
use super::scene::{Scene, Structure};
use crate::volume::Geometry;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

/// Organs with a wall and contents that may hold gas.
pub(super) const GUT: [&str; 4] = ["stomach", "colon", "small_bowel", "duodenum"];
/// CT number of the wall of the gut, HU.
const WALL_HU: f64 = 45.0;
/// Extent of the fields around the body's middle, mm; they repeat beyond.
const EXTENT: f64 = 300.0;

/// How one structure is uneven; steps in HU.
#[derive(Debug, Clone, Copy, Default)]
struct Uneven {
    /// Standard deviation of the fine mottle.
    mottle: f64,
    /// Difference of the contents from the structure's mean, everywhere but in its wall.
    contents: f64,
    /// Patches, food, cysts: where the coarse field is above the first, the second is added.
    patches: Option<(f64, f64)>,
    /// Vessels, ducts, strands: where both fields are nearer to 0 than the first, the second is added.
    vessels: Option<(f64, f64)>,
    /// What is added to the outermost voxels, which show none of the above: the wall, the cortex.
    wall: Option<f64>,
}

/// How the structures of one subject are uneven.
#[derive(Debug)]
pub(super) struct Interior {
    /// By label; 0 is the background.
    of: Vec<Uneven>,
    fine: Field,
    coarse: Field,
    /// Of the image's scale for a HU.
    unit: f64,
}

impl Interior {
    /// Draws a subject's; `unit` is what a HU is on the image's scale of intensity.
    pub(super) fn draw(scene: &Scene, unit: f64, fidelity: Fidelity, rng: &mut impl Rng) -> Self {
        let mut of = vec![Uneven::default()];
        let all = scene.structures.iter().chain(&scene.surroundings);
        of.extend(all.map(|structure| Uneven::draw(structure, rng)));
        let (fine, coarse) = (rng.random_range(7.0..14.0), rng.random_range(14.0..34.0));
        Self {
            of,
            fine: Field::new(rng, fine, EXTENT, 1.0, fidelity),
            coarse: Field::new(rng, coarse, EXTENT, 1.0, fidelity),
            unit,
        }
    }

    /// For the voxels of a label map, one after the other.
    pub(super) fn over<'i>(&'i self, labels: &'i [u16], grid: &'i Geometry) -> Inside<'i> {
        Inside {
            of: self
                .of
                .iter()
                .map(|uneven| uneven.scaled(self.unit))
                .collect(),
            labels,
            grid,
            fields: [self.fine.over(grid), self.coarse.over(grid)],
            fine: vec![0.0; grid.size[0]],
            coarse: vec![0.0; grid.size[0]],
        }
    }
}

impl Uneven {
    fn draw(structure: &Structure, rng: &mut impl Rng) -> Self {
        let normal = |rng: &mut _| -> f64 { StandardNormal.sample(rng) };
        let sign = |rng: &mut _| {
            if RngExt::random_bool(rng, 0.5) {
                1.0
            } else {
                -1.0
            }
        };
        let mut drawn = Self {
            mottle: normal(rng).abs() * 9.0,
            ..Self::default()
        };
        let name = structure.name.as_str();
        if GUT.contains(&name) || name == "gallbladder" {
            drawn.mottle = rng.random_range(2.0..45.0);
            drawn.contents = match rng.random_range(0..10) {
                0..5 => rng.random_range(-45.0..30.0),
                5..7 => rng.random_range(-120.0..90.0),
                // What was drunk before the scan.
                7..9 => rng.random_range(80.0..380.0),
                _ => 0.0,
            };
            if rng.random_bool(0.6) {
                let step = rng.random_range(20.0..160.0) * sign(rng);
                drawn.patches = Some((rng.random_range(-0.7..0.9), step));
            }
            if rng.random_bool(0.7) {
                drawn.wall = Some(WALL_HU + 15.0 * normal(rng) - structure.hu);
            }
        } else if structure.hu < -500.0 {
            // Lungs: vessels and bronchi; air has none.
            drawn.mottle = rng.random_range(5.0..40.0);
            if structure.target {
                let step = rng.random_range(250.0..800.0);
                drawn.vessels = Some((rng.random_range(0.1..0.35), step));
            }
        } else if structure.hu < -50.0 {
            // Fat: vessels and strands.
            if rng.random_bool(0.75) {
                let step = rng.random_range(50.0..200.0);
                drawn.vessels = Some((rng.random_range(0.08..0.4), step));
            }
        } else if structure.hu > 150.0 && !is_vessel(name) {
            // Bone: a cortex around marrow.
            drawn.mottle = rng.random_range(10.0..80.0);
            if rng.random_bool(0.6) {
                drawn.wall = Some(rng.random_range(30.0..280.0));
            }
        } else {
            if rng.random_bool(0.35) {
                let step = rng.random_range(10.0..90.0) * sign(rng);
                drawn.vessels = Some((rng.random_range(0.08..0.35), step));
            }
            if rng.random_bool(0.25) {
                let step = rng.random_range(10.0..80.0) * sign(rng);
                drawn.patches = Some((rng.random_range(0.3..1.5), step));
            }
        }
        drawn
    }
}

impl Uneven {
    /// What is added, on a scale of which a HU is so much.
    fn scaled(&self, unit: f64) -> Added {
        let step = |(at, step): (f64, f64)| (at as f32, (step * unit) as f32);
        let (patch_level, patch) = self.patches.map_or((f32::INFINITY, 0.0), step);
        let (vessel_near, vessel) = self.vessels.map_or((0.0, 0.0), step);
        Added {
            contents: (self.contents * unit) as f32,
            mottle: (self.mottle * unit) as f32,
            patch_level,
            patch,
            vessel_near,
            vessel,
            wall: self.wall.map(|wall| (wall * unit) as f32),
        }
    }
}

/// [`Uneven`] on an image's scale, where what a structure lacks is 0.
struct Added {
    contents: f32,
    mottle: f32,
    patch_level: f32,
    patch: f32,
    vessel_near: f32,
    vessel: f32,
    wall: Option<f32>,
}

impl Added {
    /// What is added where the fields have these values.
    fn at(&self, fine: f32, coarse: f32) -> f32 {
        let patch = if coarse > self.patch_level {
            self.patch
        } else {
            0.0
        };
        let is_near = (fine.abs() < self.vessel_near) & (coarse.abs() < self.vessel_near);
        let vessel = if is_near { self.vessel } else { 0.0 };
        self.contents + self.mottle * fine + patch + vessel
    }
}

fn is_vessel(name: &str) -> bool {
    ["aorta", "inferior_vena_cava", "portal", "iliac"]
        .iter()
        .any(|vessel| name.starts_with(vessel))
}

/// An interior on its way through a label map.
pub(super) struct Inside<'i> {
    /// By label.
    of: Vec<Added>,
    labels: &'i [u16],
    grid: &'i Geometry,
    /// The fine and the coarse one.
    fields: [OverGrid<'i>; 2],
    fine: Vec<f32>,
    coarse: Vec<f32>,
}

impl Inside<'_> {
    /// Adds what the voxels of row `j` of slice `k` have of their own to `values`.
    pub(super) fn add(&mut self, j: usize, k: usize, values: &mut [f32]) {
        let [fine, coarse] = &mut self.fields;
        fine.row(j, k, &mut self.fine);
        coarse.row(j, k, &mut self.coarse);
        let [columns, rows, slices] = self.grid.size;
        // Whether there is a row, a slice before and after.
        let beside = [j > 0, j + 1 < rows, k > 0, k + 1 < slices];
        let first = self.grid.index(0, j, k);
        for (label, columns_of_run) in runs(&self.labels[first..first + columns]) {
            // What has a label beyond the structures' (gas) is even.
            let Some(added) = self.of.get(usize::from(label)) else {
                continue;
            };
            let fields = self.fine[columns_of_run.clone()]
                .iter()
                .zip(&self.coarse[columns_of_run.clone()]);
            let voxels = values[columns_of_run.clone()].iter_mut().zip(fields);
            match added.wall {
                None => {
                    voxels.for_each(|(value, (&fine, &coarse))| *value += added.at(fine, coarse))
                }
                Some(wall) => {
                    for (i, (value, (&fine, &coarse))) in columns_of_run.zip(voxels) {
                        *value += match self.is_outermost(first + i, i, columns, beside) {
                            true => wall,
                            false => added.at(fine, coarse),
                        };
                    }
                }
            }
        }
    }

    /// Whether voxel `at`, in column `i`, touches another structure by a face; gas is none. `beside`: whether there is a
    /// row before, a row after, a slice before, a slice after.
    fn is_outermost(&self, at: usize, i: usize, columns: usize, beside: [bool; 4]) -> bool {
        let label = self.labels[at];
        let is_other = |at: usize| {
            let other = self.labels[at];
            other != label && usize::from(other) < self.of.len()
        };
        let slice = columns * self.grid.size[1];
        let [before, after, below, above] = beside;
        (i > 0 && is_other(at - 1))
            || (i + 1 < columns && is_other(at + 1))
            || (before && is_other(at - columns))
            || (after && is_other(at + columns))
            || (below && is_other(at - slice))
            || (above && is_other(at + slice))
    }
}

#[cfg(test)]
mod tests {
    use crate::phantom::{Contrast, Scene};
    use crate::volume::Geometry;

    /// Standard deviation of the intensities of a structure.
    fn spread(scene: &Scene, name: &str, seed: u64) -> f64 {
        let grid = Geometry::axial([95, 70, 40], [4.0; 3], [-190.0, -140.0, -60.0]);
        let phantom = scene.subject(seed, &grid, Contrast::Ct);
        let number = scene.number(name).unwrap();
        let labels = phantom.labels.layers[0].iter();
        let values: Vec<f64> = labels
            .zip(&phantom.volume.voxels)
            .filter(|(label, _)| **label == number)
            .map(|(_, &value)| f64::from(value))
            .collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        (squares / values.len() as f64).sqrt()
    }

    #[test]
    fn organs_are_uneven_where_scans_are_imitated_and_the_gut_most_of_all() {
        let even = Scene::torso();
        let uneven = Scene {
            uneven: true,
            ..Scene::torso()
        };
        let of_eight = |scene: &Scene, name| -> [f64; 8] {
            std::array::from_fn(|n| spread(scene, name, n as u64))
        };
        let mean = |scene| of_eight(scene, "stomach").iter().sum::<f64>() / 8.0;
        let (before, after) = (mean(&even), mean(&uneven));
        assert!(
            after > before + 20.0,
            "stomach: {before} even, {after} uneven"
        );
        // Not every liver shows its vessels, nor every vertebra its cortex.
        for name in ["liver", "vertebrae_L1"] {
            let (before, after) = (of_eight(&even, name), of_eight(&uneven, name));
            assert!(
                before
                    .iter()
                    .zip(&after)
                    .any(|(before, after)| after > &(before + 3.0)),
                "{name}: {before:?} even, {after:?} uneven"
            );
        }
    }
}
