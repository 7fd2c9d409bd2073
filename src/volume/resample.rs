//! From one grid to another.

use super::{Geometry, LabelVolume, Vec3, Volume};
use rayon::prelude::*;

/// Most samples per voxel and axis when a grid gets coarser.
const MOST_SAMPLES: usize = 8;

impl Volume {
    /// The volume on another grid; outside this one's voxels it is `outside`.
    ///
    /// Trilinear between voxel centres. Where the new voxels are larger than
    /// the old, each is the mean of samples spread over it (a box filter along
    /// the new axes), so that nothing between the new centres is lost and
    /// nothing aliases.
    pub fn resampled(&self, grid: &Geometry, outside: f32) -> Self {
        // Along each new axis, as many samples as old voxels lie in one new voxel in that direction.
        let samples: [usize; 3] = std::array::from_fn(|axis| {
            let step = step_in(&self.geometry, grid, axis);
            let crossed = step.iter().map(|s| s.abs()).fold(0.0, f64::max);
            (crossed - 1e-3).ceil().clamp(1.0, MOST_SAMPLES as f64) as usize
        });
        let offsets: Vec<Vec3> = sample_offsets(samples);
        let [columns, rows, _] = grid.size;
        let mut voxels = vec![0.0; grid.len()];
        voxels
            .par_chunks_mut(columns.max(1))
            .enumerate()
            .for_each(|(row, line)| {
                let (j, k) = ((row % rows) as f64, (row / rows) as f64);
                for (i, voxel) in line.iter_mut().enumerate() {
                    let sum: f32 = offsets
                        .iter()
                        .map(|o| {
                            let point = grid.to_patient([i as f64 + o[0], j + o[1], k + o[2]]);
                            self.sample(self.geometry.to_index(point))
                                .unwrap_or(outside)
                        })
                        .sum();
                    *voxel = sum / offsets.len() as f32;
                }
            });
        Self {
            geometry: grid.clone(),
            voxels,
        }
    }

    /// Trilinear value at a continuous voxel coordinate; `None` outside the outermost voxels' edges.
    pub fn sample(&self, ijk: Vec3) -> Option<f32> {
        let size = self.geometry.size;
        let mut low = [0usize; 3];
        let mut high = [0usize; 3];
        let mut part = [0f32; 3];
        for a in 0..3 {
            if !(ijk[a] >= -0.5 - 1e-6 && ijk[a] <= size[a] as f64 - 0.5 + 1e-6) {
                return None;
            }
            let inside = ijk[a].clamp(0.0, (size[a] - 1) as f64);
            low[a] = inside as usize;
            high[a] = (low[a] + 1).min(size[a] - 1);
            part[a] = (inside - low[a] as f64) as f32;
        }
        let at = |i: usize, j: usize, k: usize| self.voxels[self.geometry.index(i, j, k)];
        let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
        let plane = |k: usize| {
            mix(
                mix(at(low[0], low[1], k), at(high[0], low[1], k), part[0]),
                mix(at(low[0], high[1], k), at(high[0], high[1], k), part[0]),
                part[1],
            )
        };
        Some(mix(plane(low[2]), plane(high[2]), part[2]))
    }
}

impl LabelVolume {
    /// The labels on another grid: each new voxel takes the label at its centre, 0 outside.
    pub fn resampled(&self, grid: &Geometry) -> Self {
        let [columns, rows, _] = grid.size;
        let size = self.geometry.size;
        let layers = self
            .layers
            .iter()
            .map(|layer| {
                let mut labels = vec![0u16; grid.len()];
                labels
                    .par_chunks_mut(columns.max(1))
                    .enumerate()
                    .for_each(|(row, line)| {
                        let (j, k) = ((row % rows) as f64, (row / rows) as f64);
                        for (i, label) in line.iter_mut().enumerate() {
                            let at = self
                                .geometry
                                .to_index(grid.to_patient([i as f64, j, k]))
                                .map(f64::round);
                            if (0..3).all(|a| at[a] >= 0.0 && at[a] < size[a] as f64) {
                                *label = layer[self.geometry.index(
                                    at[0] as usize,
                                    at[1] as usize,
                                    at[2] as usize,
                                )];
                            }
                        }
                    });
                labels
            })
            .collect();
        Self {
            geometry: grid.clone(),
            layers,
        }
    }
}

/// One step along an axis of `to`, in voxels of `from`.
fn step_in(from: &Geometry, to: &Geometry, axis: usize) -> Vec3 {
    let mut unit = [0.0; 3];
    unit[axis] = 1.0;
    let (start, end) = (
        from.to_index(to.to_patient([0.0; 3])),
        from.to_index(to.to_patient(unit)),
    );
    std::array::from_fn(|a| end[a] - start[a])
}

/// Where the samples of one voxel lie, in voxels from its centre.
fn sample_offsets(samples: [usize; 3]) -> Vec<Vec3> {
    let axis = |n: usize| (0..n).map(move |i| (i as f64 + 0.5) / n as f64 - 0.5);
    let mut offsets = Vec::with_capacity(samples.iter().product());
    for z in axis(samples[2]) {
        for y in axis(samples[1]) {
            for x in axis(samples[0]) {
                offsets.push([x, y, z]);
            }
        }
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ramp(geometry: &Geometry, slope: Vec3) -> Volume {
        let [nx, ny, nz] = geometry.size;
        let mut voxels = Vec::with_capacity(geometry.len());
        for k in 0..nz {
            for j in 0..ny {
                for i in 0..nx {
                    let p = geometry.to_patient([i as f64, j as f64, k as f64]);
                    voxels.push((slope[0] * p[0] + slope[1] * p[1] + slope[2] * p[2]) as f32);
                }
            }
        }
        Volume {
            geometry: geometry.clone(),
            voxels,
        }
    }

    proptest! {
        #[test]
        fn the_same_grid_gives_the_same_voxels(seed in 0u32..1000) {
            let geometry = Geometry::axial([7, 5, 4], [1.5, 2.0, 3.0], [-3.0, 10.0, 2.0]);
            let voxels: Vec<f32> = (0..geometry.len() as u32).map(|i| (i.wrapping_mul(seed + 7919) % 4096) as f32).collect();
            let volume = Volume { geometry: geometry.clone(), voxels };
            let again = volume.resampled(&geometry, 0.0);
            for (a, b) in volume.voxels.iter().zip(&again.voxels) {
                prop_assert!((a - b).abs() < 0.01);
            }
        }

        #[test]
        fn a_ramp_in_patient_space_stays_that_ramp(
            slope in prop::array::uniform3(-2.0f64..2.0),
            spacing in prop::array::uniform3(0.7f64..6.0),
        ) {
            let volume = ramp(&Geometry::axial([24, 20, 16], [2.0, 2.5, 3.0], [-20.0, 5.0, -9.0]), slope);
            let grid = Geometry::axial([5, 5, 5], spacing, [-20.0 + 2.0 * spacing[0], 5.0 + 2.0 * spacing[1], -9.0 + 2.0 * spacing[2]]);
            let resampled = volume.resampled(&grid, f32::NAN);
            let wanted = ramp(&grid, slope);
            for ((i, a), b) in resampled.voxels.iter().enumerate().zip(&wanted.voxels) {
                let (x, y, z) = (i % 5, i / 5 % 5, i / 25);
                let far = grid.to_patient([x as f64 + 0.5, y as f64 + 0.5, z as f64 + 0.5]);
                let inside = volume.geometry.to_index(far);
                if (0..3).all(|a| inside[a] <= volume.geometry.size[a] as f64 - 1.0) {
                    prop_assert!((a - b).abs() < 0.02, "voxel {i}: {a} instead of {b}");
                }
            }
        }
    }

    #[test]
    fn a_coarser_voxel_is_the_mean_of_the_fine_ones_in_it() {
        let fine = Geometry::axial([8, 8, 8], [1.0; 3], [0.5; 3]);
        let voxels = (0..fine.len())
            .map(|i| if i % 2 == 0 { 0.0 } else { 10.0 })
            .collect();
        let volume = Volume {
            geometry: fine,
            voxels,
        };
        let coarse = Geometry::axial([2, 2, 2], [4.0; 3], [2.0; 3]);
        for value in volume.resampled(&coarse, 0.0).voxels {
            assert!((value - 5.0).abs() < 1e-3, "{value}");
        }
    }

    #[test]
    fn labels_keep_their_place_when_axes_are_turned() {
        let axial = Geometry::axial([4, 5, 6], [2.0; 3], [0.0; 3]);
        let labels: Vec<u16> = (0..axial.len() as u16).collect();
        let volume = LabelVolume::exclusive(axial.clone(), labels);
        // The same box seen with its axes swapped and one flipped.
        let turned = Geometry {
            size: [5, 4, 6],
            spacing: [2.0; 3],
            direction: [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]],
            origin: [0.0, 0.0, 10.0],
        };
        let there = volume.resampled(&turned);
        assert_ne!(there.layers, volume.layers);
        assert_eq!(there.resampled(&axial), volume);
    }
}
