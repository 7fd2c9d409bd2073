//! How much there is of each segment.

use rayon::prelude::*;

use super::LabelRuns;

/// How much there is of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Its voxels.
    pub voxels: usize,
    /// Slices (third axis) it has a voxel in.
    pub slices: usize,
    /// It has a voxel on the grid's surface, so that a part of it may lie beyond.
    pub at_edge: bool,
}

/// What there is of each segment number up to `last`, at index `number`, in one look at every layer.
pub fn tally(labels: &LabelRuns, last: u16) -> Vec<Tally> {
    let none = || vec![Tally::default(); usize::from(last) + 1];
    let grid = labels.geometry();
    let [_, rows, slices] = grid.size;
    let of_slice = |layer: usize, k: usize| {
        let mut here = none();
        for j in 0..rows {
            let is_at_edge = |i| grid.is_at_edge([i, j, k]);
            for (number, run) in labels.row(layer, j + rows * k) {
                if let Some(tally) = here.get_mut(usize::from(number)) {
                    tally.voxels += run.len();
                    tally.slices = 1;
                    tally.at_edge |= is_at_edge(run.start) || is_at_edge(run.end - 1);
                }
            }
        }
        here
    };
    (0..labels.layers() * slices)
        .into_par_iter()
        .map(|at| of_slice(at / slices, at % slices))
        .reduce(none, |mut sum, here| {
            for (sum, here) in sum.iter_mut().zip(here) {
                sum.voxels += here.voxels;
                sum.slices += here.slices;
                sum.at_edge |= here.at_edge;
            }
            sum
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::{Geometry, LabelVolume};

    #[test]
    fn what_reaches_the_surface_is_at_the_edge() {
        let geometry = Geometry::axial([4, 3, 3], [1.0; 3], [0.0; 3]);
        let mut layers = vec![vec![0; 36]; 2];
        for (layer, at, number) in [
            (0, [1, 1, 1], 1),
            (0, [3, 1, 1], 2),
            (0, [1, 2, 1], 3),
            (1, [2, 1, 0], 4),
            (1, [2, 1, 1], 4),
            (1, [1, 1, 1], 4),
            (1, [0, 1, 1], 6),
        ] {
            layers[layer][geometry.index(at[0], at[1], at[2])] = number;
        }
        let labels = LabelRuns::of(&LabelVolume { geometry, layers }).unwrap();
        let tally = tally(&labels, 6);
        let of = |voxels, slices, at_edge| Tally {
            voxels,
            slices,
            at_edge,
        };
        assert_eq!(
            tally[1..],
            [
                of(1, 1, false),
                of(1, 1, true),
                of(1, 1, true),
                of(3, 2, true),
                Tally::default(),
                of(1, 1, true)
            ]
        );
    }
}
