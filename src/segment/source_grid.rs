//! From probabilities on the network's grid to labels on the source grid.

use std::ops::Range;

use rayon::prelude::*;

use super::along_rows::{Inhabited, Row};
use super::cells::{Cells, Classes, bit};
use super::layers::spread;
use crate::volume::{Geometry, LabelRuns, VoxelMap};

/// Classes that exclude one another (the segments of an exclusive task, or one segment of an overlapping one).
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// Classes in the network's output.
    pub(super) classes: Range<usize>,
}

/// Probabilities of `K` classes on the network's grid, or on a box of it, the classes of a voxel side by side:
/// `[D, H, W, K]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Probabilities {
    pub(super) geometry: Geometry,
    pub(super) classes: usize,
    pub(super) values: Vec<f32>,
    /// Of each class, the sum of the probabilities that it has beyond the box; see [`super::extent::Extent`].
    pub(super) beyond: Vec<f64>,
}

/// Voxels of a row that are interpolated together.
const LANES: usize = 8;

/// The label of a class in maps of labels: 0 is nothing.
pub(super) fn label_of(class: usize) -> u16 {
    u16::try_from(class + 1).unwrap_or(u16::MAX)
}

/// The class of a label; `None` for nothing.
pub(super) fn class_of(label: u16) -> Option<usize> {
    usize::from(label).checked_sub(1)
}

impl Group {
    /// The label of its first class: see [`Probabilities::winners`].
    pub(super) fn first_label(&self) -> u16 {
        label_of(self.classes.start)
    }

    fn bits(&self) -> Classes {
        self.classes
            .clone()
            .fold(0, |bits, class| bits | bit(class))
    }
}

impl Probabilities {
    /// Fills slice `k` of a grid with the probability of the segment `number` (from 1), 255 for certain: trilinearly
    /// interpolated, as for the labels. A number that is none leaves zeros.
    pub fn fill(&self, grid: &Geometry, number: u16, k: usize, slice: &mut [u8]) {
        let Some(class) = usize::from(number)
            .checked_sub(1)
            .filter(|class| *class < self.classes)
        else {
            slice.fill(0);
            return;
        };
        let to_network = VoxelMap::between(grid, &self.geometry);
        let columns = grid.size[0].max(1);
        slice
            .par_chunks_mut(columns)
            .enumerate()
            .for_each(|(j, values)| {
                let row = Row::on(&to_network, self.geometry.size, j, k);
                for (i, value) in values.iter_mut().enumerate() {
                    let cell = self.cell(row.cell(i), [row.position(i)]);
                    let [probability] = self.interpolated(&cell, class);
                    *value = (probability * 255.0).round().clamp(0.0, 255.0) as u8;
                }
            });
    }

    /// What each voxel is on the network's grid: for each group a label map, class `c` as `c + 1`, 0 for nothing.
    pub(super) fn winners(&self, groups: &[Group], threshold: f32) -> Vec<Vec<u16>> {
        groups
            .iter()
            .map(|group| {
                let voxels = self.values.par_chunks_exact(self.classes.max(1));
                voxels
                    .map(|values| {
                        let values = values[group.classes.clone()].iter().copied();
                        most_likely(group.classes.clone().zip(values), threshold)
                            .map_or(0, label_of)
                    })
                    .collect()
            })
            .collect()
    }

    /// Labels on another grid: class `c` becomes segment `c + 1` where its trilinearly interpolated probability
    /// is above `threshold` and the greatest of its group.
    ///
    /// Goes row by row, and along a row cell by cell of the network's grid: most cells hold nothing or are all of one
    /// class. Beside the result there is never more than a few voxels per thread, whatever the number of classes.
    pub(super) fn labels_on(&self, grid: &Geometry, groups: &[Group], threshold: f32) -> LabelRuns {
        let cells = Cells::of(self, threshold);
        let layer_of = spread(&meetings(groups, &cells.present));
        let count = layer_of.iter().max().map_or(1, |last| last + 1);
        let to_network = VoxelMap::between(grid, &self.geometry);
        let layers: Vec<(Vec<usize>, Classes, Option<Inhabited>)> = (0..count)
            .map(|layer| {
                let here = groups.iter().zip(&layer_of).filter(|(_, of)| **of == layer);
                let classes: Vec<usize> =
                    here.flat_map(|(group, _)| group.classes.clone()).collect();
                let all = classes.iter().fold(0, |bits, &class| bits | bit(class));
                let inhabited = cells.inhabited(all);
                (classes, all, inhabited)
            })
            .collect();
        LabelRuns::by_row(grid.clone(), count, |layer, [j, k], pieces| {
            let (classes, all, Some(inhabited)) = &layers[layer] else {
                return;
            };
            let row = Row::on(&to_network, self.geometry.size, j, k);
            let columns = row.columns_in(inhabited, grid.size[0]);
            pieces.push((0, columns.start));
            let mut first = columns.start;
            while first < columns.end {
                let low = row.cell(first);
                let end = row.end_of_cell(first, columns.end, low);
                let at = self.geometry.index(low[0], low[1], low[2]);
                let present = cells.present[at] & all;
                if present == 0 {
                    pieces.push((0, end - first));
                } else if cells.sure[at] != 0 {
                    pieces.push((cells.sure[at], end - first));
                } else {
                    let classes = classes
                        .iter()
                        .copied()
                        .filter(|&class| present & bit(class) != 0);
                    for first in (first..end).step_by(LANES) {
                        let places = std::array::from_fn(|lane| row.position(first + lane));
                        let labels =
                            self.likeliest(classes.clone(), &self.cell(low, places), threshold);
                        let count = LANES.min(end - first);
                        pieces.extend(labels[..count].iter().map(|&label| (label, 1)));
                    }
                }
                first = end;
            }
        })
    }

    /// The corners of the cell that starts at a voxel; beyond the border the border's voxels count again.
    pub(super) fn corners(&self, low: [usize; 3]) -> [usize; 8] {
        let size = self.geometry.size;
        let high: [usize; 3] = std::array::from_fn(|axis| (low[axis] + 1).min(size[axis] - 1));
        std::array::from_fn(|corner| {
            let pick = |axis: usize| {
                if corner >> axis & 1 == 0 {
                    low[axis]
                } else {
                    high[axis]
                }
            };
            self.geometry.index(pick(0), pick(1), pick(2))
        })
    }

    /// The label of the likeliest of some classes at each place of a cell, 0 where none is above the threshold: as
    /// [`most_likely`] of each place.
    fn likeliest(
        &self,
        classes: impl Iterator<Item = usize>,
        cell: &Cell<LANES>,
        threshold: f32,
    ) -> [u16; LANES] {
        let (mut labels, mut most) = ([0; LANES], [threshold; LANES]);
        for class in classes {
            let probabilities = self.interpolated(cell, class);
            for ((label, most), probability) in labels.iter_mut().zip(&mut most).zip(probabilities)
            {
                if probability > *most {
                    (*label, *most) = (label_of(class), probability);
                }
            }
        }
        labels
    }

    /// The cell that starts at a voxel, and some places in it: continuous voxel coordinates within the grid.
    fn cell<const N: usize>(&self, low: [usize; 3], places: [[f64; 3]; N]) -> Cell<N> {
        Cell {
            corners: self.corners(low),
            weights: weights_of_corners(places.map(|place| share(place, low))),
        }
    }

    /// Probability of a class at each place of a cell.
    fn interpolated<const N: usize>(&self, cell: &Cell<N>, class: usize) -> [f32; N] {
        let mut sums = [0.0; N];
        for (corner, weights) in cell.corners.iter().zip(&cell.weights) {
            let value = self.values[corner * self.classes + class];
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += weight * value;
            }
        }
        sums
    }
}

/// Which groups share a cell.
fn meetings(groups: &[Group], cells: &[Classes]) -> Vec<Vec<bool>> {
    let bits: Vec<Classes> = groups.iter().map(Group::bits).collect();
    let mut meet = vec![vec![false; groups.len()]; groups.len()];
    // Cells are many, kinds of cells are few.
    let kinds: std::collections::BTreeSet<Classes> =
        cells.iter().copied().filter(|cell| *cell != 0).collect();
    for kind in kinds {
        let here: Vec<usize> = (0..groups.len())
            .filter(|&group| bits[group] & kind != 0)
            .collect();
        for &a in &here {
            for &b in here.iter().filter(|&&b| b != a) {
                meet[a][b] = true;
            }
        }
    }
    meet
}

/// How far a continuous voxel coordinate lies into the cell that starts at `low`, along each axis.
fn share(position: [f64; 3], low: [usize; 3]) -> [f32; 3] {
    std::array::from_fn(|axis| (position[axis] - low[axis] as f64) as f32)
}

/// How much each corner of a cell counts at some places in it; see [`Probabilities::corners`].
fn weights_of_corners<const N: usize>(shares: [[f32; 3]; N]) -> [[f32; N]; 8] {
    std::array::from_fn(|corner| {
        shares.map(|share| {
            let of = |axis: usize| {
                if corner >> axis & 1 == 0 {
                    1.0 - share[axis]
                } else {
                    share[axis]
                }
            };
            of(0) * of(1) * of(2)
        })
    })
}

/// The corners of a cell, and how much each counts at some places in it.
struct Cell<const N: usize> {
    corners: [usize; 8],
    weights: [[f32; N]; 8],
}

fn most_likely(classes: impl Iterator<Item = (usize, f32)>, threshold: f32) -> Option<usize> {
    let mut best = None;
    let mut least = threshold;
    for (class, probability) in classes {
        if probability > least {
            (best, least) = (Some(class), probability);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two classes in two halves of a box that overlap in the middle.
    fn halves() -> Probabilities {
        let geometry = Geometry::axial([8, 4, 4], [4.0; 3], [0.0; 3]);
        let values = (0..geometry.len())
            .flat_map(|voxel| {
                let x = voxel % 8;
                [
                    if x < 5 { 0.9 } else { 0.0 },
                    if x >= 3 { 0.8 } else { 0.0 },
                ]
            })
            .collect();
        Probabilities {
            geometry,
            classes: 2,
            values,
            beyond: vec![0.0; 2],
        }
    }

    #[test]
    fn exclusive_classes_share_a_layer_and_the_likelier_wins() {
        let probabilities = halves();
        let labels = probabilities
            .labels_on(&probabilities.geometry, &[Group { classes: 0..2 }], 0.5)
            .to_volume();
        assert_eq!(labels.layers.len(), 1);
        assert_eq!(labels.layers[0][..8], [1, 1, 1, 1, 1, 2, 2, 2]);
    }

    #[test]
    fn overlapping_classes_keep_all_their_voxels_on_layers_of_their_own() {
        let probabilities = halves();
        let groups = [Group { classes: 0..1 }, Group { classes: 1..2 }];
        let labels = probabilities
            .labels_on(&probabilities.geometry, &groups, 0.5)
            .to_volume();
        assert_eq!(labels.layers.len(), 2);
        assert_eq!(labels.layers[0][..8], [1, 1, 1, 1, 1, 0, 0, 0]);
        assert_eq!(labels.layers[1][..8], [0, 0, 0, 2, 2, 2, 2, 2]);
    }

    #[test]
    fn a_turned_and_finer_grid_gets_the_same_places_in_the_patient() {
        let probabilities = halves();
        // Columns to posterior, rows to the right, slices to the head; 1 mm.
        let grid = Geometry {
            size: [13, 29, 13],
            spacing: [1.0; 3],
            direction: [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]],
            origin: [28.0, 0.0, 0.0],
        };
        let labels = probabilities
            .labels_on(&grid, &[Group { classes: 0..2 }], 0.5)
            .to_volume();
        for j in 0..29 {
            let left = 28.0 - j as f64;
            let expected = if left < 18.0 { 1 } else { 2 };
            // 0.9 falls to 0 between 16 and 20 mm and crosses the other's 0.8 where it is 0.8: at 16.4 mm.
            if (16.0..18.5).contains(&left) {
                continue;
            }
            assert_eq!(
                labels.layers[0][grid.index(6, j, 6)],
                expected,
                "at {left} mm"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_the_grid_every_voxel_is_what_the_probabilities_at_its_place_say(
            turn in 0.0..std::f64::consts::TAU, tilt in 0.0..std::f64::consts::TAU,
            spacing in prop::array::uniform3(0.7..6.0f64), origin in prop::array::uniform3(-25.0..25.0f64),
            size in prop::array::uniform3(1usize..12), at in prop::array::uniform3(0usize..6), straight in any::<bool>(),
        ) {
            let of = Geometry::axial([6, 6, 6], [4.0; 3], [-10.0; 3]);
            let mut values = vec![0.0; of.len() * 2];
            values[of.index(at[0], at[1], at[2]) * 2] = 1.0;
            values[of.index(at[2], at[0], at[1]) * 2 + 1] = 0.9;
            let probabilities = Probabilities { geometry: of, classes: 2, values, beyond: vec![0.0; 2] };
            let groups = [Group { classes: 0..2 }];
            let (turn, tilt) = if straight { (0.0, std::f64::consts::PI) } else { (turn, tilt) };
            let grid = Geometry {
                size,
                spacing,
                direction: [
                    [turn.cos(), turn.sin(), 0.0],
                    [-turn.sin() * tilt.cos(), turn.cos() * tilt.cos(), tilt.sin()],
                    [turn.sin() * tilt.sin(), -turn.cos() * tilt.sin(), tilt.cos()],
                ],
                origin,
            };
            let labels = probabilities.labels_on(&grid, &groups, 0.3).to_volume();
            let to_network = VoxelMap::between(&grid, &probabilities.geometry);
            for (voxel, label) in labels.layers[0].iter().enumerate() {
                let place = [voxel % size[0], voxel / size[0] % size[1], voxel / (size[0] * size[1])];
                let row = Row::on(&to_network, probabilities.geometry.size, place[1], place[2]);
                let cell = probabilities.cell(row.cell(place[0]), [row.position(place[0])]);
                let likely = (0..2).map(|class| (class, probabilities.interpolated(&cell, class)[0]));
                let meant = most_likely(likely, 0.3).map_or(0, |class| class as u16 + 1);
                prop_assert_eq!(*label, meant, "{:?}", place);
            }
        }
    }
}
