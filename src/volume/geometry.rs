//! The grid of a volume: size, spacing, orientation and origin in patient space.

/// A point or direction in patient space, LPS, millimetres.
pub type Vec3 = [f64; 3];

/// Sine of the angle off a right angle that still counts as one: what a file's rounding makes.
const RIGHT_ANGLE: f64 = 1e-3;
/// A scan of a patient reaches no farther along any axis, m.
const LONGEST_M: f64 = 5.0;
/// Nor is it larger, m³: the bore of a scanner of the whole body at once holds about one.
const LARGEST_M3: f64 = 3.0;

/// A regular grid of voxels in patient space (LPS, mm).
///
/// Axis 0 runs along a row (column index `i`), axis 1 down a column (row index
/// `j`), axis 2 from slice to slice (`k`). The centre of voxel `(i, j, k)` lies
/// at `origin + i·spacing[0]·direction[0] + j·spacing[1]·direction[1] + k·spacing[2]·direction[2]`
/// (PS3.3 C.7.6.2.1.1, extended by the slice axis).
///
/// The axes may form a left-handed system. Rows and columns are at right angles; the third axis may lean, as the
/// stack of a tilted gantry does ([`Geometry::lean`]), and every position is exact all the same.
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

    /// The voxel `(i, j, k)` at an offset: the inverse of [`Geometry::index`].
    #[inline]
    pub fn voxel(&self, at: usize) -> [usize; 3] {
        let [columns, rows, _] = self.size;
        [at % columns, at / columns % rows, at / (columns * rows)]
    }

    /// Whether a voxel (column, row, slice) has none beyond it in some direction.
    pub fn is_at_edge(&self, place: [usize; 3]) -> bool {
        (0..3).any(|axis| place[axis] == 0 || place[axis] + 1 == self.size[axis])
    }

    /// Volume of one voxel, mm³.
    pub fn voxel_mm3(&self) -> f64 {
        let upright: f64 = self.spacing.iter().product();
        match self.lean() {
            0.0 => upright,
            lean => upright * lean.cos(),
        }
    }

    /// Angle between the way from slice to slice and the slice normal, rad: the tilt of a gantry. 0 for right-angled
    /// axes, up to the rounding of a file (a thousandth).
    pub fn lean(&self) -> f64 {
        let [_, _, way] = self.direction;
        let up = dot(way, self.slice_normal()).abs();
        let aside = (norm(way).powi(2) - up * up).max(0.0).sqrt();
        if aside <= RIGHT_ANGLE {
            0.0
        } else {
            aside.atan2(up)
        }
    }

    /// A right-angled grid around a leaning one: the way through the stack stays (a tilted gantry's table runs along
    /// the patient), rows and columns are set upright on it.
    fn upright(&self) -> Geometry {
        let [row, column, way] = self.direction;
        // The in-plane axis that is nearer to a right angle keeps its direction.
        let keep_row = dot(row, way).abs() <= dot(column, way).abs();
        let kept = if keep_row { row } else { column };
        let along = dot(kept, way);
        let kept: Vec3 = std::array::from_fn(|axis| kept[axis] - along * way[axis]);
        let length = norm(kept);
        let kept = kept.map(|x| x / length);
        let other = cross(way, kept);
        let turned = if keep_row { column } else { row };
        let sign = if dot(other, turned) < 0.0 { -1.0 } else { 1.0 };
        let other = other.map(|x| sign * x);
        let direction = if keep_row {
            [kept, other, way]
        } else {
            [other, kept, way]
        };
        let reach = |axis: Vec3| {
            let along = self.corners().map(|corner| dot(corner, axis));
            along
                .into_iter()
                .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], x| {
                    [low.min(x), high.max(x)]
                })
        };
        let mut grid = Geometry {
            direction,
            ..self.clone()
        };
        for (axis, along) in direction.into_iter().enumerate() {
            let [low, high] = reach(along);
            let voxels = (high - low) / grid.spacing[axis] - 1e-6;
            grid.size[axis] = (voxels.ceil() as usize).max(1);
        }
        let middle = self.to_patient(self.size.map(|n| (n as f64 - 1.0) / 2.0));
        grid.centred_on(middle)
    }

    /// The same grid moved so that its middle lies at `middle`.
    fn centred_on(mut self, middle: Vec3) -> Geometry {
        self.origin = [0.0; 3];
        let to_middle = self.to_patient(self.size.map(|n| (n as f64 - 1.0) / 2.0));
        self.origin = std::array::from_fn(|axis| middle[axis] - to_middle[axis]);
        self
    }

    /// Length of the grid along each of its axes, outer face to outer face, mm.
    pub fn extent_mm(&self) -> [f64; 3] {
        std::array::from_fn(|axis| self.size[axis] as f64 * self.spacing[axis])
    }

    /// Length along each of its axes, m, where no scan of a patient reaches as far: its spacing or its positions are wrong
    /// then. On a grid of millimetres a few such voxels would take all memory.
    pub fn beyond_patients(&self) -> Option<[f64; 3]> {
        let metres = self.extent_mm().map(|mm| mm / 1000.0);
        let all: f64 = metres.iter().product();
        let is_believable = metres.iter().all(|&side| side <= LONGEST_M) && all <= LARGEST_M3;
        (!is_believable).then_some(metres)
    }

    /// Patient position (LPS, mm) of a continuous voxel coordinate `(i, j, k)`.
    #[inline]
    pub fn to_patient(&self, ijk: [f64; 3]) -> Vec3 {
        let mut point = self.origin;
        for (axis, direction) in self.direction.iter().enumerate() {
            for (p, d) in point.iter_mut().zip(direction) {
                *p += ijk[axis] * self.spacing[axis] * d;
            }
        }
        point
    }

    /// Continuous voxel coordinate `(i, j, k)` of a patient position (LPS, mm).
    ///
    /// The inverse of [`Geometry::to_patient`]; voxel `(i, j, k)` covers half a voxel around its centre.
    pub fn to_index(&self, point: Vec3) -> [f64; 3] {
        let from_origin = std::array::from_fn(|axis| point[axis] - self.origin[axis]);
        self.steps_along_axes(from_origin)
    }

    /// A displacement in mm (LPS) as voxel steps along the three axes.
    pub(super) fn steps_along_axes(&self, displacement: Vec3) -> [f64; 3] {
        // Cramer's rule: exact also where the axes are off the right angle by a file's rounding.
        let [a, b, c] = self.direction;
        let volume = dot(a, cross(b, c));
        [
            dot(displacement, cross(b, c)) / volume / self.spacing[0],
            dot(displacement, cross(c, a)) / volume / self.spacing[1],
            dot(displacement, cross(a, b)) / volume / self.spacing[2],
        ]
    }

    /// The normal of a slice: the cross product of the row and the column direction.
    ///
    /// Points along `direction[2]` in a right-handed grid and against it in a left-handed one.
    pub fn slice_normal(&self) -> Vec3 {
        cross(self.direction[0], self.direction[1])
    }

    /// Whether the three axes form a right-handed system.
    pub fn is_right_handed(&self) -> bool {
        dot(self.slice_normal(), self.direction[2]) > 0.0
    }

    /// Patient positions of the eight outer corners (voxel faces, not centres), LPS, mm.
    pub fn corners(&self) -> [Vec3; 8] {
        std::array::from_fn(|corner| {
            self.to_patient(std::array::from_fn(|axis| {
                let end = self.size[axis] as f64 - 0.5;
                if corner >> axis & 1 == 0 { -0.5 } else { end }
            }))
        })
    }

    /// Whether two grids have one size and each corner lies within `tolerance_mm` of the other's.
    pub fn is_close(&self, other: &Geometry, tolerance_mm: f64) -> bool {
        let apart = |(a, b): (&Vec3, Vec3)| norm(std::array::from_fn(|axis| a[axis] - b[axis]));
        self.size == other.size
            && self
                .corners()
                .iter()
                .zip(other.corners())
                .all(|pair| apart(pair) <= tolerance_mm)
    }

    /// The grid over the same part of the patient whose axes run as nearly as possible to left,
    /// posterior and head, with `spacing_mm` between voxels.
    ///
    /// The axes are permuted and flipped, never turned: an oblique stack stays oblique. Of a leaning stack the way
    /// from slice to slice keeps its direction and the slices are set upright. Where the extent
    /// is no multiple of the spacing the new grid reaches over it by the same amount on both sides, less
    /// than half a voxel each, so that nothing is lost.
    pub fn canonical(&self, spacing_mm: [f64; 3]) -> Geometry {
        if self.lean() > 0.0 && !self.is_empty() {
            return self.upright().canonical(spacing_mm);
        }
        let axis_of = self.closest_axes();
        let extent = self.extent_mm();
        let direction: [Vec3; 3] = std::array::from_fn(|patient| {
            let axis = self.direction[axis_of[patient]];
            let sign = if axis[patient] < 0.0 { -1.0 } else { 1.0 };
            axis.map(|d| sign * d)
        });
        let size = std::array::from_fn(|patient| {
            // A hair less, so that 90 mm at 3 mm are 30 voxels also after rounding errors.
            let voxels = extent[axis_of[patient]] / spacing_mm[patient] - 1e-6;
            (voxels.ceil() as usize).max(usize::from(!self.is_empty()))
        });
        let middle = self.to_patient(self.size.map(|n| (n as f64 - 1.0) / 2.0));
        let grid = Geometry {
            size,
            spacing: spacing_mm,
            direction,
            origin: [0.0; 3],
        };
        grid.centred_on(middle)
    }

    /// Which axis of the grid runs closest to left-right, to front-back and to foot-head.
    fn closest_axes(&self) -> [usize; 3] {
        const ORDERS: [[usize; 3]; 6] = [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ];
        let agreement = |order: &[usize; 3]| -> f64 {
            (0..3)
                .map(|patient| self.direction[order[patient]][patient].abs())
                .sum()
        };
        let mut best = ORDERS[0];
        for order in &ORDERS[1..] {
            if agreement(order) > agreement(&best) + 1e-9 {
                best = *order;
            }
        }
        best
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
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Vector product.
pub fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// Length.
pub fn norm(a: Vec3) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::any_geometry;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_voxel_comes_back_from_the_patient(grid in any_geometry(), ijk in prop::array::uniform3(-50.0..50.0f64)) {
            let back = grid.to_index(grid.to_patient(ijk));
            for axis in 0..3 {
                prop_assert!((back[axis] - ijk[axis]).abs() < 1e-9);
            }
        }

        #[test]
        fn the_canonical_grid_covers_the_same_part_of_the_patient(grid in any_geometry(), spacing in prop::array::uniform3(0.5..4.0f64)) {
            let canonical = grid.canonical(spacing);
            prop_assert_eq!(canonical.spacing, spacing);
            for (patient, direction) in canonical.direction.iter().enumerate() {
                prop_assert!(direction[patient] >= 0.0);
                // The same axes, permuted and flipped.
                prop_assert!(grid.direction.iter().any(|d| (dot(*d, *direction).abs() - 1.0).abs() < 1e-9));
            }
            // Every outer corner of the old grid lies within the new one, and no further in than half a voxel.
            let last = grid.size.map(|n| n as f64 - 0.5);
            for corner in 0..8usize {
                let ijk = std::array::from_fn(|axis| if corner >> axis & 1 == 0 { -0.5 } else { last[axis] });
                let at = canonical.to_index(grid.to_patient(ijk));
                for (at, size) in at.into_iter().zip(canonical.size) {
                    let to_face = (at + 0.5).min(size as f64 - 0.5 - at);
                    prop_assert!((-1e-5..=0.5 + 1e-5).contains(&to_face), "{to_face} voxels from the face");
                }
            }
        }

        #[test]
        fn a_leaning_stack_is_covered_by_a_right_angled_grid(mut grid in any_geometry(), lean in 0.02..0.7f64, sideways in 0.0..6.2f64) {
            let (s, c) = sideways.sin_cos();
            let [row, column, way] = grid.direction;
            grid.direction[2] = std::array::from_fn(|a| lean.cos() * way[a] + lean.sin() * (c * row[a] + s * column[a]));
            prop_assert!((grid.lean() - lean).abs() < 1e-6);
            let upright: f64 = grid.spacing.iter().product();
            prop_assert!((grid.voxel_mm3() - upright * lean.cos()).abs() < 1e-9 * upright);
            let canonical = grid.canonical([1.0; 3]);
            prop_assert_eq!(canonical.lean(), 0.0);
            for corner in grid.corners() {
                let at = canonical.to_index(corner);
                for (at, size) in at.into_iter().zip(canonical.size) {
                    prop_assert!((-0.5 - 1e-5..=size as f64 - 0.5 + 1e-5).contains(&at));
                }
            }
            // The way from slice to slice is one of its axes.
            prop_assert!(canonical.direction.iter().any(|d| dot(*d, grid.direction[2]).abs() > 1.0 - 1e-9));
        }

        #[test]
        fn a_flipped_axis_changes_the_hand(grid in any_geometry(), axis in 0usize..3) {
            let mut mirrored = grid.clone();
            mirrored.direction[axis] = mirrored.direction[axis].map(|d| -d);
            prop_assert_ne!(grid.is_right_handed(), mirrored.is_right_handed());
        }
    }

    #[test]
    fn a_sagittal_stack_becomes_axial() {
        // Rows to posterior, columns to foot, slices to the right.
        let sagittal = Geometry {
            size: [256, 200, 35],
            spacing: [1.0, 1.5, 4.8],
            direction: [[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]],
            origin: [80.0, -130.0, 140.0],
        };
        let canonical = sagittal.canonical([4.8, 1.0, 1.5]);
        assert_eq!(canonical.size, [35, 256, 200]);
        assert_eq!(
            canonical.direction,
            Geometry::axial([1; 3], [1.0; 3], [0.0; 3]).direction
        );
        let first = canonical.to_patient([34.0, 0.0, 199.0]);
        for axis in 0..3 {
            assert!(
                (first[axis] - sagittal.origin[axis]).abs() < 1e-9,
                "{first:?}"
            );
        }
    }

    #[test]
    fn grids_a_hair_apart_are_close_and_others_are_not() {
        let grid = Geometry::axial(
            [512, 512, 20],
            [0.9765625, 0.9765625, 2.0],
            [-249.5, -437.5, -766.5],
        );
        let mut moved = grid.clone();
        moved.origin[0] += 0.005;
        assert!(grid.is_close(&moved, 0.01));
        moved.origin[0] += 0.1;
        assert!(!grid.is_close(&moved, 0.01));
        let mut wider = grid.clone();
        wider.spacing[0] += 0.001;
        assert!(
            !grid.is_close(&wider, 0.01),
            "half a millimetre apart at the far side"
        );
    }
}
