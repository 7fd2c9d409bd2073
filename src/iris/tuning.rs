//! In-context tuning: the network stays as it is, only the task embedding is optimised (paper section 3.4).

use super::inference::{InferenceError, volume_size};
use super::train::{Optimiser, UpdateRule, dice_cross_entropy};
use super::window::{Window, cut, pad_to, windows};
use super::{Iris, TaskEmbedding};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Kind, Tensor};

/// A class with fewer voxels in a copy of a reference is not asked for there.
const LEAST_VOXELS: f64 = 20.0;

/// Voxels of a tuning window, in patches of training.
const PATCHES: i64 = 4;
/// Share of a window that overlaps with its neighbour along each axis.
const OVERLAP: f64 = 0.5;

/// How an embedding is tuned.
#[derive(Debug, Clone, PartialEq)]
pub struct TuneOptions {
    /// Optimiser steps; each sees one augmented copy of one reference.
    pub steps: u64,
    /// Learning rate, relative to the spread (standard deviation) of the embedding's values.
    pub rate: f64,
    /// Seed of the augmentation: the same seed gives the same embedding.
    pub seed: u64,
}

impl Default for TuneOptions {
    fn default() -> Self {
        Self {
            steps: 100,
            rate: 0.005,
            seed: 1,
        }
    }
}

/// A reference to tune on.
#[derive(Debug)]
pub struct TuningPair {
    /// `[D, H, W]`, preprocessed, at the network's spacing.
    pub image: Tensor,
    /// `[k, D, H, W]` in [0, 1], of the classes that this reference shows.
    pub masks: Tensor,
    /// Which rows of the embedding those are.
    pub classes: Vec<i64>,
}

/// A reference made ready: what does not change from step to step.
struct CutUp {
    image: Tensor,
    masks: Tensor,
    /// At least one.
    places: Vec<Window>,
    classes: Tensor,
}

impl Iris {
    /// Tunes `start` on augmented copies of the references.
    ///
    /// Every step draws a reference, turns, scales and shifts it a little,
    /// changes its intensities, and moves the embedding of its classes down the
    /// gradient of the training loss. With one reference the copies stand in
    /// for the subjects that are not there. Returned is the mean over the second
    /// half of the steps, which does not depend on the last copy drawn.
    ///
    /// `progress(done, all, loss)` is called after each step.
    pub fn tune(
        &self,
        start: &TaskEmbedding,
        pairs: &[TuningPair],
        options: &TuneOptions,
        progress: &mut dyn FnMut(u64, u64, f64),
    ) -> Result<TaskEmbedding, InferenceError> {
        if start.weights_hash() != self.weights_hash() {
            return Err(InferenceError::OtherWeights);
        }
        for pair in pairs {
            let (size, shape) = (volume_size(&pair.image)?, pair.masks.size());
            let classes = pair.classes.len() as i64;
            if classes == 0 || shape != [classes, size[0], size[1], size[2]] {
                return Err(InferenceError::Shape {
                    expected: "masks [k, D, H, W] of the pair's classes on the image's grid",
                    found: shape,
                });
            }
        }
        if pairs.is_empty() || options.steps == 0 {
            return Ok(TaskEmbedding::new(start.tensor(), start.weights_hash())?);
        }
        let pairs = pairs
            .iter()
            .map(|pair| self.cut_up(pair))
            .collect::<Result<Vec<_>, _>>()?;
        let tokens = start.tensor().to_device(self.device());
        let spread = f64::try_from(tokens.std(false))?;
        let tokens = tokens.copy().set_requires_grad(true);
        let mut optimiser = Optimiser::new(UpdateRule::AdamW);
        let tuned = [("embedding".to_owned(), tokens.shallow_clone())];
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        let (mut sum, mut count) = (tokens.zeros_like(), 0.0);
        for step in 0..options.steps {
            let pair = &pairs[rng.random_range(0..pairs.len())];
            let (image, masks) = self.copy_of(pair, &mut rng)?;
            let Some((masks, classes)) = shown_in(&masks, &pair.classes)? else {
                progress(step + 1, options.steps, 0.0);
                continue;
            };
            let mut gradient = tokens.grad();
            if gradient.defined() {
                let _ = gradient.f_detach_()?.f_zero_()?;
            }
            let features = tch::no_grad(|| self.encode(&image));
            let rows = tokens.f_index_select(0, &classes)?;
            let logits = self.decode(&features, &rows.unsqueeze(0));
            let loss = dice_cross_entropy(&logits, &masks, 1.0);
            loss.f_backward()?;
            // Falls to a tenth, so that the second half settles.
            let rate = options.rate * (1.0 - 0.9 * step as f64 / options.steps as f64);
            optimiser.step(&tuned, rate * spread, 0.0, 1.0);
            if step >= options.steps / 2 {
                tch::no_grad(|| sum += &tokens);
                count += 1.0;
            }
            progress(step + 1, options.steps, f64::try_from(&loss)?);
        }
        let tuned = match count > 0.0 {
            true => sum / count,
            // No copy showed a class that is large enough to learn from.
            false => tokens.detach(),
        };
        Ok(TaskEmbedding::new(&tuned, self.weights_hash())?)
    }

    /// Windows of a reference that show a class, the reference padded to hold them.
    fn cut_up(&self, pair: &TuningPair) -> Result<CutUp, InferenceError> {
        let shown = self.patient(&pair.image.to_kind(Kind::Float), Some(&pair.masks))?;
        // More than it was trained on: the query will be met whole or in large parts, with everything that competes in
        // sight. On six drawn torsos tuning gained 0.020 of Dice so, and 0.006 in windows of a patch. A step is then
        // two or three seconds on a CPU, within two or three gigabytes.
        let patch: i64 = self.config().patch.iter().product();
        let window = self.window_size(shown.size, PATCHES * patch, OVERLAP);
        let padded: [i64; 3] = std::array::from_fn(|a| shown.size[a].max(window[a]));
        let kept = |x: &Tensor| pad_to(&cut(&x.to_kind(Kind::Float), shown), padded);
        let (image, masks) = (kept(&pair.image)?, kept(&pair.masks)?);
        let mut places: Vec<Window> = windows(padded, window, OVERLAP)
            .into_iter()
            .filter(|&place| cut(&masks, place).sum(Kind::Float).double_value(&[]) > 0.0)
            .collect();
        if places.is_empty() {
            places.push(Window {
                start: [0; 3],
                size: window,
            });
        }
        Ok(CutUp {
            image,
            masks,
            places,
            classes: Tensor::from_slice(&pair.classes).to_device(self.device()),
        })
    }

    /// An augmented window of a reference: `[1, 1, D, H, W]` and `[1, k, D, H, W]` on the device.
    fn copy_of(
        &self,
        pair: &CutUp,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Tensor, Tensor), InferenceError> {
        let _guard = tch::no_grad_guard();
        let place = pair.places[rng.random_range(0..pair.places.len())];
        let [depth, height, width] = place.size;
        let image = cut(&pair.image, place).unsqueeze(0).unsqueeze(0);
        let masks = cut(&pair.masks, place).unsqueeze(0);
        let theta = affine(place.size, rng);
        let grid = Tensor::f_affine_grid_generator(&theta, [1, 1, depth, height, width], false)?;
        // 0: linear; 1: the border goes on, 0: nothing is labelled beyond it.
        let image = image.f_grid_sampler(&grid, 0, 1, false)?;
        let masks = masks.f_grid_sampler(&grid, 0, 0, false)?;
        let (gain, shift) = (rng.random_range(0.9..1.1), rng.random_range(-0.1..0.1));
        // From the sequence of this tuning: libtorch's is one for the process, and other threads draw from it too.
        let amplitude = rng.random_range(0.0..0.08);
        let noise: Vec<f32> = StandardNormal
            .sample_iter(rng)
            .take(image.numel())
            .collect();
        let noise = Tensor::from_slice(&noise).reshape(image.size()) * amplitude;
        let there = |x: Tensor| x.to_device(self.device());
        Ok((there(image * gain + shift + noise), there(masks)))
    }
}

/// The masks `[1, k', D, H, W]` of the classes that a copy shows, and which rows of the embedding those are; `None` when
/// it shows none.
///
/// As in training, where every class that is asked for is there: a thin slab that lacks most classes of a scan would
/// teach, above all, to find nothing.
fn shown_in(masks: &Tensor, classes: &Tensor) -> Result<Option<(Tensor, Tensor)>, InferenceError> {
    let of_class = masks.f_sum_dim_intlist([0i64, 2, 3, 4].as_slice(), false, Kind::Float)?;
    let shown = of_class.f_ge(LEAST_VOXELS)?.f_nonzero()?.f_view([-1])?;
    if shown.numel() == 0 {
        return Ok(None);
    }
    let masks = masks.f_index_select(1, &shown)?;
    Ok(Some((masks, classes.f_index_select(0, &shown)?)))
}

/// A small random turn, scale and shift, `[1, 3, 4]`, from the copy's normalised coordinates to the window's.
fn affine(window: [i64; 3], rng: &mut impl Rng) -> Tensor {
    // Coordinates run -1 to 1 along x (W), y (H), z (D): turns are made in voxels.
    let half = [window[2], window[1], window[0]].map(|n| n as f64 / 2.0);
    let mut turn = [[0.0; 3]; 3];
    for (a, row) in turn.iter_mut().enumerate() {
        row[a] = rng.random_range(0.88..1.14);
    }
    for [a, b] in [[0usize, 1], [0, 2], [1, 2]] {
        let angle: f64 = rng.random_range(-0.12..0.12);
        turn[a][b] += angle;
        turn[b][a] -= angle;
    }
    let mut values = Vec::with_capacity(12);
    for a in 0..3 {
        values.extend((0..3).map(|b| (turn[a][b] * half[b] / half[a]) as f32));
        values.push(rng.random_range(-0.08f32..0.08));
    }
    Tensor::from_slice(&values).reshape([1, 3, 4])
}
