//! Bringing voxels from one grid to another.

use rayon::prelude::*;

use super::axis_weights::{EDGE, Taps, gaussian};
use super::in_plane::{along_columns, along_rows, weigh};
use super::slicewise::Slicewise;
use super::voxel_map::VoxelMap;
use super::{Geometry, LabelVolume, Volume};

/// How values between voxel centres are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// Trilinear; where the target grid is coarser the source is first smoothed by a Gaussian whose full
    /// width at half maximum is the target's voxel (see `axis_weights.rs`), so that nothing aliases.
    Linear,
    /// The nearest voxel's value, unsmoothed.
    Nearest,
}

/// The volume on another grid.
///
/// A target voxel whose centre lies in no source voxel gets `outside`. Between the outermost voxel centres
/// and the faces of the grid the edge voxel's value goes on.
pub fn resample_onto(
    source: &Volume,
    target: &Geometry,
    interpolation: Interpolation,
    outside: f32,
) -> Volume {
    let voxels = if target.is_empty() || source.geometry.is_empty() {
        vec![outside; target.len()]
    } else if source.geometry == *target {
        source.voxels.clone()
    } else {
        let map = VoxelMap::between(target, &source.geometry);
        match interpolation {
            Interpolation::Nearest => {
                nearest(&source.voxels, &source.geometry, target, &map, outside)
            }
            Interpolation::Linear => match Slicewise::between(&source.geometry, target) {
                Some(slicewise) => return along_axes(source, slicewise, outside),
                None => oblique(source, target, &map, outside),
            },
        }
    };
    Volume {
        geometry: target.clone(),
        voxels,
    }
}

/// One slice `k` of the target grid, trilinearly interpolated from a field on the source grid, unsmoothed.
///
/// For bringing one class's probabilities back to a finer grid with the memory of one slice. `field` has
/// `source.len()` values, `slice` takes `target.size[0] · target.size[1]`; what lies outside the source gets 0.
pub fn resample_slice(
    field: &[f32],
    source: &Geometry,
    target: &Geometry,
    k: usize,
    slice: &mut [f32],
) {
    let map = VoxelMap::between(target, source);
    linear_slice(field, source, target.size, &map, k, 0.0, slice);
}

impl Volume {
    /// The volume on another grid by [`Interpolation::Linear`]; see [`resample_onto`].
    pub fn resampled(&self, target: &Geometry, outside: f32) -> Volume {
        resample_onto(self, target, Interpolation::Linear, outside)
    }
}

impl LabelVolume {
    /// The label map on another grid: each voxel takes the segment of the nearest source voxel, or background
    /// outside the source grid.
    pub fn resampled(&self, target: &Geometry) -> LabelVolume {
        let map = VoxelMap::between(target, &self.geometry);
        let layers = self.layers.iter().map(|layer| {
            if self.geometry.is_empty() {
                return vec![0; target.len()];
            }
            nearest(layer, &self.geometry, target, &map, 0)
        });
        LabelVolume {
            geometry: target.clone(),
            layers: layers.collect(),
        }
    }
}

fn nearest<T: Copy + Send + Sync>(
    source: &[T],
    grid: &Geometry,
    target: &Geometry,
    map: &VoxelMap,
    outside: T,
) -> Vec<T> {
    let mut voxels = vec![outside; target.len()];
    let [columns, rows, _] = target.size;
    if voxels.is_empty() {
        return voxels;
    }
    voxels
        .par_chunks_mut(columns * rows)
        .enumerate()
        .for_each(|(k, slice)| {
            for (at, voxel) in slice.iter_mut().enumerate() {
                let point = map.apply([at % columns, at / columns, k]);
                if let Some([i, j, k]) = within(point, grid.size) {
                    // The tie goes down whatever the sign, so that a rounding error does not decide.
                    let near =
                        |x: f64, n: usize| ((x + 0.5 - EDGE).floor().max(0.0) as usize).min(n - 1);
                    *voxel = source[grid.index(
                        near(i, grid.size[0]),
                        near(j, grid.size[1]),
                        near(k, grid.size[2]),
                    )];
                }
            }
        });
    voxels
}

/// The coordinate itself when it lies in a voxel of the grid.
fn within(point: [f64; 3], size: [usize; 3]) -> Option<[f64; 3]> {
    let inside = (0..3)
        .all(|axis| point[axis] >= -0.5 - EDGE && point[axis] <= size[axis] as f64 - 0.5 + EDGE);
    inside.then_some(point)
}

fn linear_slice(
    field: &[f32],
    grid: &Geometry,
    target_size: [usize; 3],
    map: &VoxelMap,
    k: usize,
    outside: f32,
    slice: &mut [f32],
) {
    let columns = target_size[0];
    let stride = [1, grid.size[0], grid.size[0] * grid.size[1]];
    for (at, voxel) in slice.iter_mut().enumerate() {
        let point = map.apply([at % columns, at / columns, k]);
        let Some(point) = within(point, grid.size) else {
            *voxel = outside;
            continue;
        };
        let mut base = 0;
        let mut step = [0; 3];
        let mut share = [0.0f32; 3];
        for axis in 0..3 {
            let x = point[axis].clamp(0.0, (grid.size[axis] - 1) as f64);
            let floor = x.floor();
            base += floor as usize * stride[axis];
            share[axis] = (x - floor) as f32;
            step[axis] = if share[axis] > 0.0 { stride[axis] } else { 0 };
        }
        let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
        let row = |from: usize| mix(field[from], field[from + step[0]], share[0]);
        let plane = |from: usize| mix(row(from), row(from + step[1]), share[1]);
        *voxel = mix(plane(base), plane(base + step[2]), share[2]);
    }
}

/// Grids whose axes agree up to order and sign.
fn along_axes(source: &Volume, slicewise: Slicewise, outside: f32) -> Volume {
    let [columns, rows, _] = source.geometry.size;
    let slices = source.voxels.par_chunks_exact(columns * rows).enumerate();
    slices.for_each(|(k, slice)| slicewise.take(k, slice));
    slicewise.finish(|_| outside)
}

/// Any two grids: smooth along the source's axes where the target is coarser, then interpolate.
fn oblique(source: &Volume, target: &Geometry, map: &VoxelMap, outside: f32) -> Vec<f32> {
    let reduction = map.reduction();
    let mut smooth: Option<Vec<f32>> = None;
    for (axis, &r) in reduction.iter().enumerate() {
        let n = source.geometry.size[axis];
        if gaussian(r).len() > 1 {
            let taps = smoothing_taps(n, r);
            let from = smooth.as_deref().unwrap_or(&source.voxels);
            smooth = Some(smoothed(from, source.geometry.size, axis, &taps));
        }
    }
    let field = smooth.as_deref().unwrap_or(&source.voxels);
    let mut voxels = vec![0.0; target.len()];
    let per_slice = target.size[0] * target.size[1];
    voxels
        .par_chunks_mut(per_slice)
        .enumerate()
        .for_each(|(k, slice)| {
            linear_slice(field, &source.geometry, target.size, map, k, outside, slice)
        });
    voxels
}

fn smoothing_taps(n: usize, r: f64) -> Vec<Option<Taps>> {
    let kernel = gaussian(r);
    let radius = (kernel.len() / 2) as i64;
    let clamp = |x: i64| x.clamp(0, n as i64 - 1) as usize;
    (0..n as i64)
        .map(|t| {
            let (first, end) = (clamp(t - radius), clamp(t + radius));
            let mut weights = vec![0.0; end - first + 1];
            for (tap, weight) in (-radius..=radius).zip(&kernel) {
                weights[clamp(t + tap) - first] += *weight as f32;
            }
            Some(Taps { first, weights })
        })
        .collect()
}

/// Weighted sums along one axis of a field, as many as it has voxels there.
fn smoothed(field: &[f32], size: [usize; 3], axis: usize, taps: &[Option<Taps>]) -> Vec<f32> {
    let (columns, per_slice) = (size[0], size[0] * size[1]);
    let of_slice = |k: usize| &field[k * per_slice..][..per_slice];
    let mut result = vec![0.0; field.len()];
    result
        .par_chunks_mut(per_slice)
        .enumerate()
        .for_each(|(k, slice)| match axis {
            0 => slice.copy_from_slice(&along_columns(of_slice(k), columns, taps)),
            1 => slice.copy_from_slice(&along_rows(of_slice(k), columns, taps)),
            _ => {
                if let Some(taps) = &taps[k] {
                    weigh(slice, taps, of_slice);
                }
            }
        });
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::any_geometry;
    use proptest::prelude::*;

    /// A field that is linear in patient space: `a · position + b`.
    fn ramp(grid: &Geometry, a: [f64; 3], b: f64) -> Volume {
        let [columns, rows, slices] = grid.size;
        let mut voxels = Vec::with_capacity(grid.len());
        for k in 0..slices {
            for j in 0..rows {
                for i in 0..columns {
                    voxels
                        .push(value(grid.to_patient([i as f64, j as f64, k as f64]), a, b) as f32);
                }
            }
        }
        Volume {
            geometry: grid.clone(),
            voxels,
        }
    }

    fn value(at: [f64; 3], a: [f64; 3], b: f64) -> f64 {
        at[0] * a[0] + at[1] * a[1] + at[2] * a[2] + b
    }

    /// Each voxel of a grid as `(offset, patient position)`.
    fn positions(grid: &Geometry) -> impl Iterator<Item = (usize, [f64; 3])> {
        (0..grid.len()).map(|at| {
            let [columns, rows, _] = grid.size;
            let ijk = [at % columns, at / columns % rows, at / columns / rows];
            (at, grid.to_patient(ijk.map(|x| x as f64)))
        })
    }

    /// How many voxels a position lies inside the outermost voxel centres of a grid (negative: outside).
    fn depth(grid: &Geometry, point: [f64; 3]) -> f64 {
        let at = grid.to_index(point);
        (0..3)
            .map(|axis| at[axis].min(grid.size[axis] as f64 - 1.0 - at[axis]))
            .fold(f64::INFINITY, f64::min)
    }

    /// The same axes in another order and with other signs, another spacing and an odd shift.
    fn turned(
        grid: &Geometry,
        order: [usize; 3],
        flip: [bool; 3],
        factor: [f64; 3],
        shift: [f64; 3],
    ) -> Geometry {
        let direction =
            std::array::from_fn(|t| grid.direction[order[t]].map(|d| if flip[t] { -d } else { d }));
        let size = std::array::from_fn(|t| {
            ((grid.size[order[t]] as f64 / factor[t]).ceil() as usize + 1).max(1)
        });
        let start = std::array::from_fn(|axis| {
            let at = order.iter().position(|&o| o == axis).unwrap();
            if flip[at] {
                grid.size[axis] as f64 - 1.0 + shift[axis]
            } else {
                shift[axis]
            }
        });
        Geometry {
            size,
            spacing: std::array::from_fn(|t| grid.spacing[order[t]] * factor[t]),
            direction,
            origin: grid.to_patient(start),
        }
    }

    fn any_order() -> impl Strategy<Value = [usize; 3]> {
        Just([0usize, 1, 2]).prop_shuffle()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn on_its_own_grid_a_volume_is_itself(grid in any_geometry(), nudge in -1e-9..1e-9f64) {
            let volume = ramp(&grid, [1.0, -2.0, 0.5], 10.0);
            let mut same = grid.clone();
            same.origin[0] += nudge;
            for interpolation in [Interpolation::Linear, Interpolation::Nearest] {
                let back = resample_onto(&volume, &same, interpolation, -1000.0);
                for (a, b) in back.voxels.iter().zip(&volume.voxels) {
                    prop_assert!((a - b).abs() < 1e-3, "{a} was {b}");
                }
            }
        }

        #[test]
        fn a_constant_stays_constant_and_outside_is_outside(source in any_geometry(), target in any_geometry(), constant in -1000.0..3000.0f32) {
            // Grids that share a corner of the patient, so that some voxels are inside and some outside.
            let target = Geometry { origin: source.to_patient([0.5; 3]), ..target };
            let volume = Volume { voxels: vec![constant; source.len()], geometry: source.clone() };
            for interpolation in [Interpolation::Linear, Interpolation::Nearest] {
                let result = resample_onto(&volume, &target, interpolation, -2000.0);
                for (at, point) in positions(&target) {
                    let depth = depth(&source, point);
                    let found = result.voxels[at];
                    if depth > -0.4999 {
                        prop_assert!((found - constant).abs() < 1e-3 * constant.abs().max(1.0), "{found} for {constant}");
                    } else if depth < -0.5001 {
                        prop_assert_eq!(found, -2000.0);
                    }
                }
            }
        }

        #[test]
        fn a_linear_ramp_is_exact_inside_on_any_oblique_grid(
            source in any_geometry(), target in any_geometry(), a in prop::array::uniform3(-3.0..3.0f64), b in -500.0..500.0f64,
        ) {
            let source = Geometry { size: [24, 22, 20], spacing: source.spacing.map(|s| s / 4.0), ..source };
            let target = Geometry { origin: source.to_patient([10.0, 8.0, 9.0]), ..target };
            let result = resample_onto(&ramp(&source, a, b), &target, Interpolation::Linear, f32::NAN);
            let reduction = VoxelMap::between(&target, &source).reduction();
            let margin = reduction.iter().map(|&r| gaussian(r).len() as f64 / 2.0).fold(0.0, f64::max);
            for (at, point) in positions(&target) {
                if depth(&source, point) > margin {
                    let expected = value(point, a, b);
                    prop_assert!((f64::from(result.voxels[at]) - expected).abs() < 1e-2, "{} for {expected}", result.voxels[at]);
                }
            }
        }

        #[test]
        fn a_linear_ramp_is_exact_inside_on_agreeing_axes(
            source in any_geometry(), order in any_order(), flip in prop::array::uniform3(any::<bool>()),
            factor in prop::array::uniform3(0.3..4.0f64), shift in prop::array::uniform3(-0.7..0.7f64),
            a in prop::array::uniform3(-3.0..3.0f64),
        ) {
            let source = Geometry { size: [24, 20, 16], ..source };
            let target = turned(&source, order, flip, factor, shift);
            let map = VoxelMap::between(&target, &source);
            prop_assert!(map.agreeing_axes(target.size).is_some(), "the fast path is taken");
            let result = resample_onto(&ramp(&source, a, 0.0), &target, Interpolation::Linear, -9999.0);
            let margin = map.reduction().iter().map(|&r| gaussian(r).len() as f64 / 2.0).fold(0.0, f64::max);
            for (at, point) in positions(&target) {
                let depth = depth(&source, point);
                let found = f64::from(result.voxels[at]);
                if depth > margin {
                    let expected = value(point, a, 0.0);
                    prop_assert!((found - expected).abs() < 1e-2, "{found} for {expected}");
                } else if depth < -0.5001 {
                    prop_assert_eq!(found, -9999.0);
                }
            }
        }

        #[test]
        fn both_paths_agree(
            source in any_geometry(), order in any_order(), flip in prop::array::uniform3(any::<bool>()),
            factor in prop::array::uniform3(0.3..3.0f64), shift in prop::array::uniform3(-0.7..0.7f64), seed in any::<u64>(),
        ) {
            let source = Geometry { size: [12, 10, 9], ..source };
            let target = turned(&source, order, flip, factor, shift);
            let voxels = (0..source.len() as u64).map(|at| (at.wrapping_mul(seed | 1) >> 40) as f32 / 1e4).collect();
            let volume = Volume { geometry: source, voxels };
            let map = VoxelMap::between(&target, &volume.geometry);
            let slicewise = Slicewise::between(&volume.geometry, &target).unwrap();
            let fast = along_axes(&volume, slicewise, -5.0).voxels;
            let general = oblique(&volume, &target, &map, -5.0);
            for (at, point) in positions(&target) {
                // At the edge the one smooths before it clamps and the other after.
                let margin = map.reduction().iter().map(|&r| gaussian(r).len() as f64 / 2.0).fold(0.0, f64::max);
                if depth(&volume.geometry, point) > margin {
                    prop_assert!((fast[at] - general[at]).abs() < 1e-2, "{} and {}", fast[at], general[at]);
                }
            }
        }

        #[test]
        fn labels_follow_their_position(source in any_geometry(), order in any_order(), flip in prop::array::uniform3(any::<bool>())) {
            // The same voxels in another order of axes: every label is where it was.
            let target = turned(&source, order, flip, [1.0; 3], [0.0; 3]);
            let labels: Vec<u16> = (0..source.len() as u16).map(|at| at + 1).collect();
            let turned = LabelVolume::exclusive(source.clone(), labels).resampled(&target);
            for (at, point) in positions(&target) {
                let voxel = source.to_index(point).map(f64::round);
                let inside = (0..3).all(|axis| voxel[axis] >= 0.0 && (voxel[axis] as usize) < source.size[axis]);
                let expected = if inside {
                    source.index(voxel[0] as usize, voxel[1] as usize, voxel[2] as usize) as u16 + 1
                } else {
                    0
                };
                prop_assert_eq!(turned.layers[0][at], expected);
            }
        }

        #[test]
        fn a_slice_is_the_slice_of_the_whole(source in any_geometry(), target in any_geometry()) {
            let target = Geometry { origin: source.to_patient([0.5; 3]), spacing: source.spacing.map(|s| s / 2.0), ..target };
            let field = ramp(&source, [1.0, 2.0, 3.0], 0.0);
            let per_slice = target.size[0] * target.size[1];
            let mut slice = vec![0.0; per_slice];
            for k in 0..target.size[2] {
                resample_slice(&field.voxels, &source, &target, k, &mut slice);
                for (at, &found) in slice.iter().enumerate() {
                    let point = target.to_patient([(at % target.size[0]) as f64, (at / target.size[0]) as f64, k as f64]);
                    if depth(&source, point) > 1e-6 {
                        prop_assert!((f64::from(found) - value(point, [1.0, 2.0, 3.0], 0.0)).abs() < 1e-2);
                    } else if depth(&source, point) < -0.5001 {
                        prop_assert_eq!(found, 0.0);
                    }
                }
            }
        }
    }

    #[test]
    fn stripes_too_fine_for_the_grid_become_grey_and_not_other_stripes() {
        let fine = Geometry::axial([120, 4, 4], [1.0; 3], [0.0; 3]);
        let stripes = (0..fine.len())
            .map(|at| if at % 2 == 0 { 100.0 } else { 0.0 })
            .collect();
        let volume = Volume {
            geometry: fine.clone(),
            voxels: stripes,
        };
        let coarse = volume.resampled(&fine.canonical([3.0, 1.0, 1.0]), 0.0);
        for &voxel in &coarse.voxels[3..37] {
            assert!((voxel - 50.0).abs() < 2.0, "{voxel}");
        }
    }

    #[test]
    fn a_structure_keeps_its_volume_when_the_grid_gets_coarser() {
        let fine = Geometry::axial([60, 60, 60], [1.0; 3], [0.0; 3]);
        let middle = [31.3, 28.6, 30.0];
        let share = |(_, point): (usize, [f64; 3])| {
            let square: f64 = (0..3).map(|a| (point[a] - middle[a]).powi(2)).sum();
            f32::from(u8::from(square < 64.0))
        };
        let volume = Volume {
            voxels: positions(&fine).map(share).collect(),
            geometry: fine.clone(),
        };
        let coarse = volume.resampled(&fine.canonical([3.0; 3]), 0.0);
        let before: f32 = volume.voxels.iter().sum();
        let after = coarse.voxels.iter().sum::<f32>() * 27.0;
        assert!(
            (after / before - 1.0).abs() < 0.01,
            "{before} mm3 became {after}"
        );
    }
}
