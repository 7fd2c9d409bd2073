//! A volume on its way to another grid, slice by slice: the whole of it need not be in memory.

use std::sync::OnceLock;

use rayon::prelude::*;

use super::axis_weights::{Taps, axis_taps};
use super::voxel_map::VoxelMap;
use super::{Geometry, Volume};

/// Brings a volume to a grid whose axes are its own up to order and sign, by [`super::Interpolation::Linear`].
///
/// It takes the slices in any order, from any thread, and keeps of each what lies on the target grid within the slice.
#[derive(Debug)]
pub struct Slicewise {
    /// Of the source.
    columns: usize,
    target: Geometry,
    /// The target's axis along each of the source's.
    target_of: [usize; 3],
    /// For each of the source's axes, what makes a voxel of the target.
    taps: [Vec<Option<Taps>>; 3],
    /// Rows are summed up before columns are.
    rows_first: bool,
    planes: Vec<OnceLock<Plane>>,
}

/// A slice on the target grid's columns and rows.
#[derive(Debug)]
struct Plane {
    /// What is no number counts as 0.
    values: Vec<f32>,
    /// Of each value, how much is made of what is no number; `None` where all are numbers.
    missing: Option<Vec<f32>>,
    /// The lowest number; infinite where there is none.
    lowest: f32,
}

impl Slicewise {
    /// From one grid to another; `None` where their axes do not agree, or one of them is empty.
    pub fn between(source: &Geometry, target: &Geometry) -> Option<Self> {
        if source.is_empty() || target.is_empty() {
            return None;
        }
        let map = VoxelMap::between(target, source);
        let target_of = map.agreeing_axes(target.size)?;
        let reduction = map.reduction();
        Some(Self {
            columns: source.size[0],
            target: target.clone(),
            target_of,
            taps: std::array::from_fn(|axis| {
                let along = target_of[axis];
                axis_taps(
                    source.size[axis],
                    target.size[along],
                    map.offset[axis],
                    map.matrix[axis][along],
                )
            }),
            // The stronger reduction leaves less to the other; of equal ones this, whose sums go side by side.
            rows_first: reduction[1] >= reduction[0],
            planes: (0..source.size[2]).map(|_| OnceLock::new()).collect(),
        })
    }

    /// Takes slice `k` of the source: columns times rows of its voxels. What is no finite number, such as padding, gets
    /// the lowest number of all slices.
    pub fn take(&self, k: usize, slice: &[f32]) {
        let Some(plane) = self.planes.get(k) else {
            return;
        };
        let made = if slice.iter().fold(true, |all, v| all & v.is_finite()) {
            Plane {
                values: self.in_plane(slice),
                missing: None,
                lowest: lowest(slice),
            }
        } else {
            let numbers: Vec<f32> = slice.iter().copied().filter(|v| v.is_finite()).collect();
            let lowest = lowest(&numbers);
            let where_finite = |yes: fn(f32) -> f32, no: f32| -> Vec<f32> {
                let of = |v: &f32| if v.is_finite() { yes(*v) } else { no };
                self.in_plane(&slice.iter().map(of).collect::<Vec<f32>>())
            };
            Plane {
                values: where_finite(|v| v, 0.0),
                missing: Some(where_finite(|_| 0.0, 1.0)),
                lowest,
            }
        };
        // A slice that comes twice is the same slice.
        let _ = plane.set(made);
    }

    /// The volume on the target grid, when every slice was taken. A voxel whose centre lies in no source voxel gets
    /// what `outside` makes of the lowest number of all; 0 stands for that where there is none.
    pub fn finish(self, outside: impl FnOnce(f32) -> f32) -> Volume {
        let planes: Vec<Option<Plane>> =
            self.planes.into_iter().map(OnceLock::into_inner).collect();
        let lowest = planes.iter().flatten().map(|plane| plane.lowest);
        let lowest = lowest.fold(f32::INFINITY, f32::min);
        let lowest = if lowest.is_finite() { lowest } else { 0.0 };
        let outside = outside(lowest);
        let [columns, rows, slices] = [0, 1, 2].map(|axis| self.taps[axis].len());
        let planes: Vec<Vec<f32>> = planes
            .into_iter()
            .map(|plane| match plane {
                Some(plane) => plane.filled(lowest),
                None => vec![outside; columns * rows],
            })
            .collect();
        let is_inside = |axis: usize, at: usize| self.taps[axis][at].is_some();
        let inner: Vec<bool> = (0..columns * rows)
            .map(|at| is_inside(0, at % columns) && is_inside(1, at / columns))
            .collect();
        let mut voxels = vec![outside; columns * rows * slices];
        voxels
            .par_chunks_mut(columns * rows)
            .zip(&self.taps[2])
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
            [columns, rows, slices],
            self.target_of,
            &self.target,
        );
        Volume {
            geometry: self.target,
            voxels,
        }
    }

    /// A slice on the target grid's columns and rows.
    fn in_plane(&self, slice: &[f32]) -> Vec<f32> {
        let (columns, [of_columns, of_rows, _]) = (self.columns, &self.taps);
        if self.rows_first {
            along_columns(&along_rows(slice, columns, of_rows), columns, of_columns)
        } else {
            let summed = along_columns(slice, columns, of_columns);
            along_rows(&summed, of_columns.len(), of_rows)
        }
    }
}

impl Plane {
    fn filled(self, lowest: f32) -> Vec<f32> {
        let mut values = self.values;
        for (value, missing) in values.iter_mut().zip(self.missing.iter().flatten()) {
            *value += lowest * missing;
        }
        values
    }
}

/// Weighted sums of rows of so many columns, one for each of `taps`.
pub(super) fn along_rows(slice: &[f32], columns: usize, taps: &[Option<Taps>]) -> Vec<f32> {
    let mut summed = vec![0.0; columns * taps.len()];
    for (row, taps) in summed.chunks_exact_mut(columns).zip(taps) {
        if let Some(taps) = taps {
            weigh(row, taps, |at| &slice[at * columns..][..columns]);
        }
    }
    summed
}

/// Weighted sums within rows of so many columns, one for each of `taps`.
pub(super) fn along_columns(slice: &[f32], columns: usize, taps: &[Option<Taps>]) -> Vec<f32> {
    let mut summed = vec![0.0; slice.len() / columns * taps.len()];
    let rows = summed.chunks_exact_mut(taps.len().max(1));
    for (sums, row) in rows.zip(slice.chunks_exact(columns)) {
        for (sum, taps) in sums.iter_mut().zip(taps) {
            if let Some(Taps { first, weights }) = taps {
                *sum = product(&row[*first..][..weights.len()], weights);
            }
        }
    }
    summed
}

/// The lowest of some numbers, looked at side by side; infinite where there is none.
fn lowest(numbers: &[f32]) -> f32 {
    let (chunks, rest) = numbers.as_chunks::<16>();
    let mut lowest = [f32::INFINITY; 16];
    for chunk in chunks {
        for (lowest, number) in lowest.iter_mut().zip(chunk) {
            *lowest = if number < lowest { *number } else { *lowest };
        }
    }
    let all = lowest.iter().chain(rest);
    all.copied().fold(f32::INFINITY, f32::min)
}

/// The sum of the products, four side by side.
fn product(values: &[f32], weights: &[f32]) -> f32 {
    let (values, last) = values.as_chunks::<4>();
    let (weights, last_weights) = weights.as_chunks::<4>();
    let mut sums = [0.0f32; 4];
    for (values, weights) in values.iter().zip(weights) {
        for ((sum, value), weight) in sums.iter_mut().zip(values).zip(weights) {
            *sum += value * weight;
        }
    }
    let last = last.iter().zip(last_weights).map(|(v, w)| v * w);
    sums.iter().sum::<f32>() + last.sum::<f32>()
}

/// Fills `out` with the weighted sum of parts.
pub(super) fn weigh<'a>(out: &mut [f32], taps: &Taps, part: impl Fn(usize) -> &'a [f32]) {
    out.fill(0.0);
    for (at, &weight) in (taps.first..).zip(&taps.weights) {
        for (out, value) in out.iter_mut().zip(part(at)) {
            *out += weight * value;
        }
    }
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
    use proptest::prelude::*;

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
