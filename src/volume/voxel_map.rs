//! From the voxels of one grid to the voxels of another.

use super::Geometry;

/// Voxel coordinates of one grid as an affine function of another's: `source = matrix · target + offset`.
#[derive(Debug, Clone)]
pub(crate) struct VoxelMap {
    /// `matrix[s][t]`: steps along source axis `s` for one step along target axis `t`.
    pub(crate) matrix: [[f64; 3]; 3],
    /// Source coordinate of target voxel `(0, 0, 0)`.
    pub(super) offset: [f64; 3],
}

impl VoxelMap {
    /// From voxels of `target` to voxels of `source`.
    pub(crate) fn between(target: &Geometry, source: &Geometry) -> Self {
        let steps: [[f64; 3]; 3] = std::array::from_fn(|t| {
            source.steps_along_axes(target.direction[t].map(|d| d * target.spacing[t]))
        });
        Self {
            matrix: std::array::from_fn(|s| std::array::from_fn(|t| steps[t][s])),
            offset: source.to_index(target.origin),
        }
    }

    /// Source coordinate of a target voxel.
    pub(crate) fn apply(&self, ijk: [usize; 3]) -> [f64; 3] {
        std::array::from_fn(|s| {
            let row = self.matrix[s];
            self.offset[s]
                + row[0] * ijk[0] as f64
                + row[1] * ijk[1] as f64
                + row[2] * ijk[2] as f64
        })
    }

    /// Which target axis runs along each source axis, when all axes agree up to order and sign.
    ///
    /// Axes agree when across the whole target grid no voxel strays by more than a thousandth of a
    /// source voxel.
    pub(super) fn agreeing_axes(&self, target_size: [usize; 3]) -> Option<[usize; 3]> {
        let mut target_of = [0; 3];
        for (row, target) in self.matrix.iter().zip(&mut target_of) {
            let along = (0..3).max_by(|&a, &b| row[a].abs().total_cmp(&row[b].abs()))?;
            let strays = (0..3)
                .filter(|&t| t != along)
                .map(|t| row[t].abs() * target_size[t] as f64)
                .sum::<f64>();
            if strays > 1e-3 {
                return None;
            }
            *target = along;
        }
        let mut sorted = target_of;
        sorted.sort_unstable();
        (sorted == [0, 1, 2]).then_some(target_of)
    }

    /// How many source voxels one step of the target grid skips along each source axis.
    pub(super) fn reduction(&self) -> [f64; 3] {
        self.matrix
            .map(|row| row.iter().map(|x| x * x).sum::<f64>().sqrt())
    }
}
