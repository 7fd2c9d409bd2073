//! The part of the network's grid that can hold anything: what follows the network looks at no more.

use tch::{Kind, TchError, Tensor};

use super::source_grid::Probabilities;
use crate::iris::{Found, placed};
use crate::volume::Geometry;

/// A box of voxels of a grid, as a tensor's axes count them: slices, rows, columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    first: [i64; 3],
    size: [i64; 3],
}

impl Extent {
    /// All of a grid.
    pub(super) fn whole(grid: &Geometry) -> Self {
        Self {
            first: [0; 3],
            size: tensor_size(grid),
        }
    }

    /// The box around every voxel at which some class is likelier than `least`, and one voxel more on each side where the
    /// grid has one: what is interpolated at the border of a segment lies between such voxels, and a segment reaches the
    /// edge of the box only where it reaches the edge of the grid.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn of(found: &Found, grid: &Geometry, least: f32) -> Result<Self, TchError> {
        let all = tensor_size(grid);
        // Where there is nothing, a voxel of nothing and its neighbours.
        let nothing = found.start.map(|at| (at, at));
        let bounds = found.bounds(least)?.unwrap_or(nothing);
        let first = bounds.map(|(first, _)| (first - 1).max(0));
        let size = std::array::from_fn(|axis| (bounds[axis].1 + 2).min(all[axis]) - first[axis]);
        Ok(Self { first, size })
    }

    /// What one context found in the box, and how much beyond it.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn probabilities(
        &self,
        found: Tensor,
        start: [i64; 3],
        grid: &Geometry,
    ) -> Result<Probabilities, TchError> {
        let classes = found.size()[0] as usize;
        let mut inside = found.shallow_clone();
        let mut begins = [0; 3];
        for axis in 0..3 {
            let length = found.size()[axis + 1];
            let from = (self.first[axis] - start[axis]).clamp(0, length);
            let end = (self.first[axis] + self.size[axis] - start[axis]).clamp(from, length);
            inside = inside.f_narrow(axis as i64 + 1, from, end - from)?;
            begins[axis] = (start[axis] - self.first[axis]).clamp(0, self.size[axis]);
        }
        let all = sums(&found)?;
        drop(found);
        let here = sums(&inside)?;
        inside = placed(&inside, begins, self.size)?;
        let classes_last = inside.f_permute([1, 2, 3, 0])?.f_contiguous()?;
        // It holds all that was found.
        drop(inside);
        let [d, h, w] = self.first.map(|n| n as f64);
        Ok(Probabilities {
            values: Vec::<f32>::try_from(classes_last.f_view([-1])?)?,
            geometry: Geometry {
                size: self.size_of_grid(),
                origin: grid.to_patient([w, h, d]),
                ..grid.clone()
            },
            classes,
            beyond: all
                .iter()
                .zip(&here)
                .map(|(all, here)| (all - here).max(0.0))
                .collect(),
        })
    }

    /// Brings a mask `[d, h, w]` of the box to all of a grid, `[D, H, W]`.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn mask_on(&self, mask: &[f32], grid: &Geometry) -> Result<Tensor, TchError> {
        let mask = Tensor::from_slice(mask).f_view(self.size)?;
        placed(&mask, self.first, tensor_size(grid))
    }

    fn size_of_grid(&self) -> [usize; 3] {
        let [d, h, w] = self.size.map(|n| n as usize);
        [w, h, d]
    }
}

/// Columns, rows and slices as slices, rows and columns.
fn tensor_size(grid: &Geometry) -> [i64; 3] {
    let [w, h, d] = grid.size.map(|n| n as i64);
    [d, h, w]
}

/// The sum of each class of `[K, D, H, W]`: a slice after the other, so that it does not depend on threads.
fn sums(found: &Tensor) -> Result<Vec<f64>, TchError> {
    let slices = found.f_sum_dim_intlist([2i64, 3].as_slice(), false, Kind::Float)?;
    let [classes, depth] = [0, 1].map(|axis| found.size()[axis] as usize);
    let slices = Vec::<f32>::try_from(slices.f_contiguous()?.f_view([-1])?)?;
    let of = |class: usize| {
        let slices = &slices[class * depth..][..depth];
        slices.iter().map(|sum| f64::from(*sum)).sum()
    };
    Ok((0..classes).map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::source_grid::Group;
    use proptest::prelude::*;

    const GRID: [usize; 3] = [9, 8, 7];
    const LEAST: f32 = 0.02;
    const THRESHOLD: f32 = 0.5;

    proptest! {
        #[test]
        fn in_the_box_the_labels_are_those_of_the_whole_grid(
            start in prop::array::uniform3(0i64..3), size in prop::array::uniform3(1i64..5),
            likely in prop::collection::vec((0usize..250, 0.0f32..1.0), 0..6), fine in 1.0f64..5.0,
        ) {
            let grid = Geometry::axial(GRID, [4.0; 3], [-10.0, 20.0, 30.0]);
            let [d, h, w] = size;
            let mut values = vec![0.01f32; (2 * d * h * w) as usize];
            for (at, probability) in likely {
                let last = values.len();
                values[at % last] = probability;
            }
            let each = Tensor::from_slice(&values).view([2, d, h, w]);
            let found = Found { start, each: vec![each] };
            let of = |extent: Extent| extent.probabilities(found.each[0].shallow_clone(), start, &grid).unwrap();
            let extent = Extent::of(&found, &grid, LEAST).unwrap();
            let (boxed, whole) = (of(extent), of(Extent::whole(&grid)));

            let groups = [Group { classes: 0..2 }];
            let source = Geometry::axial([40, 30, 20], [fine, fine, 2.0], [-14.0, 18.0, 25.0]);
            let labels = boxed.labels_on(&source, &groups, THRESHOLD);
            prop_assert_eq!(labels, whole.labels_on(&source, &groups, THRESHOLD));

            // Each class adds up to what it was, and what it won lies where it lay, at the edge or not.
            for class in 0..2 {
                let sum = |found: &Probabilities| {
                    let values = found.values.iter().skip(class).step_by(2);
                    found.beyond[class] + values.map(|p| f64::from(*p)).sum::<f64>()
                };
                prop_assert!((sum(&boxed) - sum(&whole)).abs() < 1e-4);
            }
            let won = |found: &Probabilities| found.winners(&groups, THRESHOLD).remove(0);
            let mask: Vec<f32> = won(&boxed).iter().map(|label| f32::from(*label)).collect();
            let on_grid = Vec::<f32>::try_from(extent.mask_on(&mask, &grid).unwrap().view([-1])).unwrap();
            let meant: Vec<f32> = won(&whole).iter().map(|label| f32::from(*label)).collect();
            prop_assert_eq!(on_grid, meant);
            let at_edge = |found: &Probabilities| {
                let won = won(found).into_iter().enumerate();
                won.filter(|(at, label)| *label != 0 && found.geometry.is_at_edge(found.geometry.voxel(*at))).count()
            };
            prop_assert_eq!(at_edge(&boxed), at_edge(&whole));
        }
    }
}
