//! The network's input: a volume on the network's grid and intensity scale.

use tch::{TchError, Tensor};

use super::normalise;
use crate::volume::{Geometry, InPlane, Plane, Slicewise, Volume};

/// Changes whenever the same volume would give another input, or the network would be shown another part of it;
/// embeddings are kept by it.
pub const VERSION: u32 = 2;

/// Modality of computed tomography.
const CT: &str = "CT";
/// Air on the CT scale, HU.
const AIR: f32 = -1000.0;

/// A volume as the network sees it.
#[derive(Debug)]
pub struct NetworkInput {
    /// `[D, H, W]`, float32 on the CPU: D to the head, H to posterior, W to the left.
    pub image: Tensor,
    /// The grid of `image`, as columns (W), rows (H), slices (D).
    pub geometry: Geometry,
}

/// Why a volume cannot be brought to the network's grid.
#[derive(Debug, thiserror::Error)]
pub enum PreprocessError {
    /// There is nothing in it.
    #[error("the volume is empty, or its {voxels} voxels do not fill its grid of {size:?}")]
    Empty {
        /// Columns, rows, slices.
        size: [usize; 3],
        /// Voxels there are.
        voxels: usize,
    },
    /// No patient is so large, and the network's grid would be as large.
    #[error(
        "the volume would be {:.1} x {:.1} x {:.1} m large, which no scan of a patient is: its spacing is wrong",
        metres[0], metres[1], metres[2]
    )]
    BeyondPatients {
        /// How far its columns, rows and slices reach.
        metres: [f64; 3],
    },
    /// libtorch failed.
    #[error("libtorch failed: {0}")]
    Torch(#[from] TchError),
}

impl NetworkInput {
    /// Of a volume that is on the network's grid and scale.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn of(volume: &Volume) -> Result<Self, TchError> {
        let [w, h, d] = volume.geometry.size.map(|n| n as i64);
        Ok(Self {
            image: Tensor::from_slice(&volume.voxels).f_view([d, h, w])?,
            geometry: volume.geometry.clone(),
        })
    }
}

/// Brings a volume to the network's grid and intensity scale.
///
/// The grid is [`Geometry::canonical`]: axes nearest to left, posterior and head, `spacing` in mm along them
/// (`IrisConfig::spacing_mm`), over all of the volume. The volume is smoothed where the grid is coarser, and
/// what lies outside it is air (the lowest value, for modalities other than CT). Then [`normalise`].
///
/// `modality` is DICOM's Modality (0008,0060).
///
/// # Errors
/// When the volume is empty, or larger than any patient.
pub fn network_input(
    volume: &Volume,
    modality: &str,
    spacing: [f64; 3],
) -> Result<NetworkInput, PreprocessError> {
    if volume.geometry.is_empty() || volume.voxels.len() != volume.geometry.len() {
        return Err(PreprocessError::Empty {
            size: volume.geometry.size,
            voxels: volume.voxels.len(),
        });
    }
    if let Some(metres) = volume.geometry.beyond_patients() {
        return Err(PreprocessError::BeyondPatients { metres });
    }
    Ok(NetworkInput::of(&for_network(volume, modality, spacing))?)
}

/// A volume on the network's grid and scale: see [`network_input`].
pub fn for_network(volume: &Volume, modality: &str, spacing: [f64; 3]) -> Volume {
    let grid = volume.geometry.canonical(spacing);
    let lowest = || {
        let finite = volume.voxels.iter().copied().filter(|v| v.is_finite());
        finite.reduce(f32::min).unwrap_or(0.0)
    };
    let mut resampled = volume.resampled(&grid, outside(modality, lowest));
    normalise(&mut resampled.voxels, modality);
    resampled
}

/// What lies outside of a volume of a modality.
fn outside(modality: &str, lowest: impl FnOnce() -> f32) -> f32 {
    match modality.trim() {
        CT => AIR,
        _ => lowest(),
    }
}

/// [`for_network`] of slices that come one by one, of which none is kept.
#[derive(Debug)]
pub struct SlicewiseInput(Slicewise);

impl SlicewiseInput {
    /// For the slices of a grid; `None` where the network's axes are not its own, so that slices are needed beside one
    /// another.
    pub fn of(source: &Geometry, spacing: [f64; 3]) -> Option<Self> {
        Slicewise::between(source, &source.canonical(spacing)).map(Self)
    }

    /// Takes slice `k`, see [`Slicewise::take`].
    pub fn take(&self, k: usize, slice: &[f32]) {
        self.0.take(k, slice);
    }

    /// Takes what was made of slice `k` before; nothing where that was for another grid.
    pub fn take_lone(&self, k: usize, slice: LoneInput) {
        if slice.in_plane == *self.0.in_plane() {
            self.0.take_plane(k, slice.plane);
        }
    }

    /// Whether slice `k` was taken.
    pub fn has(&self, k: usize) -> bool {
        self.0.has(k)
    }

    /// When all were taken, the volume on the network's grid and scale.
    pub fn finish(self, modality: &str) -> Volume {
        let mut volume = self.0.finish(|lowest| outside(modality, || lowest));
        normalise(&mut volume.voxels, modality);
        volume
    }
}

/// A slice on the network's columns and rows, made before the others are known: what [`SlicewiseInput::take`] makes of it,
/// bit for bit.
#[derive(Debug)]
pub struct LoneInput {
    in_plane: InPlane,
    plane: Plane,
}

impl LoneInput {
    /// Of the voxels of a grid of one slice; `None` as of [`SlicewiseInput::of`].
    pub fn of(slice: &Geometry, voxels: &[f32], spacing: [f64; 3]) -> Option<Self> {
        let SlicewiseInput(slicewise) = SlicewiseInput::of(slice, spacing)?;
        Some(Self {
            plane: slicewise.in_plane().plane(voxels),
            in_plane: slicewise.in_plane().clone(),
        })
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.in_plane.bytes() + self.plane.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_larger_than_any_patient_is_refused_before_it_takes_all_memory() {
        let of = |mm: f64| {
            let geometry = Geometry::axial([4; 3], [mm; 3], [0.0; 3]);
            let voxels = vec![0.0; geometry.len()];
            network_input(&Volume { geometry, voxels }, "CT", [4.0; 3])
        };
        assert!(of(300.0).is_ok());
        let refused = of(5000.0).unwrap_err().to_string();
        assert!(refused.contains("20.0 x 20.0 x 20.0 m"), "{refused}");
    }
}
