//! Segments that are painted one after another, put into layers so that they may overlap.

use crate::volume::{Geometry, LabelVolume};

/// Most layers, that is, segments over one another at one place.
pub(super) const MOST_LAYERS: usize = 32;

/// Layers that grow as segments need them.
pub(super) struct Layering {
    geometry: Geometry,
    layers: Vec<Vec<u16>>,
}

impl Layering {
    /// One empty layer.
    pub(super) fn new(grid: &Geometry) -> Self {
        Self {
            geometry: grid.clone(),
            layers: vec![vec![0; grid.len()]],
        }
    }

    /// Moves what is painted on the grid to the first layer that is free there, and leaves `painted` empty.
    /// Says whether there was anything; `None` when all [`MOST_LAYERS`] layers are taken.
    pub(super) fn take(&mut self, painted: &mut [u16]) -> Option<bool> {
        let [columns, rows, slices] = self.geometry.size;
        let slice = |k: usize| k * columns * rows..(k + 1) * columns * rows;
        let touched: Vec<usize> = (0..slices)
            .filter(|&k| painted[slice(k)].iter().any(|&v| v != 0))
            .collect();
        let free = self.layers.iter().position(|layer| {
            touched.iter().all(|&k| {
                let mut voxels = layer[slice(k)].iter().zip(&painted[slice(k)]);
                voxels.all(|(&there, &new)| there == 0 || new == 0)
            })
        });
        let layer = match free {
            Some(layer) => layer,
            None if self.layers.len() < MOST_LAYERS => {
                self.layers.push(vec![0; self.geometry.len()]);
                self.layers.len() - 1
            }
            None => return None,
        };
        for &k in &touched {
            let there = &mut self.layers[layer][slice(k)];
            for (there, new) in there.iter_mut().zip(&mut painted[slice(k)]) {
                if *new != 0 {
                    *there = std::mem::take(new);
                }
            }
        }
        Some(!touched.is_empty())
    }

    /// What was taken.
    pub(super) fn labels(self) -> LabelVolume {
        LabelVolume {
            geometry: self.geometry,
            layers: self.layers,
        }
    }
}
