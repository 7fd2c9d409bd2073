//! Where the voxels of one grid lie on another, row by row.

use std::ops::Range;

use crate::volume::VoxelMap;

/// A row of one grid on another.
pub(super) struct Row {
    start: [f64; 3],
    step: [f64; 3],
    columns_per_cell: [f64; 3],
    /// The other grid's last voxel along each axis.
    last: [usize; 3],
}

impl Row {
    /// Row `j` of slice `k` of a grid that `map` brings to another, of that size.
    pub(super) fn on(map: &VoxelMap, size: [usize; 3], j: usize, k: usize) -> Self {
        let step = map.matrix.map(|row| row[0]);
        Self {
            start: map.apply([0, j, k]),
            step,
            columns_per_cell: step.map(|step| 1.0 / step.abs()),
            last: size.map(|size| size.saturating_sub(1)),
        }
    }

    /// Where a column lies, in continuous voxel coordinates; beyond the border it is brought to the border, whose value
    /// holds there.
    pub(super) fn position(&self, i: usize) -> [f64; 3] {
        let at = self.beyond_too(i);
        std::array::from_fn(|axis| at[axis].clamp(0.0, self.last[axis] as f64))
    }

    fn beyond_too(&self, i: usize) -> [f64; 3] {
        std::array::from_fn(|axis| self.start[axis] + i as f64 * self.step[axis])
    }

    /// The voxel that the cell around a column starts at.
    pub(super) fn cell(&self, i: usize) -> [usize; 3] {
        self.position(i).map(|at| at as usize)
    }

    /// The column, at most `end`, behind the last one after `first` that lies in the same cell, which starts at `low`.
    /// Where rounding leaves a doubt, an earlier one.
    pub(super) fn end_of_cell(&self, first: usize, end: usize, low: [usize; 3]) -> usize {
        let at = self.beyond_too(first);
        let room = (0..3).map(|axis| {
            let low = low[axis];
            let cells = if self.step[axis] > 0.0 {
                if low == self.last[axis] {
                    f64::INFINITY
                } else {
                    (low + 1) as f64 - at[axis]
                }
            } else if low == 0 {
                f64::INFINITY
            } else {
                at[axis] - low as f64
            };
            // Of no room and no step nothing is known, and `min` passes over it.
            cells * self.columns_per_cell[axis]
        });
        let room = room.fold(f64::INFINITY, f64::min).min(end as f64) as usize;
        let mut last = (first + room).min(end - 1);
        // Each axis goes one way along a row, rounded or not: what lies between two columns of a cell lies in it too.
        while last > first && self.cell(last) != low {
            last -= 1;
        }
        last + 1
    }

    /// The columns, of so many, that can lie in inhabited cells: all that do, and others between them or beside.
    pub(super) fn columns_in(&self, inhabited: &Inhabited, columns: usize) -> Range<usize> {
        let (mut first, mut end) = (0.0f64, columns as f64);
        let Some(inside) = inhabited.along(self, columns) else {
            return 0..0;
        };
        let axes = self.start.into_iter().zip(self.step).zip(inside);
        for ((start, step), (from, to)) in axes {
            if step.abs() < 1e-12 {
                if start < from - 1e-6 || start > to + 1e-6 {
                    return 0..0;
                }
                continue;
            }
            let (a, b) = ((from - start) / step, (to - start) / step);
            first = first.max(a.min(b).floor());
            end = end.min(a.max(b).ceil() + 1.0);
        }
        // From infinite and negative ends to those of the row.
        let first = first.clamp(0.0, columns as f64) as usize;
        first..(end.clamp(0.0, columns as f64) as usize).max(first)
    }
}

/// From, to along each axis of the network's grid, in continuous voxel coordinates.
type Box3 = [(f64, f64); 3];

/// The cells of the network's grid that hold something.
pub(super) struct Inhabited {
    size: [usize; 3],
    /// The box of all.
    all: Box3,
    /// The first and the last along each row of cells.
    of_rows: Vec<Option<(usize, usize)>>,
}

impl Inhabited {
    /// By the first and the last along each row of cells of a grid of that size; `None` where there is none.
    pub(super) fn of_rows(of_rows: Vec<Option<(usize, usize)>>, size: [usize; 3]) -> Option<Self> {
        let rows = size[1].max(1);
        let bounds = of_rows
            .iter()
            .enumerate()
            .filter_map(|(at, ends)| {
                Some([(*ends)?, (at % rows, at % rows), (at / rows, at / rows)])
            })
            .reduce(|a, b| {
                std::array::from_fn(|axis| (a[axis].0.min(b[axis].0), a[axis].1.max(b[axis].1)))
            })?;
        Some(Self {
            size,
            all: std::array::from_fn(|axis| reach(bounds[axis], size[axis])),
            of_rows,
        })
    }

    /// A box around those that a row of so many columns can meet; `None` where it meets none.
    fn along(&self, row: &Row, columns: usize) -> Option<Box3> {
        let [_, j, k] = row.cell(0);
        let [_, last_j, last_k] = row.cell(columns.saturating_sub(1));
        if (j, k) != (last_j, last_k) {
            return Some(self.all);
        }
        // It stays in one row of cells, as nearly all do whose slices are axial.
        let ends = (*self.of_rows.get(j + k * self.size[1])?)?;
        let [_, all_j, all_k] = self.all;
        Some([reach(ends, self.size[0]), all_j, all_k])
    }
}

/// From the first to the last of the cells along an axis of so many; beyond the border the border's value holds.
fn reach((first, last): (usize, usize), size: usize) -> (f64, f64) {
    let from = if first == 0 {
        f64::NEG_INFINITY
    } else {
        first as f64
    };
    let to = if last + 1 == size {
        f64::INFINITY
    } else {
        (last + 1) as f64
    };
    (from, to)
}
