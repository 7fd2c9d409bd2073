//! White noise for training: as good as normal, at a tenth of the price.

use rand::Rng;

/// Voxels for which bytes are drawn together.
const TOGETHER: usize = 512;
/// Mean of the sum of four bytes.
const MEAN: f32 = 4.0 * 127.5;
/// Variance of a byte.
const VARIANCE: f32 = (256.0 * 256.0 - 1.0) / 12.0;

/// Adds white noise of this standard deviation: the sum of four random bytes for each voxel (Irwin and Hall's
/// distribution), which is nearly normal and never further off than 3.5 deviations.
pub(crate) fn add_noise(voxels: &mut [f32], deviation: f32, rng: &mut impl Rng) {
    let scale = deviation / (4.0 * VARIANCE).sqrt();
    let mut bytes = [0; 4 * TOGETHER];
    for voxels in voxels.chunks_mut(TOGETHER) {
        let bytes = &mut bytes[..4 * voxels.len()];
        rng.fill_bytes(bytes);
        for (voxel, four) in voxels.iter_mut().zip(bytes.as_chunks().0) {
            // Two by two, which processors do for several voxels at once.
            let four = u32::from_le_bytes(*four);
            let two = (four & 0x00ff_00ff) + (four >> 8 & 0x00ff_00ff);
            let sum = (two & 0xffff) + (two >> 16);
            *voxel += (sum as i32 as f32 - MEAN) * scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn noise_has_the_spread_that_was_asked_for_is_white_and_nearly_normal() {
        // No multiple of what is drawn together.
        let mut voxels = vec![7.0; 200_001];
        add_noise(&mut voxels, 3.0, &mut ChaCha8Rng::seed_from_u64(1));
        let parts: Vec<f64> = voxels.iter().map(|v| (f64::from(*v) - 7.0) / 3.0).collect();
        let mean = |of: &dyn Fn(usize) -> f64| {
            (0..parts.len() - 1).map(of).sum::<f64>() / (parts.len() - 1) as f64
        };
        assert!(mean(&|n| parts[n]).abs() < 0.01);
        assert!((mean(&|n| parts[n].powi(2)) - 1.0).abs() < 0.02);
        assert!(mean(&|n| parts[n].powi(3)).abs() < 0.03);
        // 3 for the normal distribution, 2.7 for the sum of four even ones.
        assert!((mean(&|n| parts[n].powi(4)) - 2.7).abs() < 0.06);
        assert!(mean(&|n| parts[n] * parts[n + 1]).abs() < 0.01);
    }
}
