//! Windows over a volume, and tensors cut and padded to them.

use super::Iris;
use tch::{Device, Kind, Tensor};

/// One window: where it starts and how large it is, in voxels of the (padded) volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: [i64; 3],
    pub(super) size: [i64; 3],
}

impl Iris {
    /// The window for a volume: along each axis the volume rounded up to the
    /// stride, so that a thin stack is not padded to a cube and a body is seen
    /// whole where memory allows. At least two strides long (one for the slices
    /// of a stack not thicker than a stride). While it has more than
    /// `max_voxels`, its longest axis (the last of equals) loses one stride,
    /// down to the training patch or 64, whichever is less.
    pub(super) fn window_size(&self, size: [i64; 3], max_voxels: i64) -> [i64; 3] {
        let stride = self.config().stride();
        let patch = self.config().patch;
        // Instance normalisation needs more than one cell at the bottleneck.
        let mut window =
            size.map(|n| (n.max(2 * stride) as u64).div_ceil(stride as u64) as i64 * stride);
        if size[0] <= stride {
            window[0] = stride;
        }
        while window.iter().product::<i64>() > max_voxels {
            let Some(axis) = (0..3)
                .filter(|&a| window[a] > patch[a].min(64))
                .max_by_key(|&a| window[a])
            else {
                break;
            };
            window[axis] -= stride;
        }
        window
    }
}

/// Pads the last three axes at their ends, repeating the border: an edge of zeros would look like anatomy.
pub(super) fn pad_to(x: &Tensor, size: [i64; 3]) -> Result<Tensor, tch::TchError> {
    let now = x.size();
    let now = &now[now.len() - 3..];
    let missing: Vec<i64> = (0..3).rev().flat_map(|a| [0, size[a] - now[a]]).collect();
    if missing.iter().all(|&n| n == 0) {
        return Ok(x.shallow_clone());
    }
    if x.dim() == 4 {
        // Masks: nothing is labelled outside the volume.
        return x.f_constant_pad_nd(&missing);
    }
    Ok(x.unsqueeze(0)
        .unsqueeze(0)
        .f_replication_pad3d(&missing)?
        .squeeze_dim(0)
        .squeeze_dim(0))
}

/// A view of a window of the last three axes.
pub(super) fn cut(x: &Tensor, window: Window) -> Tensor {
    (0..3).fold(x.shallow_clone(), |x, a| {
        x.narrow(a as i64 - 3, window.start[a], window.size[a])
    })
}

/// The value of a window that has only one.
pub(super) fn only_value(window: &Tensor) -> Result<Option<f64>, tch::TchError> {
    let (least, greatest) = (f64::try_from(window.min())?, f64::try_from(window.max())?);
    Ok((least == greatest).then_some(least))
}

/// Windows that cover the volume, evenly spread, overlapping by at least `overlap`.
pub(super) fn windows(volume: [i64; 3], window: [i64; 3], overlap: f64) -> Vec<Window> {
    let starts = |axis: usize| -> Vec<i64> {
        let room = volume[axis] - window[axis];
        let step = (window[axis] as f64 * (1.0 - overlap.clamp(0.0, 0.9))).max(1.0);
        let count = (room as f64 / step).ceil() as i64;
        (0..=count)
            .map(|i| if count == 0 { 0 } else { room * i / count })
            .collect()
    };
    let (zs, ys, xs) = (starts(0), starts(1), starts(2));
    let mut all = Vec::with_capacity(zs.len() * ys.len() * xs.len());
    for &z in &zs {
        for &y in &ys {
            for &x in &xs {
                all.push(Window {
                    start: [z, y, x],
                    size: window,
                });
            }
        }
    }
    all
}

/// Weight of each voxel of a window, `[D, H, W]`: a Gaussian with σ = size/8 along
/// each axis (as nnU-Net weighs its windows), kept above zero so that every voxel counts.
pub(super) fn gaussian(size: [i64; 3]) -> Tensor {
    let axis = |n: i64| {
        let x = Tensor::arange(n, (Kind::Float, Device::Cpu)) - (n - 1) as f64 / 2.0;
        (x / (n as f64 / 8.0))
            .square()
            .f_mul_scalar(-0.5)
            .map(|e| e.exp())
    };
    let product = |a: Tensor, b: Tensor, c: Tensor| {
        a.reshape([-1, 1, 1]) * b.reshape([1, -1, 1]) * c.reshape([1, 1, -1])
    };
    match (axis(size[0]), axis(size[1]), axis(size[2])) {
        (Ok(a), Ok(b), Ok(c)) => product(a, b, c).clamp_min(1e-3),
        _ => Tensor::ones(size, (Kind::Float, Device::Cpu)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iris::IrisConfig;

    #[test]
    fn windows_cover_every_voxel_and_stay_inside() {
        for (volume, window, overlap) in [
            ([16, 16, 16], [16, 16, 16], 0.5),
            ([40, 33, 16], [16, 16, 16], 0.5),
            ([50, 17, 90], [32, 16, 48], 0.25),
        ] {
            let covered = Tensor::zeros(volume, (Kind::Float, Device::Cpu));
            for place in windows(volume, window, overlap) {
                let _ = cut(&covered, place).f_add_scalar_(1.0).unwrap();
            }
            assert!(
                f64::try_from(covered.min()).unwrap() >= 1.0,
                "{volume:?} by {window:?}"
            );
        }
    }

    #[test]
    fn a_thin_stack_is_not_padded_to_a_cube() {
        let iris = Iris::new(IrisConfig::small(), Device::Cpu);
        assert_eq!(
            iris.window_size([10, 125, 125], 128 * 128 * 64),
            [16, 128, 128]
        );
    }
}
