//! What scanners do to an image and anatomy does not: augmentation of intensities.

use super::noise::add_noise;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// Values stay within this of zero, a little beyond the network's scale.
const LIMIT: f32 = 3.0;
/// Places of an image's range of which a gamma is computed.
const GAMMA_PLACES: usize = 1024;
/// Cells of a bias field's lattice along each axis.
const BIAS_CELLS: usize = 3;

/// How often each change of intensity is made to an image, 0 to 1.
///
/// Reference and query draw on their own: what they share is the anatomy. (Crop, affine and elastic changes come from
/// the drawing of subjects.)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Brightness and contrast beyond the drawn scanner's.
    pub contrast: f64,
    /// Gamma, of the image or of its negative.
    pub gamma: f64,
    /// Gaussian blur, 0.4 to 1.3 voxels.
    pub blur: f64,
    /// Fewer, thicker voxels, and interpolation between them: mostly along the slices' axis.
    pub low_resolution: f64,
    /// A smooth multiplicative field.
    pub bias: f64,
    /// White noise.
    pub noise: f64,
    /// Artefacts: a ghost (MR) or streaks from a point (CT).
    pub artefacts: f64,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            contrast: 0.3,
            gamma: 0.25,
            blur: 0.15,
            low_resolution: 0.2,
            bias: 0.2,
            noise: 0.2,
            artefacts: 0.08,
        }
    }
}

impl Augmentation {
    /// No change at all.
    pub fn none() -> Self {
        Self {
            contrast: 0.0,
            gamma: 0.0,
            blur: 0.0,
            low_resolution: 0.0,
            bias: 0.0,
            noise: 0.0,
            artefacts: 0.0,
        }
    }

    /// Changes an image on the network's scale, in place; `size` is columns (fastest), rows, slices.
    pub fn apply(&self, voxels: &mut [f32], size: [usize; 3], rng: &mut impl Rng) {
        if voxels.is_empty() || voxels.len() != size.iter().product::<usize>() {
            return;
        }
        let by_chance = |share: f64, rng: &mut _| RngExt::random_bool(rng, share.clamp(0.0, 1.0));
        if by_chance(self.blur, rng) {
            blur(voxels, size, rng.random_range(0.4..1.3));
        }
        if by_chance(self.low_resolution, rng) {
            let axis = [2, 2, 2, 1, 0][rng.random_range(0..5)];
            coarsen(voxels, size, axis, rng.random_range(1.4..4.0));
        }
        if by_chance(self.gamma, rng) {
            gamma(voxels, rng.random_range(0.65f32..1.5), rng.random_bool(0.3));
        }
        if by_chance(self.contrast, rng) {
            let (gain, shift) = (
                rng.random_range(0.7f32..1.35),
                rng.random_range(-0.25..0.25),
            );
            let mean = sum(voxels) / voxels.len() as f32;
            voxels
                .iter_mut()
                .for_each(|v| *v = mean + (*v - mean) * gain + shift);
        }
        if by_chance(self.bias, rng) {
            bias(voxels, size, rng);
        }
        if by_chance(self.artefacts, rng) {
            match rng.random_bool(0.5) {
                true => ghost(voxels, size, rng),
                false => streaks(voxels, size, rng),
            }
        }
        if by_chance(self.noise, rng) {
            let deviation = rng.random_range(0.02f32..0.2);
            add_noise(voxels, deviation, rng);
        }
        voxels.iter_mut().for_each(|v| *v = v.clamp(-LIMIT, LIMIT));
    }
}

/// Neighbouring voxels, or lines of them where an axis is not the fastest, that are taken together.
const LANES: usize = 16;

/// Calls `line(values)` with every line of voxels along an axis, and puts the values back.
fn along(voxels: &mut [f32], size: [usize; 3], axis: usize, mut line: impl FnMut(&mut [f32])) {
    let stride: usize = size[..axis].iter().product();
    let length = size[axis];
    // Neighbours lie in one line of the processor's cache: they are read and written together.
    let mut lines = vec![0.0; length * LANES.min(stride)];
    for block in voxels.chunks_mut((stride * length).max(1)) {
        for first in (0..stride).step_by(LANES) {
            let lanes = LANES.min(stride - first);
            for place in 0..length {
                let at = place * stride + first;
                for (lane, value) in block[at..at + lanes].iter().enumerate() {
                    lines[lane * length + place] = *value;
                }
            }
            lines.chunks_mut(length).take(lanes).for_each(&mut line);
            for place in 0..length {
                let at = place * stride + first;
                for (lane, value) in block[at..at + lanes].iter_mut().enumerate() {
                    *value = lines[lane * length + place];
                }
            }
        }
    }
}

/// Gaussian blur of `sigma` voxels along every axis; the border goes on.
fn blur(voxels: &mut [f32], size: [usize; 3], sigma: f32) {
    let reach = (3.0 * sigma).ceil() as usize;
    let weights: Vec<f32> = (0..=2 * reach)
        .map(|at| (-0.5 * ((at as f32 - reach as f32) / sigma).powi(2)).exp())
        .collect();
    let sum: f32 = weights.iter().sum();
    let mut before = Vec::new();
    for axis in 0..3 {
        along(voxels, size, axis, |line| {
            let (first, last) = (line[0], line[line.len() - 1]);
            let ends = |value| std::iter::repeat_n(value, reach);
            before.clear();
            before.extend(ends(first).chain(line.iter().copied()).chain(ends(last)));
            line.fill(0.0);
            for (shift, weight) in weights.iter().enumerate() {
                for (value, from) in line.iter_mut().zip(&before[shift..]) {
                    *value += from * weight;
                }
            }
            line.iter_mut().for_each(|value| *value /= sum);
        });
    }
}

/// Means over `factor` voxels along an axis, then linear interpolation between those.
fn coarsen(voxels: &mut [f32], size: [usize; 3], axis: usize, factor: f64) {
    let count = (size[axis] as f64 / factor).round().max(2.0) as usize;
    if count >= size[axis] {
        return;
    }
    let length = size[axis];
    let thick = length as f64 / count as f64;
    // The voxels of each thick one, and between which of these each voxel lies: the same for every line.
    let cells: Vec<std::ops::Range<usize>> = (0..count)
        .map(|cell| {
            let from = (cell as f64 * thick) as usize;
            let to = (((cell + 1) as f64 * thick).ceil() as usize).clamp(from + 1, length);
            from..to
        })
        .collect();
    let between: Vec<(usize, f32)> = (0..length)
        .map(|at| {
            let place = ((at as f64 + 0.5) / thick - 0.5).clamp(0.0, count as f64 - 1.0);
            let low = (place as usize).min(count - 2);
            (low, (place - low as f64) as f32)
        })
        .collect();
    let mut means = vec![0.0; count];
    along(voxels, size, axis, |line| {
        for (mean, cell) in means.iter_mut().zip(&cells) {
            *mean = line[cell.clone()].iter().sum::<f32>() / cell.len() as f32;
        }
        for (value, &(low, part)) in line.iter_mut().zip(&between) {
            *value = means[low] + (means[low + 1] - means[low]) * part;
        }
    });
}

/// `x^γ` on the image's own range.
fn gamma(voxels: &mut [f32], exponent: f32, of_negative: bool) {
    let (low, high) = range(voxels);
    if high <= low {
        return;
    }
    // A power for each of the table's places, and a straight line between.
    let table: [f32; GAMMA_PLACES + 2] = std::array::from_fn(|place| {
        let share = (place as f32 / GAMMA_PLACES as f32).min(1.0);
        let changed = match of_negative {
            true => 1.0 - (1.0 - share).powf(exponent),
            false => share.powf(exponent),
        };
        low + changed * (high - low)
    });
    let scale = GAMMA_PLACES as f32 / (high - low);
    for voxel in voxels {
        let place = (*voxel - low) * scale;
        let lower = (place as usize).min(GAMMA_PLACES);
        let (from, to) = (table[lower], table[lower + 1]);
        *voxel = from + (to - from) * (place - lower as f32);
    }
}

/// The least and the greatest value.
fn range(voxels: &[f32]) -> (f32, f32) {
    // Not `min` and `max`, which look for what is no number.
    let less = |a: f32, b: f32| if b < a { b } else { a };
    let more = |a: f32, b: f32| if b > a { b } else { a };
    let (whole, rest) = voxels.as_chunks::<LANES>();
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    for together in whole {
        for (lane, &value) in together.iter().enumerate() {
            low[lane] = less(low[lane], value);
            high[lane] = more(high[lane], value);
        }
    }
    (
        low.iter().chain(rest).copied().fold(f32::INFINITY, less),
        high.iter()
            .chain(rest)
            .copied()
            .fold(f32::NEG_INFINITY, more),
    )
}

fn sum(voxels: &[f32]) -> f32 {
    let (whole, rest) = voxels.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for together in whole {
        for (sum, value) in sums.iter_mut().zip(together) {
            *sum += value;
        }
    }
    sums.iter().chain(rest).sum()
}

/// Multiplies by a trilinear field between lognormal values, from the darkest value on.
fn bias(voxels: &mut [f32], size: [usize; 3], rng: &mut impl Rng) {
    let (low, _) = range(voxels);
    let amplitude = rng.random_range(0.05f32..0.3);
    let lattice: Vec<f32> = (0..BIAS_CELLS.pow(3))
        .map(|_| {
            let value: f32 = StandardNormal.sample(rng);
            (value * amplitude).exp()
        })
        .collect();
    let place = |at: usize, length: usize| {
        let t = at as f32 / (length.max(2) - 1) as f32 * (BIAS_CELLS - 1) as f32;
        let cell = (t as usize).min(BIAS_CELLS - 2);
        (cell, t - cell as f32)
    };
    let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
    for (line, row) in voxels.chunks_mut(size[0]).enumerate() {
        let ((j, y), (k, z)) = (
            place(line % size[1], size[1]),
            place(line / size[1], size[2]),
        );
        // The lattice of this row: interpolated across rows and slices once.
        let of_row: [f32; BIAS_CELLS] = std::array::from_fn(|i| {
            let at = |j: usize, k: usize| lattice[(k * BIAS_CELLS + j) * BIAS_CELLS + i];
            mix(
                mix(at(j, k), at(j + 1, k), y),
                mix(at(j, k + 1), at(j + 1, k + 1), y),
                z,
            )
        });
        for (at, voxel) in row.iter_mut().enumerate() {
            let (i, x) = place(at, size[0]);
            let field = mix(of_row[i], of_row[i + 1], x);
            *voxel = low + (*voxel - low) * field;
        }
    }
}

/// The image once more, faint and moved along the columns or rows, as motion leaves it in MR.
fn ghost(voxels: &mut [f32], size: [usize; 3], rng: &mut impl Rng) {
    let axis = rng.random_range(0..2);
    let share = rng.random_range(0.05f32..0.25);
    let moved = (size[axis] as f64 * rng.random_range(0.15..0.5)) as usize;
    let (low, _) = range(voxels);
    let mut before = Vec::new();
    along(voxels, size, axis, |line| {
        before.clear();
        before.extend_from_slice(line);
        for (at, value) in line.iter_mut().enumerate() {
            *value += share * (before[(at + moved) % before.len()] - low);
        }
    });
}

/// Dark and bright rays that fade from a point, as metal leaves them in CT.
fn streaks(voxels: &mut [f32], size: [usize; 3], rng: &mut impl Rng) {
    let center: [f32; 3] =
        std::array::from_fn(|a| size[a] as f32 * rng.random_range(0.25f32..0.75));
    let (rays, turn) = (
        rng.random_range(4..14) as f32,
        rng.random_range(0.0f32..6.3),
    );
    let amplitude = rng.random_range(0.2f32..0.9);
    let reach = size[0].max(size[1]) as f32 * 0.25;
    let thick = rng.random_range(1.0f32..4.0);
    for (line, row) in voxels.chunks_mut(size[0]).enumerate() {
        let (y, z) = (
            (line % size[1]) as f32 - center[1],
            ((line / size[1]) as f32 - center[2]) / thick,
        );
        let of_slice = amplitude * (-z * z).exp();
        if of_slice < 0.01 {
            continue;
        }
        for (at, voxel) in row.iter_mut().enumerate() {
            let x = at as f32 - center[0];
            let fade = (-x.hypot(y) / reach).exp();
            *voxel += of_slice * fade * (rays * y.atan2(x) + turn).cos();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    const SIZE: [usize; 3] = [24, 20, 12];

    fn image() -> Vec<f32> {
        (0..SIZE.iter().product::<usize>())
            .map(|at| {
                let (i, j, k) = (at % 24, at / 24 % 20, at / 480);
                match (6..14).contains(&i) && (5..12).contains(&j) && (3..9).contains(&k) {
                    true => 0.8,
                    false => -0.6,
                }
            })
            .collect()
    }

    fn only(change: impl Fn(&mut Augmentation)) -> Vec<f32> {
        let mut augmentation = Augmentation::none();
        change(&mut augmentation);
        let mut voxels = image();
        augmentation.apply(&mut voxels, SIZE, &mut ChaCha8Rng::seed_from_u64(3));
        voxels
    }

    /// How clearly the box still stands out.
    fn step(voxels: &[f32]) -> f32 {
        let mean = |wanted: f32| {
            let chosen: Vec<f32> = image()
                .iter()
                .zip(voxels)
                .filter(|(was, _)| **was == wanted)
                .map(|(_, now)| *now)
                .collect();
            chosen.iter().sum::<f32>() / chosen.len() as f32
        };
        mean(0.8) - mean(-0.6)
    }

    #[test]
    fn every_change_changes_the_image_and_none_hides_the_anatomy() {
        assert_eq!(only(|_| {}), image());
        let changes: [fn(&mut Augmentation); 7] = [
            |a| a.contrast = 1.0,
            |a| a.gamma = 1.0,
            |a| a.blur = 1.0,
            |a| a.low_resolution = 1.0,
            |a| a.bias = 1.0,
            |a| a.noise = 1.0,
            |a| a.artefacts = 1.0,
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let changed = only(change);
            // A gamma leaves the two ends of a two-valued image where they are.
            assert!(
                number == 1 || changed != image(),
                "change {number} does nothing"
            );
            assert!(step(&changed) > 0.6, "change {number}: {}", step(&changed));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_image_and_values_stay_on_the_scale() {
        let twice: Vec<Vec<f32>> = (0..2)
            .map(|_| {
                let mut voxels: Vec<f32> = image().iter().map(|v| v * 5.0).collect();
                let all = Augmentation {
                    contrast: 1.0,
                    gamma: 1.0,
                    blur: 1.0,
                    low_resolution: 1.0,
                    bias: 1.0,
                    noise: 1.0,
                    artefacts: 1.0,
                };
                all.apply(&mut voxels, SIZE, &mut ChaCha8Rng::seed_from_u64(9));
                voxels
            })
            .collect();
        assert_eq!(twice[0], twice[1]);
        assert!(twice[0].iter().all(|v| v.is_finite() && v.abs() <= LIMIT));
    }

    #[test]
    fn thick_slices_blur_along_their_axis_alone() {
        let mut voxels = image();
        coarsen(&mut voxels, SIZE, 2, 3.0);
        let at = |i: usize, j: usize, k: usize| voxels[(k * 20 + j) * 24 + i];
        assert_eq!(at(10, 8, 6), 0.8, "the middle of the box is as it was");
        assert_eq!(at(5, 8, 6), -0.6, "a border within a slice stays sharp");
        let below = at(10, 8, 2);
        assert!(
            -0.6 < below && below < 0.8,
            "a border between slices does not: {below}"
        );
    }
}
