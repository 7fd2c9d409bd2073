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
    /// The window for a volume that is covered by windows overlapping by `overlap`: the volume rounded up to the stride
    /// where that has at most `max_voxels`, so that a thin stack is not padded to a cube and a body is seen whole.
    /// Else the fewest windows, and of those the largest: a long scan is cut along its length alone, each window sees the
    /// body from side to side, and as much above and below as there is room for.
    ///
    /// At least two strides long (one for the slices of a stack not thicker than a stride), and as long as the training
    /// patch or 64, whichever is less, even where that is more than `max_voxels`.
    pub(super) fn window_size(&self, size: [i64; 3], max_voxels: i64, overlap: f64) -> [i64; 3] {
        let of = |axis: usize| self.window_lengths(axis, size[axis]);
        let (zs, ys, xs) = (of(0), of(1), of(2));
        let planes = ys.iter().flat_map(|y| xs.iter().map(move |x| (y, x)));
        let each = planes.flat_map(|(y, x)| zs.iter().map(move |z| [*z, *y, *x]));
        let chosen = each.min_by_key(|window| {
            let voxels: i64 = window.iter().product();
            let counts = (0..3).map(|axis| 1 + steps(size[axis], window[axis], overlap));
            let windows: i64 = counts.product();
            match voxels <= max_voxels {
                true => (0, windows, -voxels),
                // None is small enough: the smallest.
                false => (voxels, windows, 0),
            }
        });
        // Every axis has a length.
        chosen.unwrap_or(size)
    }

    /// How long a window may be along an axis of `n` voxels: multiples of the stride, the axis' whole length the last.
    fn window_lengths(&self, axis: usize, n: i64) -> Vec<i64> {
        let stride = self.config().stride();
        let strides = |n: i64| (n as u64).div_ceil(stride as u64) as i64;
        // Instance normalisation needs more than one cell at the bottleneck.
        let whole = match axis == 0 && n <= stride {
            true => 1,
            false => strides(n).max(2),
        };
        let least = strides(self.config().patch[axis].min(64)).min(whole);
        (least..=whole).map(|n| n * stride).collect()
    }
}

/// Windows of `window` voxels beside the first that cover an axis of `volume` voxels, overlapping by at least `overlap`.
fn steps(volume: i64, window: i64, overlap: f64) -> i64 {
    let room = (volume - window).max(0);
    let step = (window as f64 * (1.0 - overlap.clamp(0.0, 0.9))).max(1.0);
    (room as f64 / step).ceil() as i64
}

/// Pads the last three axes at their ends, repeating the border: an edge of zeros would look like anatomy.
pub(super) fn pad_to(x: &Tensor, size: [i64; 3]) -> Result<Tensor, tch::TchError> {
    let missing = around(x, [0; 3], size);
    // Masks: nothing is labelled outside the volume.
    if x.dim() == 4 || missing.iter().all(|&n| n == 0) {
        return placed(x, [0; 3], size);
    }
    Ok(x.unsqueeze(0)
        .unsqueeze(0)
        .f_replication_pad3d(&missing)?
        .squeeze_dim(0)
        .squeeze_dim(0))
}

/// `x` as the part of a volume of that `size` that begins at `start`; the rest of the volume is 0. The last three axes.
///
/// # Errors
/// When libtorch fails, for want of memory for instance.
pub fn placed(x: &Tensor, start: [i64; 3], size: [i64; 3]) -> Result<Tensor, tch::TchError> {
    let around = around(x, start, size);
    if around.iter().all(|&n| n == 0) {
        return Ok(x.shallow_clone());
    }
    x.f_constant_pad_nd(around)
}

/// How many voxels of a volume lie before and behind a part of it, the last axis first, as libtorch counts what it pads.
fn around(x: &Tensor, start: [i64; 3], size: [i64; 3]) -> Vec<i64> {
    let part = x.size();
    let part = &part[part.len() - 3..];
    (0..3)
        .rev()
        .flat_map(|a| [start[a], size[a] - start[a] - part[a]])
        .collect()
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
        let count = steps(volume[axis], window[axis], overlap);
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
    use proptest::prelude::*;

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
        assert_eq!(window_of([10, 125, 125]), [16, 128, 128]);
    }

    #[test]
    fn a_long_scan_is_cut_along_its_length_alone() {
        assert_eq!(window_of([60, 90, 112]), [64, 96, 112], "seen whole");
        assert_eq!(window_of([200, 112, 112]), [80, 112, 112]);
        assert_eq!(windows([200, 112, 112], [80, 112, 112], 0.5).len(), 4);
        assert_eq!(window_of([150, 72, 96]), [144, 72, 96], "as tall as it may");
    }

    proptest! {
        #[test]
        fn a_window_has_at_most_the_voxels_it_may_and_is_no_shorter_than_it_must(
            size in prop::array::uniform3(1i64..300),
            overlap in 0.0..0.9,
        ) {
            let iris = Iris::new(IrisConfig::small(), Device::Cpu);
            let (stride, patch) = (iris.config().stride(), iris.config().patch);
            let window = iris.window_size(size, MOST, overlap);
            prop_assert!(window.iter().product::<i64>() <= MOST);
            for axis in 0..3 {
                prop_assert_eq!(window[axis] % stride, 0);
                prop_assert!(window[axis] >= patch[axis].min(64).min(size[axis]));
                prop_assert!(window[axis] < size[axis].max(2 * stride) + stride);
            }
        }
    }

    const MOST: i64 = 128 * 112 * 72;

    fn window_of(size: [i64; 3]) -> [i64; 3] {
        let iris = Iris::new(IrisConfig::small(), Device::Cpu);
        iris.window_size(size, MOST, 0.5)
    }
}
