//! Looking at a volume in the three planes of the patient, whatever the order of its axes.

use crate::volume::Geometry;

/// A plane of the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// Seen from the feet: patient's right on the left, anterior on top.
    Axial,
    /// Seen from the front: patient's right on the left, head on top.
    Coronal,
    /// Seen from the left: anterior on the left, head on top.
    Sagittal,
}

impl Plane {
    /// Patient axes (0 left, 1 posterior, 2 head) across, down and through the picture.
    pub(super) fn axes(self) -> [usize; 3] {
        match self {
            Self::Axial => [0, 1, 2],
            Self::Coronal => [0, 2, 1],
            Self::Sagittal => [1, 2, 0],
        }
    }

    /// Letters at the left, right, top and bottom edge (PS3.3 C.7.6.1.1.1).
    pub(super) fn letters(self) -> [&'static str; 4] {
        match self {
            Self::Axial => ["R", "L", "A", "P"],
            Self::Coronal => ["R", "L", "H", "F"],
            Self::Sagittal => ["A", "P", "H", "F"],
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Axial => "Axial",
            Self::Coronal => "Coronal",
            Self::Sagittal => "Sagittal",
        }
    }
}

/// A grid read along the patient axes nearest to its own: indices count to left, posterior and head.
///
/// No resampling: an oblique grid is shown as it was acquired.
#[derive(Debug, Clone)]
pub(super) struct PatientView {
    /// Voxels to left, posterior, head.
    pub(super) size: [usize; 3],
    /// Spacing along them, mm.
    pub(super) spacing: [f64; 3],
    /// Step in a voxel slice for each.
    stride: [isize; 3],
    /// Offset of the first voxel.
    start: isize,
}

impl PatientView {
    pub(super) fn new(geometry: &Geometry) -> Self {
        let source_axis = nearest_axes(geometry);
        let source_stride = [1, geometry.size[0], geometry.size[0] * geometry.size[1]];
        let mut view = Self {
            size: [0; 3],
            spacing: [0.0; 3],
            stride: [0; 3],
            start: 0,
        };
        for (patient, &axis) in source_axis.iter().enumerate() {
            let size = geometry.size[axis];
            let stride = source_stride[axis] as isize;
            let forward = geometry.direction[axis][patient] >= 0.0;
            view.size[patient] = size;
            view.spacing[patient] = geometry.spacing[axis];
            view.stride[patient] = if forward { stride } else { -stride };
            if !forward {
                view.start += stride * (size as isize - 1);
            }
        }
        view
    }

    /// Offset in a voxel slice of indices to left, posterior and head.
    pub(super) fn offset(&self, at: [usize; 3]) -> usize {
        let steps: isize = at
            .iter()
            .zip(self.stride)
            .map(|(&i, s)| i as isize * s)
            .sum();
        (self.start + steps) as usize
    }
}

/// For each patient axis the grid axis along it: the assignment with the greatest total alignment.
fn nearest_axes(geometry: &Geometry) -> [usize; 3] {
    const ORDERS: [[usize; 3]; 6] = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    let alignment = |order: &[usize; 3]| -> f64 {
        order
            .iter()
            .enumerate()
            .map(|(patient, &axis)| geometry.direction[axis][patient].abs())
            .sum()
    };
    let mut best = ORDERS[0];
    for order in &ORDERS[1..] {
        if alignment(order) > alignment(&best) + 1e-9 {
            best = *order;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sagittal_stack_is_read_along_the_patient_axes() {
        // Columns run to posterior, rows to the feet, slices to the right.
        let geometry = Geometry {
            size: [4, 3, 2],
            spacing: [1.0, 2.0, 5.0],
            direction: [[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]],
            origin: [0.0; 3],
        };
        let view = PatientView::new(&geometry);
        assert_eq!(view.size, [2, 4, 3]);
        assert_eq!(view.spacing, [5.0, 1.0, 2.0]);
        // Rightmost, most anterior, lowest: last slice, first column, last row.
        assert_eq!(view.offset([0, 0, 0]), geometry.index(0, 2, 1));
        assert_eq!(view.offset([1, 3, 2]), geometry.index(3, 0, 0));
    }
}
