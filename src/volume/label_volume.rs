//! Label maps on a grid, in layers so that segments may overlap.

use super::Geometry;

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

    /// Voxels of a segment, summed over layers.
    pub fn voxel_count(&self, segment: u16) -> usize {
        self.layers
            .iter()
            .flatten()
            .filter(|&&label| label == segment)
            .count()
    }
}
