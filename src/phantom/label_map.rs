//! From a subject's shapes to a label for every voxel.

use super::lattice::{Lattice, Points};
use super::shape::{Bounds, Shape, around, further};
use super::subject::Subject;
use crate::volume::{Geometry, Vec3};
use std::ops::Range;

/// Voxels of a row for which the shapes that can hold them are chosen together.
const STRETCH: usize = 12;

/// A structure's label, a shape of it, and the shape's bounds.
pub(super) type Placed = (u16, Shape, Bounds);

impl Subject {
    /// The label at every voxel of a grid, column index fastest; bent exactly at every `step`th voxel along each axis
    /// and linearly between.
    pub(super) fn label_map(&self, geometry: &Geometry, step: usize) -> Vec<u16> {
        let mut labels = vec![0u16; geometry.len()];
        let points = Points::new(self, geometry, step);
        match &points.lattice {
            Some(lattice) => self.by_cells(&mut labels, geometry.size, lattice),
            None => self.by_rows(&mut labels, geometry.size, &points),
        }
        let Some(atlas) = &self.atlas else {
            return labels;
        };
        // A map's structures cover what is beside the body.
        each_row(&mut labels, geometry.size, &points, |labels, row| {
            for (label, &point) in labels.iter_mut().zip(row) {
                match atlas.at(point) {
                    0 => {}
                    of_map => *label = of_map,
                }
            }
        });
        labels
    }

    fn by_rows(&self, labels: &mut [u16], size: [usize; 3], points: &Points<'_>) {
        let [mut near, mut nearer]: [Vec<&Placed>; 2] = Default::default();
        each_row(labels, size, points, |labels, row| {
            reaching(
                around(row.iter().copied()),
                self.last_painted_first(),
                &mut near,
            );
            for (labels, points) in labels.chunks_mut(STRETCH).zip(row.chunks(STRETCH)) {
                reaching(
                    around(points.iter().copied()),
                    near.iter().copied(),
                    &mut nearer,
                );
                for (label, &point) in labels.iter_mut().zip(points) {
                    *label = topmost(&nearer, point).unwrap_or(0);
                }
            }
        });
    }

    /// Cell by cell of a lattice, between whose points all is linear: what a shape holds all corners of, and is convex,
    /// it holds whole.
    fn by_cells(&self, labels: &mut [u16], size: [usize; 3], lattice: &Lattice) {
        let (step, cells) = (lattice.step, lattice.cells());
        let [mut of_slices, mut of_rows, mut near]: [Vec<&Placed>; 3] = Default::default();
        let mut is_inside = vec![false; step];
        let mut corners = Vec::new();
        for z in 0..cells[2] {
            let all = lattice.corners(0..=cells[0], 0..=cells[1], z);
            reaching(around(all), self.last_painted_first(), &mut of_slices);
            for y in 0..cells[1] {
                let along = lattice.corners(0..=cells[0], y..=y + 1, z);
                reaching(around(along), of_slices.iter().copied(), &mut of_rows);
                for x in 0..cells[0] {
                    corners.clear();
                    corners.extend(lattice.corners(x..=x + 1, y..=y + 1, z));
                    reaching(
                        around(corners.iter().copied()),
                        of_rows.iter().copied(),
                        &mut near,
                    );
                    near.retain(|(_, shape, _)| !shape.misses(&corners));
                    let (above, floor) = above_whole(&near, &corners, 0);
                    if above.is_empty() && floor == 0 {
                        continue;
                    }
                    let [i, j, k] = std::array::from_fn(|a| {
                        let first = [x, y, z][a] * step;
                        first..(first + step).min(size[a])
                    });
                    for (j, k) in k.flat_map(|k| j.clone().map(move |j| (j, k))) {
                        let first = (k * size[1] + j) * size[0];
                        let labels = &mut labels[first + i.start..first + i.end];
                        let is_inside = &mut is_inside[..labels.len()];
                        label_line(labels, is_inside, lattice.line(x, j, k), above, floor);
                    }
                }
            }
        }
    }

    fn last_painted_first(&self) -> impl Iterator<Item = &Placed> {
        self.shapes.iter().rev()
    }
}

/// Calls `each(values, points)` for every row of a grid.
pub(super) fn each_row<T>(
    values: &mut [T],
    [columns, rows, _]: [usize; 3],
    points: &Points<'_>,
    mut each: impl FnMut(&mut [T], &[Vec3]),
) {
    let mut row: Vec<Vec3> = vec![[0.0; 3]; columns];
    for (number, values) in values.chunks_mut(columns.max(1)).enumerate() {
        points.row(number % rows, number / rows, &mut row);
        each(values, &row);
    }
}

/// The labels of a row and the columns that have each, one after the other: neighbours have the same label, mostly.
pub(super) fn runs(row: &[u16]) -> impl Iterator<Item = (u16, Range<usize>)> {
    let mut start = 0;
    row.chunk_by(|a, b| a == b).map(move |run| {
        let columns = start..start + run.len();
        start = columns.end;
        (run[0], columns)
    })
}

/// Labels voxels on a straight line, the first and the way from each to the next, from the shapes that may hold them, the
/// topmost first; `floor` where none does. `is_inside` is room for as many.
fn label_line(
    labels: &mut [u16],
    is_inside: &mut [bool],
    (from, step): (Vec3, Vec3),
    shapes: &[&Placed],
    floor: u16,
) {
    if shapes.is_empty() {
        return labels.fill(floor);
    }
    let ends = [
        from,
        further(from, step, labels.len().saturating_sub(1) as f64),
    ];
    let (above, floor) = above_whole(shapes, &ends, floor);
    labels.fill(floor);
    let line = around(ends.into_iter());
    for (own, shape, _) in above.iter().rev().filter(|placed| meets(line, placed)) {
        shape.along(from, step, is_inside);
        for (label, is_inside) in labels.iter_mut().zip(&*is_inside) {
            *label = if *is_inside { *own } else { *label };
        }
    }
}

/// The shapes before the first convex one that holds all of some points, and so whatever lies between them, and its
/// label; all of them and `floor` where none does.
fn above_whole<'a, 's>(
    shapes: &'a [&'s Placed],
    points: &[Vec3],
    floor: u16,
) -> (&'a [&'s Placed], u16) {
    let holds_all = |(_, shape, _): &&Placed| {
        shape.is_convex() && points.iter().all(|&point| shape.contains(point))
    };
    match shapes.iter().position(holds_all) {
        Some(at) => (&shapes[..at], shapes[at].0),
        None => (shapes, floor),
    }
}

/// The label of the first shape that holds a point.
fn topmost(shapes: &[&Placed], point: Vec3) -> Option<u16> {
    let holds = |(_, shape, (from, to)): &Placed| {
        (0..3).all(|a| from[a] <= point[a] && to[a] >= point[a]) && shape.contains(point)
    };
    let first = shapes.iter().find(|placed| holds(placed))?;
    Some(first.0)
}

/// Those of some shapes whose bounds meet a box.
fn reaching<'s>(
    bounds: Bounds,
    shapes: impl Iterator<Item = &'s Placed>,
    near: &mut Vec<&'s Placed>,
) {
    near.clear();
    near.extend(shapes.filter(|placed| meets(bounds, placed)));
}

/// Whether a shape's bounds meet a box.
fn meets((low, high): Bounds, (_, _, (from, to)): &Placed) -> bool {
    (0..3).all(|a| from[a] <= high[a] && to[a] >= low[a])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::Scene;
    use crate::phantom::fidelity::Fidelity;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn cells_have_the_labels_that_their_voxels_have_one_by_one() {
        // No multiple of the step along any axis.
        let grid = Geometry::axial([75, 57, 41], [5.0; 3], [-187.0, -140.0, -100.0]);
        for seed in 0..3 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let scene = match seed {
                0 => Scene::shapes(&mut rng),
                _ => Scene::torso(),
            };
            let subject = Subject::draw(&scene, Fidelity::Exact, &mut rng);
            let points = Points::new(&subject, &grid, 3);
            let mut one_by_one = vec![0; grid.len()];
            subject.by_rows(&mut one_by_one, grid.size, &points);
            let at_once = subject.label_map(&grid, 3);
            assert!(at_once == one_by_one, "scene {seed}");
            let kinds: std::collections::BTreeSet<u16> = at_once.into_iter().collect();
            assert!(kinds.len() > 4, "scene {seed} shows {kinds:?}");
        }
    }
}
