//! Voxels that a class won on the network's grid and that are no part of what it is: specks, and islands beside a
//! structure of one piece.

use rayon::prelude::*;

use super::parts::{beside_the_main, specks};
use super::source_grid::{Probabilities, class_of, label_of};
use crate::volume::Geometry;
use std::ops::Range;

impl Probabilities {
    /// For each class the voxels of components smaller than `share` of its largest, or of all but the main one where it
    /// is `one_piece`; `winners` as [`Probabilities::winners`] gives them.
    pub(super) fn strays(
        &self,
        winners: &[Vec<u16>],
        share: f64,
        one_piece: &[bool],
    ) -> Vec<Vec<usize>> {
        let mut boxes = vec![None; self.classes];
        for won in winners {
            self.extend(&mut boxes, won);
        }
        let of_class = |class: usize| {
            let Some((at, won)) = &boxes[class] else {
                return Vec::new();
            };
            let label = label_of(class);
            let mask: Vec<bool> = at
                .rows()
                .flat_map(|row| won[row].iter().map(|won| *won == label))
                .collect();
            let strays = match one_piece.get(class) {
                Some(true) => beside_the_main(
                    &mask,
                    at.size(),
                    &|n| self.values[at.voxel(n) * self.classes + class],
                    &|n| self.geometry.is_at_edge(at.place(n)),
                ),
                _ => specks(&mask, at.size(), share),
            };
            strays.into_iter().map(|n| at.voxel(n)).collect()
        };
        (0..self.classes).into_par_iter().map(of_class).collect()
    }

    /// Makes the classes impossible at their strays.
    pub(super) fn take_out(&mut self, strays: &[Vec<usize>]) {
        for (class, voxels) in strays.iter().enumerate() {
            for voxel in voxels {
                // Below the threshold at every corner stays below it between them.
                self.values[voxel * self.classes + class] = 0.0;
            }
        }
    }

    /// Extends the box of each class by the voxels that it won.
    fn extend<'b>(&'b self, boxes: &mut [Option<(Box3<'b>, &'b [u16])>], won: &'b [u16]) {
        let [columns, rows, _] = self.geometry.size;
        for (number, row) in won.chunks_exact(columns).enumerate() {
            let mut last = 0;
            for (i, &label) in row.iter().enumerate() {
                // Most voxels are nothing, or what the one before them is.
                if label == 0 || label == last && row.get(i + 1) == Some(&label) {
                    continue;
                }
                last = label;
                let Some(class) = class_of(label) else {
                    continue;
                };
                let place = [i, number % rows, number / rows];
                let (at, _) = boxes[class].get_or_insert((Box3::of(place, &self.geometry), won));
                at.extend(place);
            }
        }
    }
}

/// What was won, without the strays.
pub(super) fn without(mut winners: Vec<Vec<u16>>, strays: &[Vec<usize>]) -> Vec<Vec<u16>> {
    for won in &mut winners {
        for (class, voxels) in strays.iter().enumerate() {
            for voxel in voxels {
                if won[*voxel] == label_of(class) {
                    won[*voxel] = 0;
                }
            }
        }
    }
    winners
}

/// A box of voxels of a grid.
#[derive(Debug, Clone, Copy)]
struct Box3<'g> {
    first: [usize; 3],
    last: [usize; 3],
    grid: &'g Geometry,
}

impl<'g> Box3<'g> {
    fn of(place: [usize; 3], grid: &'g Geometry) -> Self {
        Self {
            first: place,
            last: place,
            grid,
        }
    }

    fn extend(&mut self, place: [usize; 3]) {
        for (axis, at) in place.into_iter().enumerate() {
            self.first[axis] = self.first[axis].min(at);
            self.last[axis] = self.last[axis].max(at);
        }
    }

    fn size(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.last[axis] + 1 - self.first[axis])
    }

    /// Where a voxel of the box lies in the grid.
    fn place(&self, at: usize) -> [usize; 3] {
        let [columns, rows, _] = self.size();
        let place = [at % columns, at / columns % rows, at / (columns * rows)];
        std::array::from_fn(|axis| self.first[axis] + place[axis])
    }

    /// The grid's voxel of a voxel of the box.
    fn voxel(&self, at: usize) -> usize {
        let [i, j, k] = self.place(at);
        self.grid.index(i, j, k)
    }

    /// The grid's voxels of each row of the box.
    fn rows(&self) -> impl Iterator<Item = Range<usize>> {
        let [columns, rows, slices] = self.size();
        let [i, j, k] = self.first;
        (0..slices).flat_map(move |slice| {
            (0..rows).map(move |row| {
                let first = self.grid.index(i, j + row, k + slice);
                first..first + columns
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::source_grid::Group;
    use proptest::prelude::*;

    #[test]
    fn specks_vanish_and_the_body_stays() {
        let geometry = Geometry::axial([10, 4, 4], [4.0; 3], [0.0; 3]);
        let values = (0..geometry.len())
            .map(|voxel| {
                if voxel % 10 < 4 || voxel == 9 {
                    1.0
                } else {
                    0.0
                }
            })
            .collect();
        let mut probabilities = Probabilities {
            geometry,
            classes: 1,
            values,
            beyond: vec![0.0],
        };
        let groups = [Group { classes: 0..1 }];
        let strays = probabilities.strays(&probabilities.winners(&groups, 0.5), 0.05, &[]);
        probabilities.take_out(&strays);
        let labels = probabilities
            .labels_on(&probabilities.geometry, &groups, 0.5)
            .to_volume();
        assert_eq!(labels.voxel_count(1), 64);
    }

    proptest! {
        #[test]
        fn what_is_left_out_is_what_the_whole_grid_would_show(
            values in prop::collection::vec(0.0f32..1.0, 2 * 6 * 5 * 4),
            share in 0.0f64..0.9,
            one_piece in prop::array::uniform2(any::<bool>()),
        ) {
            let geometry = Geometry::axial([6, 5, 4], [4.0; 3], [0.0; 3]);
            let size = geometry.size;
            let groups = [Group { classes: 0..2 }];
            let found = Probabilities { geometry, classes: 2, values, beyond: vec![0.0; 2] };
            let winners = found.winners(&groups, 0.6);
            let strays = found.strays(&winners, share, &one_piece);
            for class in 0..2 {
                let mask: Vec<bool> = winners[0].iter().map(|won| *won == class as u16 + 1).collect();
                let meant = if one_piece[class] {
                    let probability = |at: usize| found.values[at * 2 + class];
                    let is_at_edge = |at: usize| found.geometry.is_at_edge(found.geometry.voxel(at));
                    beside_the_main(&mask, size, &probability, &is_at_edge)
                } else {
                    specks(&mask, size, share)
                };
                prop_assert_eq!(&strays[class], &meant);
            }
            let kept = without(winners.clone(), &strays);
            let mut taken_out = found.clone();
            taken_out.take_out(&strays);
            for (voxel, (kept, won)) in kept[0].iter().zip(&winners[0]).enumerate() {
                let is_stray = strays.iter().any(|strays| strays.contains(&voxel));
                prop_assert_eq!(*kept, if is_stray { 0 } else { *won });
                prop_assert_eq!(taken_out.values[voxel * 2..][..2].contains(&0.0), is_stray);
            }
        }
    }
}
