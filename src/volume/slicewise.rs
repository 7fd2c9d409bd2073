//! A volume on its way to another grid, slice by slice: the whole of it need not be in memory.

use std::sync::OnceLock;

use rayon::prelude::*;

use super::axis_weights::{Taps, axis_taps};
use super::in_plane::{InPlane, Plane, weigh};
use super::voxel_map::VoxelMap;
use super::{Geometry, Volume};

/// Brings a volume to a grid whose axes are its own up to order and sign, by [`super::Interpolation::Linear`].
///
/// It takes the slices in any order, from any thread, and keeps of each what lies on the target grid within the slice.
#[derive(Debug)]
pub struct Slicewise {
    target: Geometry,
    /// The target's axis along each of the source's.
    target_of: [usize; 3],
    in_plane: InPlane,
    /// For each of the target's slices, in the source's order, what makes it.
    slices: Vec<Option<Taps>>,
    planes: Vec<OnceLock<Plane>>,
}

impl Slicewise {
    /// From one grid to another; `None` where their axes do not agree, or one of them is empty.
    pub fn between(source: &Geometry, target: &Geometry) -> Option<Self> {
        if source.is_empty() || target.is_empty() {
            return None;
        }
        let map = VoxelMap::between(target, source);
        let target_of = map.agreeing_axes(target.size)?;
        let step = |axis: usize| unrounded(map.matrix[axis][target_of[axis]]);
        let [columns, rows, slices] = std::array::from_fn(|axis| {
            axis_taps(
                source.size[axis],
                target.size[target_of[axis]],
                unrounded(map.offset[axis]),
                step(axis),
            )
        });
        Some(Self {
            target: target.clone(),
            target_of,
            in_plane: InPlane::of(
                [source.size[0], source.size[1]],
                [columns, rows],
                [step(0), step(1)],
            ),
            slices,
            planes: (0..source.size[2]).map(|_| OnceLock::new()).collect(),
        })
    }

    /// How a slice of the source is brought to the target's columns and rows.
    pub fn in_plane(&self) -> &InPlane {
        &self.in_plane
    }

    /// Takes slice `k` of the source: columns times rows of its voxels. What is no finite number, such as padding, gets
    /// the lowest number of all slices.
    pub fn take(&self, k: usize, slice: &[f32]) {
        self.take_plane(k, self.in_plane.plane(slice));
    }

    /// Takes what [`Slicewise::in_plane`] made of slice `k` of the source.
    pub fn take_plane(&self, k: usize, plane: Plane) {
        if let Some(place) = self.planes.get(k) {
            // A slice that comes twice is the same slice.
            let _ = place.set(plane);
        }
    }

    /// Whether slice `k` of the source was taken.
    pub fn has(&self, k: usize) -> bool {
        self.planes
            .get(k)
            .is_some_and(|place| place.get().is_some())
    }

    /// The volume on the target grid, when every slice was taken. A voxel whose centre lies in no source voxel gets
    /// what `outside` makes of the lowest number of all; 0 stands for that where there is none.
    pub fn finish(self, outside: impl FnOnce(f32) -> f32) -> Volume {
        let planes: Vec<Option<Plane>> =
            self.planes.into_iter().map(OnceLock::into_inner).collect();
        let lowest = planes.iter().flatten().map(Plane::lowest);
        let lowest = lowest.fold(f32::INFINITY, f32::min);
        let lowest = if lowest.is_finite() { lowest } else { 0.0 };
        let outside = outside(lowest);
        let [columns, rows] = self.in_plane.target_size();
        let planes: Vec<Vec<f32>> = planes
            .into_iter()
            .map(|plane| match plane {
                Some(plane) => plane.filled(lowest),
                None => vec![outside; columns * rows],
            })
            .collect();
        let inner = self.in_plane.inner();
        let mut voxels = vec![outside; columns * rows * self.slices.len()];
        voxels
            .par_chunks_mut(columns * rows)
            .zip(&self.slices)
            .for_each(|(slice, taps)| {
                let Some(taps) = taps else {
                    return;
                };
                weigh(slice, taps, |at| &planes[at]);
                for (voxel, inner) in slice.iter_mut().zip(&inner) {
                    if !inner {
                        *voxel = outside;
                    }
                }
            });
        let voxels = turned(
            voxels,
            [columns, rows, self.slices.len()],
            self.target_of,
            &self.target,
        );
        Volume {
            geometry: self.target,
            voxels,
        }
    }
}

/// A coordinate without what rounding made of it on its way through the patient's: slices of one stack are then summed up
/// alike, wherever they lie in it.
fn unrounded(voxels: f64) -> f64 {
    const STEPS: f64 = (1u64 << 32) as f64;
    (voxels * STEPS).round() / STEPS
}

/// Voxels in the order of the source's axes, in that of the target's.
fn turned(
    voxels: Vec<f32>,
    size: [usize; 3],
    target_of: [usize; 3],
    target: &Geometry,
) -> Vec<f32> {
    if target_of == [0, 1, 2] {
        return voxels;
    }
    let mut source_stride = [0; 3];
    let strides = [1, size[0], size[0] * size[1]];
    for axis in 0..3 {
        source_stride[target_of[axis]] = strides[axis];
    }
    let [columns, rows, _] = target.size;
    let mut turned = vec![0.0; voxels.len()];
    turned
        .par_chunks_mut(columns * rows)
        .enumerate()
        .for_each(|(k, slice)| {
            for (j, row) in slice.chunks_exact_mut(columns).enumerate() {
                let base = k * source_stride[2] + j * source_stride[1];
                for (i, voxel) in row.iter_mut().enumerate() {
                    *voxel = voxels[base + i * source_stride[0]];
                }
            }
        });
    turned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::any_geometry;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    proptest! {
        #[test]
        fn what_is_no_number_counts_as_the_lowest_and_slices_come_in_any_order(
            values in prop::collection::vec(prop_oneof![3 => -1000.0f32..1000.0, 1 => Just(f32::NAN)], 7 * 6 * 5),
            spacing in prop::array::uniform3(0.6f64..3.0), turn in any::<bool>(), backwards in any::<bool>(),
        ) {
            let source = Geometry::axial([7, 6, 5], [1.0; 3], [0.0; 3]);
            let mut target = source.canonical(spacing);
            if turn {
                target.direction.swap(0, 2);
                target.size.swap(0, 2);
                target.spacing.swap(0, 2);
            }
            let on_target = |values: &[f32]| {
                let slicewise = Slicewise::between(&source, &target).unwrap();
                let mut slices: Vec<(usize, &[f32])> = values.chunks(7 * 6).enumerate().collect();
                if backwards {
                    slices.reverse();
                }
                for (k, slice) in slices {
                    slicewise.take(k, slice);
                }
                slicewise.finish(|lowest| lowest - 7.0).voxels
            };
            let lowest = values.iter().copied().fold(f32::INFINITY, f32::min);
            let lowest = if lowest.is_finite() { lowest } else { 0.0 };
            let filled: Vec<f32> = values.iter().map(|v| if v.is_nan() { lowest } else { *v }).collect();
            for (found, meant) in on_target(&values).iter().zip(on_target(&filled)) {
                prop_assert!((found - meant).abs() < 1e-2, "{found} for {meant}");
            }
        }
    }

    #[test]
    fn a_slice_is_summed_up_alike_whether_the_others_are_known_or_not() {
        let mut runner = TestRunner::deterministic();
        let mut alike = 0;
        for isotropic in [true, false].repeat(100) {
            let mut stack = any_geometry().new_tree(&mut runner).unwrap().current();
            if isotropic {
                stack.spacing[1] = stack.spacing[0];
            }
            let in_plane = |source: &Geometry| {
                let slicewise = Slicewise::between(source, &source.canonical([4.0; 3]));
                slicewise.unwrap().in_plane
            };
            let [_, _, slices] = stack.size;
            let mut one = stack.clone();
            one.origin = stack.to_patient([0.0, 0.0, (slices - 1) as f64]);
            one.size[2] = 1;
            one.spacing[2] = 1.0;
            alike += usize::from(in_plane(&one) == in_plane(&stack));
        }
        // Where a coordinate lies as good as between two steps of `unrounded`, rounding still decides.
        assert!(alike >= 198, "{alike} of 200");
    }

    #[test]
    fn grids_whose_axes_cross_are_for_others() {
        let axial = Geometry::axial([4; 3], [1.0; 3], [0.0; 3]);
        let (sine, cosine) = 0.1f64.sin_cos();
        let tilted = Geometry {
            direction: [[1.0, 0.0, 0.0], [0.0, cosine, sine], [0.0, -sine, cosine]],
            ..axial.clone()
        };
        assert!(Slicewise::between(&axial, &tilted).is_none());
        assert!(Slicewise::between(&axial, &axial).is_some());
    }
}
