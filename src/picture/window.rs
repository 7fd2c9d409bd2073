//! Window level: which intensities become black and which white.

use crate::volume::Volume;

/// Window Center (0028,1050) and Window Width (0028,1051).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Intensity shown as middle grey.
    pub center: f32,
    /// Range of intensities from black to white.
    pub width: f32,
}

impl Window {
    /// The soft tissue window, 40 / 400 HU.
    pub const SOFT_TISSUE: Self = Self {
        center: 40.0,
        width: 400.0,
    };

    /// Soft tissue for CT; for other modalities from the 1st to the 99.5th percentile.
    pub fn for_modality(volume: &Volume, modality: &str) -> Self {
        if modality.trim() == "CT" {
            return Self::SOFT_TISSUE;
        }
        let mut values: Vec<f32> = volume
            .voxels
            .iter()
            .copied()
            .filter(|v| v.is_finite())
            .collect();
        if values.is_empty() {
            return Self::SOFT_TISSUE;
        }
        values.sort_unstable_by(f32::total_cmp);
        let at = |share: f64| values[(share * (values.len() - 1) as f64).round() as usize];
        let (low, high) = (at(0.01), at(0.995));
        Self {
            center: (low + high) / 2.0,
            width: (high - low).max(f32::MIN_POSITIVE),
        }
    }

    /// Grey from 0 to 1.
    pub(super) fn grey(self, value: f32) -> f32 {
        let grey = (value - self.center) / self.width + 0.5;
        if grey.is_nan() {
            0.0
        } else {
            grey.clamp(0.0, 1.0)
        }
    }

    /// The intensity from which on a voxel is taken for the patient, not the air around.
    pub(super) fn patient_threshold(self) -> f32 {
        self.center - 0.45 * self.width
    }
}
