//! The task encoder: from a reference and its masks to a task embedding (paper section 3.2).

use super::IrisConfig;
use super::attention::{Attention, FeedForward};
use super::blocks::{positions, resize, resize_adjoint};
use super::layers::{Conv, conv, exact, linear};
use tch::Tensor;
use tch::nn::{self, Module};

/// Keeps a division by an empty mask finite; far below one voxel.
const EMPTY: f64 = 1e-3;

/// Mean of features over a full-resolution mask, without enlarging the features.
///
/// `features [B, C, d, h, w]`, `masks [B, K, D, H, W]` → `[B, K, C]`.
///
/// The paper upsamples `F` to full resolution and averages it over the mask, so
/// that small structures do not vanish in a down-sampled mask. Upsampling `U`
/// is linear, hence `Σ_v y(v)·(U F)(v) = Σ_u (Uᵀ y)(u)·F(u)`: we apply the
/// adjoint `Uᵀ` (the backward pass of trilinear upsampling) to the mask. Same
/// number as [`foreground_pool_naive`], r³ times less memory.
pub fn foreground_pool(features: &Tensor, masks: &Tensor) -> Tensor {
    let fine = masks.size();
    let coarse = features.size();
    let weights = match fine[2..] == coarse[2..] {
        true => masks.shallow_clone(),
        false => resize_adjoint(masks, &coarse[2..]),
    };
    let sum = weights
        .flatten(2, -1)
        .matmul(&features.flatten(2, -1).transpose(1, 2));
    sum / (masks
        .flatten(2, -1)
        .sum_dim_intlist([-1i64].as_slice(), true, None)
        + EMPTY)
}

/// [`foreground_pool`] as the paper writes it: enlarge, multiply, average. For the tests.
pub fn foreground_pool_naive(features: &Tensor, masks: &Tensor) -> Tensor {
    let enlarged = resize(features, &masks.size()[2..]);
    let product = masks.unsqueeze(2) * enlarged.unsqueeze(1);
    let sum = product
        .flatten(3, -1)
        .sum_dim_intlist([-1i64].as_slice(), false, None);
    sum / (masks
        .flatten(2, -1)
        .sum_dim_intlist([-1i64].as_slice(), true, None)
        + EMPTY)
}

/// Both branches of the task encoder.
#[derive(Debug)]
pub(super) struct TaskEncoder {
    foreground: Vec<nn::Linear>,
    fuse: Conv,
    place: nn::Linear,
    queries: Tensor,
    read: Attention,
    exchange: Attention,
    feed_forward: FeedForward,
    shuffle: i64,
}

impl TaskEncoder {
    pub(super) fn new(vs: nn::Path, config: &IrisConfig) -> Self {
        let c = config.bottleneck();
        let spread = c / config.shuffle.pow(3);
        Self {
            foreground: config
                .channels
                .iter()
                .enumerate()
                .map(|(stage, &channels)| linear(&vs / "foreground" / stage, channels, c))
                .collect(),
            fuse: conv(&vs / "fuse", spread + 1, spread, 3, 1, true),
            place: linear(&vs / "place", 3, c),
            queries: vs.randn("queries", &[config.query_tokens, c], 0.0, 0.5),
            read: Attention::new(&vs / "read", c, config.heads),
            exchange: Attention::new(&vs / "exchange", c, config.heads),
            feed_forward: FeedForward::new(&vs / "feed_forward", c),
            shuffle: config.shuffle,
        }
    }

    /// Encoder features of the reference and `masks [B, K, D, H, W]` → `T [B, K, m+1, C]`,
    /// the foreground token first.
    pub(super) fn forward(&self, features: &[Tensor], masks: &Tensor) -> Tensor {
        let foreground = self.foreground(features, masks).unsqueeze(2);
        match features.last() {
            Some(bottleneck) => {
                Tensor::cat(&[foreground, self.context(&exact(bottleneck), masks)], 2)
            }
            None => foreground,
        }
    }

    /// `T_f [B, K, C]`: features pooled over the full-resolution mask.
    ///
    /// The paper pools the bottleneck only. Ours adds a learnt projection of
    /// the pooled features of every encoder stage: the early stages carry the
    /// structure's intensity and texture, and with them one network of this
    /// size learns in hundreds of episodes what took thousands.
    pub(super) fn foreground(&self, features: &[Tensor], masks: &Tensor) -> Tensor {
        self.foreground
            .iter()
            .zip(features)
            .map(|(project, stage)| project.forward(&foreground_pool(&exact(stage), masks)))
            .reduce(|sum, term| sum + term)
            .unwrap_or_else(|| masks.shallow_clone())
    }

    /// `T_c [B, K, m, C]`: query tokens that have read features fused with the mask.
    ///
    /// `features [B, C, d, h, w]` are spread over space by a 3D PixelShuffle,
    /// `[B, C/ρ³, ρd, ρh, ρw]`; the mask, averaged to that resolution, joins as
    /// one more channel; a convolution fuses them; PixelUnshuffle folds back.
    pub(super) fn context(&self, features: &Tensor, masks: &Tensor) -> Tensor {
        let size = features.size();
        let (batch, c, grid) = (size[0], size[1], &size[2..]);
        let classes = masks.size()[1];
        let rho = self.shuffle;
        let fine: Vec<i64> = grid.iter().map(|n| n * rho).collect();

        let spread = pixel_shuffle(features, rho);
        let masks = masks.adaptive_avg_pool3d(&fine);
        let channels = spread.size()[1];
        let spread = spread
            .unsqueeze(1)
            .expand([batch, classes, channels, fine[0], fine[1], fine[2]], false);
        let joined = Tensor::cat(&[spread, masks.unsqueeze(2)], 2).reshape([
            batch * classes,
            channels + 1,
            fine[0],
            fine[1],
            fine[2],
        ]);
        let fused = pixel_unshuffle(&self.fuse.forward(&joined), rho);
        let cells =
            fused.flatten(2, -1).transpose(1, 2) + self.place.forward(&positions(grid, features));

        let tokens = self
            .queries
            .unsqueeze(0)
            .expand([batch * classes, -1, -1], false);
        let tokens = self.read.forward(&tokens, &cells);
        let tokens = self.exchange.forward(&tokens, &tokens);
        self.feed_forward
            .forward(&tokens)
            .reshape([batch, classes, -1, c])
    }
}

/// `[B, C·ρ³, d, h, w] → [B, C, ρd, ρh, ρw]`.
fn pixel_shuffle(x: &Tensor, rho: i64) -> Tensor {
    let s = x.size();
    let c = s[1] / rho.pow(3);
    x.reshape([s[0], c, rho, rho, rho, s[2], s[3], s[4]])
        .permute([0, 1, 5, 2, 6, 3, 7, 4])
        .reshape([s[0], c, s[2] * rho, s[3] * rho, s[4] * rho])
}

/// The inverse of [`pixel_shuffle`].
fn pixel_unshuffle(x: &Tensor, rho: i64) -> Tensor {
    let s = x.size();
    let (d, h, w) = (s[2] / rho, s[3] / rho, s[4] / rho);
    x.reshape([s[0], s[1], d, rho, h, rho, w, rho])
        .permute([0, 1, 3, 5, 7, 2, 4, 6])
        .reshape([s[0], s[1] * rho.pow(3), d, h, w])
}
