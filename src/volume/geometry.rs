//! The grid of a volume: size, spacing, orientation and origin in patient space.

/// A point or direction in patient space, LPS, millimetres.
pub type Vec3 = [f64; 3];

/// A regular grid of voxels in patient space (LPS, mm).
///
/// Axis 0 runs along a row (column index `i`), axis 1 down a column (row index
/// `j`), axis 2 from slice to slice (`k`). The centre of voxel `(i, j, k)` lies
/// at `origin + i·spacing[0]·direction[0] + j·spacing[1]·direction[1] + k·spacing[2]·direction[2]`
/// (PS3.3 C.7.6.2.1.1, extended by the slice axis).
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    /// Columns, rows, slices.
    pub size: [usize; 3],
    /// Distance between voxel centres along each axis, mm.
    pub spacing: [f64; 3],
    /// Unit vectors of the three axes in LPS.
    pub direction: [Vec3; 3],
    /// Centre of voxel `(0, 0, 0)`, LPS, mm.
    pub origin: Vec3,
}

impl Geometry {
    /// An axis-aligned grid whose axes run to left, posterior and head.
    pub fn axial(size: [usize; 3], spacing: [f64; 3], origin: Vec3) -> Self {
        Self {
            size,
            spacing,
            direction: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            origin,
        }
    }

    /// Number of voxels.
    pub fn len(&self) -> usize {
        self.size.iter().product()
    }

    /// Whether the grid has no voxel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Offset of voxel `(i, j, k)` in a voxel slice.
    pub fn index(&self, i: usize, j: usize, k: usize) -> usize {
        i + self.size[0] * (j + self.size[1] * k)
    }

    /// Volume of one voxel, mm³.
    pub fn voxel_mm3(&self) -> f64 {
        self.spacing.iter().product()
    }

    /// Patient position (LPS, mm) of a continuous voxel coordinate `(i, j, k)`.
    pub fn to_patient(&self, ijk: [f64; 3]) -> Vec3 {
        let mut point = self.origin;
        for (axis, direction) in self.direction.iter().enumerate() {
            for (p, d) in point.iter_mut().zip(direction) {
                *p += ijk[axis] * self.spacing[axis] * d;
            }
        }
        point
    }
}
