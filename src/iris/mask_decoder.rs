//! The mask decoder: task embeddings meet the query's features (paper section 3.3).

use super::IrisConfig;
use super::attention::{Attention, FeedForward};
use super::blocks::{Residual, add_resized, positions, resize};
use super::layers::{Conv, conv, exact, linear};
use tch::Tensor;
use tch::nn::{self, Module};

/// Foreground is rare: logits start near `sigmoid(-3) ≈ 5 %`.
const PRIOR_LOGIT: f64 = -3.0;

/// One round of bidirectional exchange between tokens and features.
#[derive(Debug)]
struct Exchange {
    tokens_from_features: Attention,
    tokens_among_themselves: Attention,
    tokens_feed_forward: FeedForward,
    features_from_tokens: Attention,
    features_feed_forward: FeedForward,
}

/// Matches the features of one decoder stage with the classes' tokens.
#[derive(Debug)]
struct Readout {
    features: Conv,
    norm: nn::LayerNorm,
    hidden: nn::Linear,
    class: nn::Linear,
    width: i64,
}

/// One step up the UNet decoder.
#[derive(Debug)]
struct UpStage {
    reduce: Conv,
    merge: Residual,
}

/// Cross-attention, UNet decoder and per-class readout.
#[derive(Debug)]
pub(super) struct MaskDecoder {
    place: nn::Linear,
    token_kinds: Tensor,
    exchanges: Vec<Exchange>,
    up: Vec<UpStage>,
    readouts: Vec<Readout>,
}

impl MaskDecoder {
    pub(super) fn new(vs: nn::Path, config: &IrisConfig) -> Self {
        let c = config.bottleneck();
        let heads = config.heads;
        let exchanges = (0..config.decoder_blocks)
            .map(|index| {
                let vs = &vs / "exchanges" / index;
                Exchange {
                    tokens_from_features: Attention::new(&vs / "tokens_from_features", c, heads),
                    tokens_among_themselves: Attention::new(
                        &vs / "tokens_among_themselves",
                        c,
                        heads,
                    ),
                    tokens_feed_forward: FeedForward::new(&vs / "tokens_feed_forward", c),
                    features_from_tokens: Attention::new(&vs / "features_from_tokens", c, heads),
                    features_feed_forward: FeedForward::new(&vs / "features_feed_forward", c),
                }
            })
            .collect();
        let descending: Vec<i64> = config.channels.iter().rev().copied().collect();
        let up = descending
            .windows(2)
            .enumerate()
            .map(|(index, pair)| {
                let vs = &vs / "up" / index;
                UpStage {
                    reduce: conv(&vs / "reduce", pair[0], pair[1], 1, 1, true),
                    merge: Residual::new(&vs / "merge", 2 * pair[1], pair[1], 1),
                }
            })
            .collect();
        let readouts = descending
            .iter()
            .enumerate()
            .map(|(index, &channels)| {
                let vs = &vs / "readouts" / index;
                let width = channels.max(config.readout_channels);
                Readout {
                    features: conv(&vs / "features", channels, width, 1, 1, true),
                    norm: nn::layer_norm(&vs / "norm", vec![c], Default::default()),
                    hidden: linear(&vs / "hidden", c, c),
                    class: linear(&vs / "class", c, width + 1),
                    width,
                }
            })
            .collect();
        Self {
            place: linear(&vs / "place", 3, c),
            token_kinds: vs.randn("token_kinds", &[config.query_tokens + 1, c], 0.0, 0.1),
            exchanges,
            up,
            readouts,
        }
    }

    /// Features of the query from [`Encoder`](super::unet::Encoder) and
    /// `embedding [B, K, m+1, C]` → logits `[B, K, D, H, W]`.
    ///
    /// All `K` classes share one pass. Their tokens see each other and together
    /// change the query's features, so the logits of one class depend (a
    /// little) on which other classes were asked for: `K` passes of one class
    /// are *not* numerically one pass of `K`. What holds exactly: the order of
    /// classes does not matter, and the encoder's features and every class's
    /// embedding are the same either way.
    pub(super) fn forward(&self, features: &[Tensor], embedding: &Tensor) -> Tensor {
        let mut logits = embedding.shallow_clone();
        self.climb(features, embedding, &mut |of_stage| {
            logits = of_stage.shallow_clone();
        });
        logits
    }

    /// The logits of every stage, the coarsest first: `[B, K, D/2^s, H/2^s, W/2^s]`; the last are those of
    /// [`MaskDecoder::forward`]. What deep supervision needs.
    pub(super) fn stages(&self, features: &[Tensor], embedding: &Tensor) -> Vec<Tensor> {
        let mut stages = Vec::with_capacity(features.len());
        self.climb(features, embedding, &mut |of_stage| {
            stages.push(of_stage.shallow_clone());
        });
        stages
    }

    /// Up the decoder, stage by stage; `reached` sees the logits of each.
    fn climb(&self, features: &[Tensor], embedding: &Tensor, reached: &mut dyn FnMut(&Tensor)) {
        let Some((bottleneck, skips)) = features.split_last() else {
            return;
        };
        let (mut x, classes) = self.exchange(bottleneck, embedding);
        let matchers: Vec<Matcher> = self.readouts.iter().map(|r| r.of(&classes)).collect();
        // Enlarging a constant gives it back: what every stage adds is added to the fewest voxels.
        let constant = matchers.iter().map(|m| &m.bias).sum::<Tensor>() + PRIOR_LOGIT;
        let mut logits = matchers[0].matched(&x) + constant;
        reached(&logits);
        for ((stage, skip), matcher) in self.up.iter().zip(skips.iter().rev()).zip(&matchers[1..]) {
            // Reduced before it is enlarged: the same numbers by linearity, half the memory.
            x = resize(&stage.reduce.forward(&x), &skip.size()[2..]);
            x = stage.merge.side_by_side(&[&x, skip]);
            logits = add_resized(matcher.matched(&x), &logits);
            reached(&logits);
        }
    }

    /// `F [B, C, d, h, w]`, `T [B, K, m+1, C]` → exchanged features and one vector per class, `[B, K, C]`.
    pub(super) fn exchange(&self, bottleneck: &Tensor, embedding: &Tensor) -> (Tensor, Tensor) {
        let size = embedding.size();
        let (batch, classes, per_class, c) = (size[0], size[1], size[2], size[3]);
        let grid = bottleneck.size();
        let mut tokens = (embedding + &self.token_kinds).reshape([batch, -1, c]);
        let mut cells = exact(bottleneck).flatten(2, -1).transpose(1, 2)
            + self.place.forward(&positions(&grid[2..], bottleneck));
        for block in &self.exchanges {
            tokens = block.tokens_from_features.forward(&tokens, &cells);
            tokens = block.tokens_among_themselves.forward(&tokens, &tokens);
            tokens = block.tokens_feed_forward.forward(&tokens);
            cells = block.features_from_tokens.forward(&cells, &tokens);
            cells = block.features_feed_forward.forward(&cells);
        }
        let tokens = tokens.reshape([batch, classes, per_class, c]);
        // The foreground token counts beside the mean of all: it is the one that names the class.
        let class = tokens.mean_dim([2i64].as_slice(), false, None) + tokens.select(2, 0);
        let cells = cells.transpose(1, 2).reshape(&grid);
        (cells.to_kind(bottleneck.kind()), class)
    }
}

/// What a stage's features are multiplied with, for each class.
struct Matcher {
    /// `[B, K, C_s]`.
    weight: Tensor,
    /// `[B, K, 1, 1, 1]`, the same for all voxels.
    bias: Tensor,
}

impl Readout {
    /// Class vectors `[B, K, C]` → how this stage's features are matched with them.
    ///
    /// The paper matches at full resolution only. Ours sums matches of every
    /// decoder stage: the coarse ones have channels enough to tell classes
    /// apart, the fine ones draw the border.
    ///
    /// Features pass a linear layer before they are matched. It is applied to
    /// the K class vectors instead of to every voxel: the same numbers by linearity.
    fn of(&self, classes: &Tensor) -> Matcher {
        let class = self.class.forward(
            &self
                .hidden
                .forward(&self.norm.forward(classes))
                .gelu("none"),
        );
        let weight = class.narrow(-1, 0, self.width) / (self.width as f64).sqrt();
        let bias = class.narrow(-1, self.width, 1);
        let (linear, shift) = self.features.pointwise();
        let bias = match shift {
            Some(shift) => bias + weight.matmul(&shift.unsqueeze(-1)),
            None => bias,
        };
        Matcher {
            weight: weight.matmul(&linear),
            bias: bias.unsqueeze(-1).unsqueeze(-1),
        }
    }
}

impl Matcher {
    /// Features `[B, C_s, d, h, w]` → `[B, K, d, h, w]`, the bias left out.
    fn matched(&self, features: &Tensor) -> Tensor {
        let size = features.size();
        self.weight
            .matmul(&exact(features).flatten(2, -1))
            .reshape([size[0], -1, size[2], size[3], size[4]])
    }
}
