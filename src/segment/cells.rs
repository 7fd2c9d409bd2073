//! What each cell of the network's grid can hold: the box from a voxel to the next one along every axis.

use rayon::prelude::*;

use super::along_rows::Inhabited;
use super::source_grid::{Probabilities, label_of};

/// A set of classes, class `c` as bit `c % 128`: beyond 128 classes some share a bit, which costs time, not
/// correctness.
pub(super) type Classes = u128;

pub(super) fn bit(class: usize) -> Classes {
    1 << (class % Classes::BITS as usize)
}

/// Rows that one thread looks at, at least.
const ROWS: usize = 64;

/// The cells of a grid, each by the voxel that it starts at; beyond the border the border's voxels count again.
pub(super) struct Cells {
    size: [usize; 3],
    /// The classes that can be above the threshold inside each cell: those above it at a corner.
    pub(super) present: Vec<Classes>,
    /// The label of the class that each cell is all of: the only one that can be above the threshold inside it, and above
    /// it at every corner. 0 where there is none; most of a large structure need not be interpolated.
    pub(super) sure: Vec<u16>,
}

impl Cells {
    pub(super) fn of(found: &Probabilities, threshold: f32) -> Self {
        let size = found.geometry.size;
        let voxels = found.values.par_chunks_exact(found.classes.max(1));
        let above: Vec<Classes> = voxels
            .map(|values| {
                let values = values.iter().enumerate().filter(|(_, p)| **p > threshold);
                values.fold(0, |bits, (class, _)| bits | bit(class))
            })
            .collect();
        let present = in_cells(size, &above);
        Self {
            sure: sure(found, &present, threshold),
            present,
            size,
        }
    }

    /// Where the cells are that hold any of some classes; `None` where none does.
    pub(super) fn inhabited(&self, classes: Classes) -> Option<Inhabited> {
        let columns = self.size[0].max(1);
        let rows = self.present.par_chunks(columns).with_min_len(ROWS);
        let rows = rows.map(|cells| {
            let is_held = |cell: &Classes| cell & classes != 0;
            let first = cells.iter().position(is_held)?;
            Some((first, cells.iter().rposition(is_held)?))
        });
        Inhabited::of_rows(rows.collect(), self.size)
    }
}

/// See [`Cells::sure`].
fn sure(found: &Probabilities, present: &[Classes], threshold: f32) -> Vec<u16> {
    if found.classes > Classes::BITS as usize {
        // Classes share bits: one bit may be two of them.
        return vec![0; present.len()];
    }
    // What is interpolated between values above it is so, but for rounding.
    let threshold = threshold + 1e-5;
    let cells = present.par_iter().enumerate();
    let labels = cells.map(|(at, present)| {
        if present.count_ones() != 1 {
            return 0;
        }
        let class = present.trailing_zeros() as usize;
        let low = found.geometry.voxel(at);
        let is_sure = |corner: usize| found.values[corner * found.classes + class] > threshold;
        if found.corners(low).into_iter().all(is_sure) {
            label_of(class)
        } else {
            0
        }
    });
    labels.collect()
}

/// What is at any corner of each cell.
fn in_cells([columns, rows, slices]: [usize; 3], above: &[Classes]) -> Vec<Classes> {
    let row = |j: usize, k: usize| &above[(k * rows + j) * columns..][..columns];
    let mut cells = vec![0; above.len()];
    cells
        .par_chunks_mut(columns.max(1))
        .with_min_len(ROWS)
        .enumerate()
        .for_each(|(at, cells)| {
            let (j, k) = (at % rows, at / rows);
            let (next_j, next_k) = ((j + 1).min(rows - 1), (k + 1).min(slices - 1));
            let here = row(j, k).iter().zip(row(next_j, k));
            let next = row(j, next_k).iter().zip(row(next_j, next_k));
            for (cell, ((a, b), (c, d))) in cells.iter_mut().zip(here.zip(next)) {
                *cell = a | b | c | d;
            }
            for i in 1..columns {
                cells[i - 1] |= cells[i];
            }
        });
    cells
}
