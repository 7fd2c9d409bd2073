//! Residual blocks of the 3D UNet.

use super::layers::{Conv, conv};
use tch::nn::{self, Module};
use tch::{Kind, Tensor};

const NORM_EPSILON: f64 = 1e-5;

/// Instance normalisation with a learnt scale and shift per channel, on `[B, C, D, H, W]`.
#[derive(Debug)]
struct InstanceNorm {
    weight: Tensor,
    bias: Tensor,
}

impl InstanceNorm {
    fn new(vs: nn::Path, channels: i64) -> Self {
        Self {
            weight: vs.ones("weight", &[channels]),
            bias: vs.zeros("bias", &[channels]),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        // One group a channel is instance normalisation. libtorch's CPU kernel
        // for groups is nearly twice as fast as the one for instances.
        x.group_norm(
            x.size()[1],
            Some(&self.weight),
            Some(&self.bias),
            NORM_EPSILON,
            true,
        )
    }
}

/// Two 3×3×3 convolutions around a shortcut, instance norm, leaky ReLU.
///
/// `[B, in, D, H, W] → [B, out, D/stride, H/stride, W/stride]`.
#[derive(Debug)]
pub(super) struct Residual {
    conv1: Conv,
    norm1: InstanceNorm,
    conv2: Conv,
    norm2: InstanceNorm,
    shortcut: Option<Conv>,
}

impl Residual {
    pub(super) fn new(vs: nn::Path, input: i64, output: i64, stride: i64) -> Self {
        let shortcut = (input != output || stride != 1)
            .then(|| conv(&vs / "shortcut", input, output, 1, stride, false));
        Self {
            conv1: conv(&vs / "conv1", input, output, 3, stride, false),
            norm1: InstanceNorm::new(&vs / "norm1", output),
            conv2: conv(&vs / "conv2", output, output, 3, 1, false),
            norm2: InstanceNorm::new(&vs / "norm2", output),
            shortcut,
        }
    }
}

impl Module for Residual {
    fn forward(&self, x: &Tensor) -> Tensor {
        let h = leaky_relu(&self.norm1.forward(&self.conv1.forward(x)));
        let h = self.norm2.forward(&self.conv2.forward(&h));
        let shortcut = match &self.shortcut {
            Some(conv) => conv.forward(x),
            None => x.shallow_clone(),
        };
        leaky_relu(&(h + shortcut))
    }
}

fn leaky_relu(x: &Tensor) -> Tensor {
    x.leaky_relu()
}

/// Trilinear resize of `[B, C, d, h, w]` to `size`, corners not aligned.
pub(super) fn resize(x: &Tensor, size: &[i64]) -> Tensor {
    if x.size()[2..] == *size {
        return x.shallow_clone();
    }
    x.upsample_trilinear3d(size, false, None, None, None)
}

/// Coordinates of the cells of a `d × h × w` grid in [-1, 1], `[d·h·w, 3]`, depth first.
///
/// The paper does not say how its attention knows positions. A grid of one cell along an axis gets 0. Float32, on the device of `like`.
pub(super) fn positions(size: &[i64], like: &Tensor) -> Tensor {
    let options = (Kind::Float, like.device());
    let axes: Vec<Tensor> = size
        .iter()
        .map(|&n| match n {
            1 => Tensor::zeros([1], options),
            n => Tensor::linspace(-1.0, 1.0, n, options),
        })
        .collect();
    let grid = Tensor::meshgrid_indexing(&axes, "ij");
    Tensor::stack(&grid, -1).reshape([-1, 3])
}
