//! Where the body lies in a volume, for finding the same relative position in another.

use crate::volume::{Geometry, Vec3, Volume};

/// CT numbers above this are body, HU.
const BODY_HU: f32 = -300.0;
/// A plane belongs to the body when this share of its voxels does.
const LEAST_SHARE: f64 = 0.05;
/// Spacing that the body is looked for at, mm: coarse, so that noise counts little.
const COARSE_MM: f64 = 5.0;

/// The box around a body, along the axes nearest to left, posterior and head.
///
/// Body is the largest connected part above -300 HU in CT, above the volume's mean in other modalities: the table
/// and what lies on it do not count. Along each axis the box reaches from the first to the last plane in which 5 % of
/// the voxels are body. Where no plane is, it is the volume's whole extent.
#[derive(Debug, Clone, PartialEq)]
pub struct BodyBox {
    grid: Geometry,
    /// First and last face along each axis of `grid`, in its voxels.
    faces: [[f64; 2]; 3],
}

impl BodyBox {
    /// The box of a volume; `modality` is DICOM's Modality (0008,0060).
    pub fn around(volume: &Volume, modality: &str) -> Self {
        let grid = volume.geometry.canonical([COARSE_MM; 3]);
        let lowest = volume.voxels.iter().copied().fold(f32::INFINITY, f32::min);
        let coarse = volume.resampled(&grid, if lowest.is_finite() { lowest } else { 0.0 });
        let threshold = if modality.trim() == "CT" {
            BODY_HU
        } else {
            let sum: f64 = coarse.voxels.iter().map(|&v| f64::from(v)).sum();
            (sum / coarse.voxels.len().max(1) as f64) as f32
        };
        let [columns, rows, slices] = grid.size;
        let mut planes: [Vec<usize>; 3] = [vec![0; columns], vec![0; rows], vec![0; slices]];
        let above: Vec<bool> = coarse.voxels.iter().map(|&v| v > threshold).collect();
        for (at, &is_body) in largest_part(&above, grid.size).iter().enumerate() {
            if is_body {
                planes[0][at % columns] += 1;
                planes[1][at / columns % rows] += 1;
                planes[2][at / (columns * rows)] += 1;
            }
        }
        let faces = std::array::from_fn(|axis| {
            let whole = grid.len() as f64 / grid.size[axis].max(1) as f64;
            let is_body = |&count: &usize| count as f64 >= LEAST_SHARE * whole;
            let first = planes[axis].iter().position(is_body);
            let last = planes[axis].iter().rposition(is_body);
            match (first, last) {
                (Some(first), Some(last)) => [first as f64 - 0.5, last as f64 + 0.5],
                _ => [-0.5, grid.size[axis] as f64 - 0.5],
            }
        });
        Self { grid, faces }
    }

    /// A position in the patient (LPS, mm) relative to the box: 0 at its right, front and foot, 1 at the other side.
    pub fn relative(&self, point: Vec3) -> [f64; 3] {
        let at = self.grid.to_index(point);
        std::array::from_fn(|axis| {
            let [low, high] = self.faces[axis];
            (at[axis] - low) / (high - low)
        })
    }

    /// The position in the patient (LPS, mm) at a relative one.
    pub fn point(&self, relative: [f64; 3]) -> Vec3 {
        self.grid.to_patient(std::array::from_fn(|axis| {
            let [low, high] = self.faces[axis];
            low + relative[axis] * (high - low)
        }))
    }

    /// Length along left, posterior and head, mm.
    pub fn extent_mm(&self) -> [f64; 3] {
        std::array::from_fn(|axis| {
            (self.faces[axis][1] - self.faces[axis][0]) * self.grid.spacing[axis]
        })
    }
}

/// The largest part of a mask whose voxels touch by their faces; `size` along the fastest, middle and slowest axis.
fn largest_part(mask: &[bool], size: [usize; 3]) -> Vec<bool> {
    let strides = [1, size[0], size[0] * size[1]];
    let mut seen = vec![false; mask.len()];
    let mut largest: Vec<usize> = Vec::new();
    for seed in 0..mask.len() {
        if !mask[seed] || seen[seed] {
            continue;
        }
        seen[seed] = true;
        let mut part = vec![seed];
        let mut next = 0;
        while let Some(&at) = part.get(next) {
            next += 1;
            for (&length, &stride) in size.iter().zip(&strides) {
                let along = at / stride % length;
                let before = (along > 0).then(|| at - stride);
                let after = (along + 1 < length).then(|| at + stride);
                for neighbour in before.into_iter().chain(after) {
                    if mask[neighbour] && !seen[neighbour] {
                        seen[neighbour] = true;
                        part.push(neighbour);
                    }
                }
            }
        }
        if part.len() > largest.len() {
            largest = part;
        }
    }
    let mut kept = vec![false; mask.len()];
    for at in largest {
        kept[at] = true;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_is_the_body_and_neither_the_air_nor_the_table_around_it() {
        let geometry = Geometry::axial([40, 30, 10], [5.0; 3], [0.0; 3]);
        let mut voxels = vec![-1000.0; geometry.len()];
        for k in 0..10 {
            for j in 5..25 {
                for i in 10..30 {
                    voxels[geometry.index(i, j, k)] = 40.0;
                }
            }
            // A table behind the body.
            for i in 2..38 {
                voxels[geometry.index(i, 28, k)] = 60.0;
            }
        }
        let body = BodyBox::around(&Volume { geometry, voxels }, "CT");
        assert_eq!(body.extent_mm(), [100.0, 100.0, 50.0]);
        let middle = body.point([0.5; 3]);
        assert_eq!(middle, [97.5, 72.5, 22.5]);
        let back = body.relative(middle);
        assert!(back.iter().all(|r| (r - 0.5).abs() < 1e-9), "{back:?}");
    }
}
