//! The shape of a network: everything that must be known before weights can be loaded.

use serde::{Deserialize, Serialize};

/// Architecture of an Iris network. Stored in the metadata of its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IrisConfig {
    /// Channels of each encoder stage, full resolution first. Each further
    /// stage halves the resolution, so the total stride is `2^(stages - 1)`;
    /// the last entry is the paper's `C`.
    pub channels: Vec<i64>,
    /// Query tokens per class of the context branch, the paper's `m`.
    pub query_tokens: i64,
    /// Heads of every attention.
    pub heads: i64,
    /// Blocks of bidirectional cross-attention in the mask decoder.
    pub decoder_blocks: i64,
    /// Upscaling factor ρ of the 3D PixelShuffle in the context branch; ρ³ divides `C`.
    pub shuffle: i64,
    /// Least width of the features that class tokens are matched with.
    pub readout_channels: i64,
    /// Voxel spacing of the tensors it was trained on: left, posterior, head; mm.
    pub spacing_mm: [f64; 3],
    /// Voxels of a training patch and so of an inference window: depth, height, width.
    pub patch: [i64; 3],
}

impl IrisConfig {
    /// A size that trains on two CPU cores in about an hour.
    ///
    /// 5 mm and a stride of 8 are what that hour allows: half the voxels of
    /// 4 mm, and bottleneck cells (40 mm) not larger than the organs. The shipped weights are larger:
    /// `weights/train-gpu.toml`.
    pub fn small() -> Self {
        Self {
            channels: vec![16, 32, 64, 128],
            query_tokens: 8,
            heads: 4,
            decoder_blocks: 2,
            shuffle: 2,
            readout_channels: 16,
            spacing_mm: [5.0, 5.0, 5.0],
            patch: [16, 64, 80],
        }
    }

    /// A network of a few thousand weights, for tests.
    pub fn tiny() -> Self {
        Self {
            channels: vec![4, 8, 16],
            query_tokens: 3,
            heads: 2,
            decoder_blocks: 1,
            readout_channels: 8,
            patch: [16, 16, 16],
            ..Self::small()
        }
    }

    /// Channels `C` at the bottleneck.
    pub fn bottleneck(&self) -> i64 {
        self.channels.last().copied().unwrap_or(0)
    }

    /// Total stride `r` of the encoder: spatial sizes must be multiples of it.
    pub fn stride(&self) -> i64 {
        1 << self.channels.len().saturating_sub(1)
    }

    /// Weights that a network like this has at the very least: a lower bound, quick to know.
    pub(super) fn least_weights(&self) -> u64 {
        let product = |factors: &[i64]| {
            factors.iter().fold(1u64, |product, &n| {
                product.saturating_mul(u64::try_from(n).unwrap_or(0))
            })
        };
        let convolutions = self
            .channels
            .iter()
            .fold(0u64, |sum, &c| sum.saturating_add(product(&[27, c, c])));
        // Three attentions of 4 C² and two feed-forwards of 4 C² a block.
        let c = self.bottleneck();
        convolutions
            .saturating_add(product(&[20, c, c, self.decoder_blocks]))
            .saturating_add(product(&[2, c, self.query_tokens]))
            .saturating_add(product(&[
                self.readout_channels,
                c,
                self.channels.len() as i64,
            ]))
    }

    /// Why no network can be built like this, if so.
    pub fn problem(&self) -> Option<String> {
        let c = self.bottleneck();
        if !(2..=8).contains(&self.channels.len())
            || self.channels.iter().any(|&n| !(1..=4096).contains(&n))
        {
            return Some("`channels` must hold 2 to 8 numbers from 1 to 4096".into());
        }
        if self.heads < 1 || c % self.heads != 0 {
            return Some(format!(
                "`heads` ({}) must divide the bottleneck's {c} channels",
                self.heads
            ));
        }
        if !(1..=4).contains(&self.shuffle) || c % self.shuffle.pow(3) != 0 {
            return Some(format!(
                "`shuffle` cubed must divide the bottleneck's {c} channels"
            ));
        }
        if !(1..=256).contains(&self.query_tokens)
            || !(1..=64).contains(&self.decoder_blocks)
            || !(1..=4096).contains(&self.readout_channels)
        {
            return Some(
                "`query_tokens`, `decoder_blocks` or `readout_channels` is out of range".into(),
            );
        }
        if self
            .patch
            .iter()
            .any(|&n| n < self.stride() || n % self.stride() != 0 || n > 1024)
        {
            return Some(format!(
                "`patch` must be multiples of the stride {}",
                self.stride()
            ));
        }
        if self
            .spacing_mm
            .iter()
            .any(|&mm| !(0.1..=50.0).contains(&mm))
        {
            return Some("`spacing_mm` must lie between 0.1 and 50 mm".into());
        }
        None
    }
}
