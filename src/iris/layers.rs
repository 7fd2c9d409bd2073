//! Linear layers and convolutions with the first weights we want.
//!
//! tch starts them from Kaiming's rule for ReLU, about 2.4 times as wide as
//! `U(±1/√fan_in)`; through attention and readout that width multiplies, and
//! training runs away in the first hundred steps.

use tch::nn::{self, Module};
use tch::{Kind, Tensor};

fn narrow(fan_in: i64) -> nn::Init {
    let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
    nn::Init::Uniform {
        lo: -bound,
        up: bound,
    }
}

/// `[…, input] → […, output]`.
pub(super) fn linear(vs: nn::Path, input: i64, output: i64) -> nn::Linear {
    let config = nn::LinearConfig {
        ws_init: narrow(input),
        bs_init: Some(nn::Init::Const(0.0)),
        bias: true,
    };
    nn::linear(vs, input, output, config)
}

/// A 3D convolution that computes in the kind of its input.
///
/// Weights are kept in float32. Where the input is bfloat16 (mixed precision, in
/// training) they are rounded to it for the pass, and the gradient comes back
/// to them in float32.
#[derive(Debug)]
pub(super) struct Conv {
    weight: Tensor,
    bias: Option<Tensor>,
    stride: i64,
    padding: i64,
}

impl Module for Conv {
    fn forward(&self, x: &Tensor) -> Tensor {
        let bias = self.bias.as_ref().map(|bias| bias.to_kind(x.kind()));
        x.conv3d(
            &self.weight.to_kind(x.kind()),
            bias,
            [self.stride; 3],
            [self.padding; 3],
            [1; 3],
            1,
        )
    }
}

/// `x` in float32, where attention, pooling and logits are computed whatever the convolutions compute in.
pub(super) fn exact(x: &Tensor) -> Tensor {
    x.to_kind(Kind::Float)
}

/// A convolution with a cubic kernel, padded to keep the size (divided by `stride`).
pub(super) fn conv(
    vs: nn::Path,
    input: i64,
    output: i64,
    kernel: i64,
    stride: i64,
    bias: bool,
) -> Conv {
    let shape = [output, input, kernel, kernel, kernel];
    Conv {
        weight: vs.var("weight", &shape, narrow(input * kernel.pow(3))),
        bias: bias.then(|| vs.zeros("bias", &[output])),
        stride,
        padding: kernel / 2,
    }
}
