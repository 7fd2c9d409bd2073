//! Multi-head attention and the feed-forward block, both pre-normalised with a residual.

use super::layers::linear;
use tch::nn::{self, Module};
use tch::{Kind, Tensor};

/// `queries + Attention(norm(queries), norm(context))`, the residual form used throughout.
#[derive(Debug)]
pub(super) struct Attention {
    norm_query: nn::LayerNorm,
    norm_context: nn::LayerNorm,
    query: nn::Linear,
    key: nn::Linear,
    value: nn::Linear,
    output: nn::Linear,
    heads: i64,
}

impl Attention {
    pub(super) fn new(vs: nn::Path, channels: i64, heads: i64) -> Self {
        let linear = |name: &str| linear(&vs / name, channels, channels);
        let norm = |name: &str| nn::layer_norm(&vs / name, vec![channels], Default::default());
        Self {
            norm_query: norm("norm_query"),
            norm_context: norm("norm_context"),
            query: linear("query"),
            key: linear("key"),
            value: linear("value"),
            output: linear("output"),
            heads,
        }
    }

    /// `queries [B, N, C]`, `context [B, M, C]` → `[B, N, C]`.
    pub(super) fn forward(&self, queries: &Tensor, context: &Tensor) -> Tensor {
        let (batch, count, channels) = queries.size3().unwrap_or((1, 0, 0));
        let context = self.norm_context.forward(context);
        let split = |x: Tensor| {
            x.reshape([batch, -1, self.heads, channels / self.heads])
                .transpose(1, 2)
        };
        let q = split(self.query.forward(&self.norm_query.forward(queries)));
        let k = split(self.key.forward(&context));
        let v = split(self.value.forward(&context));
        let scale = ((channels / self.heads) as f64).sqrt();
        let weights = (q.matmul(&k.transpose(-2, -1)) / scale).softmax(-1, None::<Kind>);
        let read = weights
            .matmul(&v)
            .transpose(1, 2)
            .reshape([batch, count, channels]);
        queries + self.output.forward(&read)
    }
}

/// `x + MLP(norm(x))` with one hidden layer of `2·C` and GELU.
#[derive(Debug)]
pub(super) struct FeedForward {
    norm: nn::LayerNorm,
    hidden: nn::Linear,
    output: nn::Linear,
}

impl FeedForward {
    pub(super) fn new(vs: nn::Path, channels: i64) -> Self {
        Self {
            norm: nn::layer_norm(&vs / "norm", vec![channels], Default::default()),
            hidden: linear(&vs / "hidden", channels, 2 * channels),
            output: linear(&vs / "output", 2 * channels, channels),
        }
    }
}

impl Module for FeedForward {
    fn forward(&self, x: &Tensor) -> Tensor {
        x + self
            .output
            .forward(&self.hidden.forward(&self.norm.forward(x)).gelu("none"))
    }
}
