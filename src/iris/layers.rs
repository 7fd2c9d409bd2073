//! Linear layers and convolutions with the first weights we want.
//!
//! tch starts them from Kaiming's rule for ReLU, about 2.4 times as wide as
//! `U(±1/√fan_in)`; through attention and readout that width multiplies, and
//! training runs away in the first hundred steps.

use tch::nn;

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

/// A convolution with a cubic kernel, padded to keep the size (divided by `stride`).
pub(super) fn conv(
    vs: nn::Path,
    input: i64,
    output: i64,
    kernel: i64,
    stride: i64,
    bias: bool,
) -> nn::Conv3D {
    let config = nn::ConvConfig {
        stride,
        padding: kernel / 2,
        bias,
        ws_init: narrow(input * kernel.pow(3)),
        bs_init: nn::Init::Const(0.0),
        ..Default::default()
    };
    nn::conv3d(vs, input, output, kernel, config)
}
