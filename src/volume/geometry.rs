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

    /// Continuous voxel coordinate `(i, j, k)` of a patient position (LPS, mm); the inverse of [`Geometry::to_patient`].
    ///
    /// The axes need not be perpendicular (a tilted gantry shears the stack) but must span space.
    pub fn to_index(&self, point: Vec3) -> Vec3 {
        let from_origin = std::array::from_fn(|a| point[a] - self.origin[a]);
        let [u, v, w] = self.direction;
        let volume = dot(u, cross(v, w));
        [
            dot(from_origin, cross(v, w)) / (volume * self.spacing[0]),
            dot(from_origin, cross(w, u)) / (volume * self.spacing[1]),
            dot(from_origin, cross(u, v)) / (volume * self.spacing[2]),
        ]
    }

    /// Patient positions of the eight outer corners (voxel edges, not centres), LPS, mm.
    pub fn corners(&self) -> [Vec3; 8] {
        std::array::from_fn(|corner| {
            self.to_patient(std::array::from_fn(|a| {
                if corner >> a & 1 == 0 {
                    -0.5
                } else {
                    self.size[a] as f64 - 0.5
                }
            }))
        })
    }

    /// Whether two grids have one size and their corners lie within `tolerance_mm` of each other.
    pub fn is_close(&self, other: &Self, tolerance_mm: f64) -> bool {
        self.size == other.size
            && self
                .corners()
                .iter()
                .zip(other.corners())
                .all(|(a, b)| (0..3).all(|axis| (a[axis] - b[axis]).abs() <= tolerance_mm))
    }

    /// The upright grid around this one that the network sees: axes to left,
    /// posterior and head, voxels of `spacing` mm, covering the whole extent.
    pub fn canonical(&self, spacing: [f64; 3]) -> Self {
        let corners = self.corners();
        let low: Vec3 =
            std::array::from_fn(|a| corners.iter().map(|c| c[a]).fold(f64::INFINITY, f64::min));
        let high: Vec3 = std::array::from_fn(|a| {
            corners
                .iter()
                .map(|c| c[a])
                .fold(f64::NEG_INFINITY, f64::max)
        });
        let size = std::array::from_fn(|a| {
            (((high[a] - low[a]) / spacing[a] - 1e-6).ceil() as usize).max(1)
        });
        let origin = std::array::from_fn(|a| {
            (low[a] + high[a]) / 2.0 - (size[a] as f64 - 1.0) / 2.0 * spacing[a]
        });
        Self::axial(size, spacing, origin)
    }

    /// Whether sizes, spacing and axes describe a grid that can be computed with.
    pub fn is_valid(&self) -> bool {
        let [u, v, w] = self.direction;
        self.size.iter().all(|&n| n > 0)
            && self.spacing.iter().all(|s| s.is_finite() && *s > 0.0)
            && self.origin.iter().all(|o| o.is_finite())
            && dot(u, cross(v, w)).abs() > 1e-3
    }
}

/// Scalar product.
pub fn dot(a: Vec3, b: Vec3) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Vector product.
pub fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A right-handed orthonormal frame from three angles.
    pub(crate) fn frame([a, b, c]: [f64; 3]) -> [Vec3; 3] {
        let (sa, ca) = a.sin_cos();
        let (sb, cb) = b.sin_cos();
        let (sc, cc) = c.sin_cos();
        [
            [cb * cc, cb * sc, -sb],
            [sa * sb * cc - ca * sc, sa * sb * sc + ca * cc, sa * cb],
            [ca * sb * cc + sa * sc, ca * sb * sc - sa * cc, ca * cb],
        ]
    }

    prop_compose! {
        fn any_geometry()(
            size in prop::array::uniform3(1usize..40),
            spacing in prop::array::uniform3(0.2f64..8.0),
            angles in prop::array::uniform3(-3.2f64..3.2),
            origin in prop::array::uniform3(-500.0f64..500.0),
        ) -> Geometry {
            Geometry { size, spacing, direction: frame(angles), origin }
        }
    }

    proptest! {
        #[test]
        fn to_index_undoes_to_patient(geometry in any_geometry(), ijk in prop::array::uniform3(-50.0f64..50.0)) {
            let back = geometry.to_index(geometry.to_patient(ijk));
            for a in 0..3 {
                prop_assert!((back[a] - ijk[a]).abs() < 1e-6);
            }
        }

        #[test]
        fn the_canonical_grid_covers_every_voxel_centre(geometry in any_geometry(), spacing in 1.0f64..6.0) {
            let canonical = geometry.canonical([spacing; 3]);
            for corner in geometry.corners() {
                let ijk = canonical.to_index(corner);
                for (at, size) in ijk.into_iter().zip(canonical.size) {
                    prop_assert!(at >= -0.5 - 1e-6 && at <= size as f64 - 0.5 + 1e-6);
                }
            }
        }
    }
}
