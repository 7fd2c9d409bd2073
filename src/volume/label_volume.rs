//! Label maps on a grid, in layers so that segments may overlap.

use std::collections::BTreeSet;

use super::{Components, Geometry};

/// Segments on a [`Geometry`].
///
/// Each layer holds at most one segment number per voxel (0 is background), so
/// exclusive segments (organs) share one layer and overlapping ones (an organ
/// and its lesion) lie on different layers. A segment number appears on one
/// layer only.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelVolume {
    /// The grid of every layer.
    pub geometry: Geometry,
    /// Layers of segment numbers, each with [`Geometry::len`] voxels, column index fastest.
    pub layers: Vec<Vec<u16>>,
}

impl LabelVolume {
    /// A label map of exclusive segments: one layer.
    pub fn exclusive(geometry: Geometry, labels: Vec<u16>) -> Self {
        Self {
            geometry,
            layers: vec![labels],
        }
    }

    /// Gives every labelled voxel the number that `number` says; 0 takes it out.
    pub fn renumber(&mut self, number: impl Fn(u16) -> u16) {
        for label in self
            .layers
            .iter_mut()
            .flatten()
            .filter(|label| **label != 0)
        {
            *label = number(*label);
        }
    }

    /// Voxels of a segment, summed over layers.
    pub fn voxel_count(&self, segment: u16) -> usize {
        self.layers
            .iter()
            .flatten()
            .filter(|&&label| label == segment)
            .count()
    }

    /// Volume of a segment, millilitres.
    pub fn volume_ml(&self, segment: u16) -> f64 {
        self.voxel_count(segment) as f64 * self.geometry.voxel_mm3() / 1000.0
    }

    /// The segment numbers that have at least one voxel, in ascending order, without the background.
    pub fn segments(&self) -> BTreeSet<u16> {
        let mut present = vec![false; 1 << 16];
        for &label in self.layers.iter().flatten() {
            present[usize::from(label)] = true;
        }
        (1..=u16::MAX)
            .filter(|&segment| present[usize::from(segment)])
            .collect()
    }

    /// Where a segment is: one truth value per voxel, column index fastest.
    pub fn mask(&self, segment: u16) -> Vec<bool> {
        let mut mask = vec![false; self.geometry.len()];
        for layer in &self.layers {
            for (inside, &label) in mask.iter_mut().zip(layer) {
                *inside |= label == segment;
            }
        }
        mask
    }

    /// Whether a segment is one connected piece: all but strays of one part in fifty together. `false` without a voxel.
    pub fn is_one_piece(&self, segment: u16) -> bool {
        let Some(bounds) = self.bounding_box(segment) else {
            return false;
        };
        let size = bounds.map(|[first, last]| last - first + 1);
        let mut mask = Vec::with_capacity(size.iter().product());
        for k in bounds[2][0]..=bounds[2][1] {
            for j in bounds[1][0]..=bounds[1][1] {
                let from = self.geometry.index(bounds[0][0], j, k);
                mask.extend(
                    (from..from + size[0])
                        .map(|at| self.layers.iter().any(|layer| layer[at] == segment)),
                );
            }
        }
        let components = Components::of(&mask, size);
        let all: usize = components.sizes.iter().sum();
        components.largest() * 50 >= all * 49
    }

    /// The smallest box around a segment, as first and last voxel along each axis (both inside), or
    /// `None` when the segment has no voxel.
    pub fn bounding_box(&self, segment: u16) -> Option<[[usize; 2]; 3]> {
        let [columns, rows, _] = self.geometry.size;
        let mut found: Option<[[usize; 2]; 3]> = None;
        for layer in &self.layers {
            for (row, voxels) in layer.chunks_exact(columns.max(1)).enumerate() {
                let first = voxels.iter().position(|&label| label == segment);
                let last = voxels.iter().rposition(|&label| label == segment);
                let (Some(first), Some(last)) = (first, last) else {
                    continue;
                };
                let (j, k) = (row % rows, row / rows);
                let bounds = found.get_or_insert([[first, last], [j, j], [k, k]]);
                for (bound, [low, high]) in bounds.iter_mut().zip([[first, last], [j, j], [k, k]]) {
                    bound[0] = bound[0].min(low);
                    bound[1] = bound[1].max(high);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organ_and_lesion() -> LabelVolume {
        let geometry = Geometry::axial([4, 3, 2], [2.0, 2.0, 5.0], [0.0; 3]);
        let mut organ = vec![0; geometry.len()];
        let mut lesion = vec![0; geometry.len()];
        for (i, j, k) in [(1, 0, 0), (2, 1, 0), (1, 1, 1)] {
            organ[geometry.index(i, j, k)] = 7;
        }
        lesion[geometry.index(2, 1, 0)] = 9;
        LabelVolume {
            geometry,
            layers: vec![organ, lesion],
        }
    }

    #[test]
    fn a_segment_has_a_volume_a_mask_and_a_box_on_whatever_layer_it_lies() {
        let labels = organ_and_lesion();
        assert_eq!(labels.segments().into_iter().collect::<Vec<_>>(), [7, 9]);
        assert_eq!(labels.voxel_count(7), 3);
        assert!((labels.volume_ml(7) - 0.06).abs() < 1e-12);
        assert_eq!(labels.mask(9).iter().filter(|&&inside| inside).count(), 1);
        assert!(labels.mask(7)[labels.geometry.index(2, 1, 0)]);
        assert_eq!(labels.bounding_box(7), Some([[1, 2], [0, 1], [0, 1]]));
        assert_eq!(labels.bounding_box(9), Some([[2, 2], [1, 1], [0, 0]]));
        assert_eq!(labels.bounding_box(8), None);
    }
}
