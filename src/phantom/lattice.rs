//! Where the voxels of a grid lie in a subject's body: exactly, or exactly at some and linearly between.

use super::shape::further;
use super::subject::Subject;
use crate::volume::{Geometry, Vec3};

/// Where the voxels of a grid lie in the scene's upright average body, mm.
pub(super) struct Points<'s> {
    subject: &'s Subject,
    geometry: &'s Geometry,
    /// None where every voxel is bent exactly.
    pub(super) lattice: Option<Lattice>,
}

impl<'s> Points<'s> {
    /// Exact at every `step`th voxel along each axis, trilinear between.
    pub(super) fn new(subject: &'s Subject, geometry: &'s Geometry, step: usize) -> Self {
        let exact =
            |ijk: [usize; 3]| subject.body_point(geometry.to_patient(ijk.map(|n| n as f64)));
        Self {
            subject,
            geometry,
            lattice: (step > 1).then(|| Lattice::new(geometry.size, step, exact)),
        }
    }

    /// The points of row `j` of slice `k`.
    pub(super) fn row(&self, j: usize, k: usize, points: &mut [Vec3]) {
        if let Some(lattice) = &self.lattice {
            for (x, points) in points.chunks_mut(lattice.step).enumerate() {
                let (from, step) = lattice.line(x, j, k);
                for (n, point) in points.iter_mut().enumerate() {
                    *point = further(from, step, n as f64);
                }
            }
            return;
        }
        for (i, point) in points.iter_mut().enumerate() {
            let ijk = [i, j, k].map(|n| n as f64);
            *point = self.subject.body_point(self.geometry.to_patient(ijk));
        }
    }
}

/// Points at every `step`th voxel of a grid along each axis, and one beyond the last.
pub(super) struct Lattice {
    pub(super) step: usize,
    /// Columns fastest.
    points: Vec<Vec3>,
    size: [usize; 3],
}

impl Lattice {
    fn new(grid: [usize; 3], step: usize, exact: impl Fn([usize; 3]) -> Vec3) -> Self {
        let size = grid.map(|n| n.saturating_sub(1) / step + 2);
        let mut points = Vec::with_capacity(size.iter().product());
        for k in 0..size[2] {
            for j in 0..size[1] {
                points.extend((0..size[0]).map(|i| exact([i, j, k].map(|n| n * step))));
            }
        }
        Self { step, points, size }
    }

    /// Cells along each axis, each of `step` voxels.
    pub(super) fn cells(&self) -> [usize; 3] {
        self.size.map(|n| n - 1)
    }

    fn at(&self, x: usize, y: usize, z: usize) -> Vec3 {
        self.points[(z * self.size[1] + y) * self.size[0] + x]
    }

    /// Points `x` of rows `y` of the lattice's planes `z` and `z + 1`: the voxels between them lie within their hull.
    pub(super) fn corners(
        &self,
        x: std::ops::RangeInclusive<usize>,
        y: std::ops::RangeInclusive<usize>,
        z: usize,
    ) -> impl Iterator<Item = Vec3> {
        let rows = (z..=z + 1).flat_map(move |z| y.clone().map(move |y| (y, z)));
        rows.flat_map(move |(y, z)| x.clone().map(move |x| self.at(x, y, z)))
    }

    /// The voxels of cell `x` in row `j` of slice `k`, on a straight line: the first, and the way from each to the next.
    pub(super) fn line(&self, x: usize, j: usize, k: usize) -> (Vec3, Vec3) {
        let step = self.step as f64;
        let place = |n: usize| (n / self.step, (n % self.step) as f64 / step);
        let ((y, down), (z, up)) = (place(j), place(k));
        let end = |x: usize| {
            let low = mix(self.at(x, y, z), self.at(x, y + 1, z), down);
            let high = mix(self.at(x, y, z + 1), self.at(x, y + 1, z + 1), down);
            mix(low, high, up)
        };
        let (from, to) = (end(x), end(x + 1));
        (from, std::array::from_fn(|a| (to[a] - from[a]) / step))
    }
}

fn mix(a: Vec3, b: Vec3, t: f64) -> Vec3 {
    std::array::from_fn(|axis| a[axis] + (b[axis] - a[axis]) * t)
}
