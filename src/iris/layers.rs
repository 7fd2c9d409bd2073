//! Linear layers and convolutions with the first weights we want.
//!
//! tch starts them from Kaiming's rule for ReLU, about 2.4 times as wide as
//! `U(±1/√fan_in)`; through attention and readout that width multiplies, and
//! training runs away in the first hundred steps.

use tch::nn::{self, Module};
use tch::{Device, Kind, Tensor};

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
///
/// In float32 on a CPU, where no gradient is asked for, it asks oneDNN itself, with the channels of a voxel side
/// by side in memory (channels last). libtorch's own choice is slower: with
/// channels first oneDNN turns every input and output about, and inputs of few
/// rows never reach it. What it gives is channels last too, and normalisation,
/// resizing and readout keep or read that layout without a copy.
/// Training keeps channels first.
#[derive(Debug)]
pub(super) struct Conv {
    weight: Tensor,
    bias: Option<Tensor>,
    stride: i64,
    padding: i64,
}

impl Module for Conv {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.side_by_side(&[x])
    }
}

impl Conv {
    /// The convolution of `[B, C_i, D, H, W]`, the channels of one input in several tensors.
    ///
    /// Without gradients, on a CPU in float32, they are never put together: a convolution of each,
    /// added up, is the same work, and less memory is written.
    pub(super) fn side_by_side(&self, parts: &[&Tensor]) -> Tensor {
        // A view of a weight wants a gradient only while gradients are recorded.
        let recorded = self.weight.narrow(0, 0, 1).requires_grad();
        if recorded || !parts.iter().all(|x| is_lean(x)) {
            return self.by_libtorch(&joined(parts));
        }
        let mut first = 0;
        let mut sum: Option<Tensor> = None;
        for x in parts {
            let channels = x.size()[1];
            let weight = match parts {
                [_] => self.weight.shallow_clone(),
                _ => self.weight.narrow(1, first, channels),
            };
            first += channels;
            // The bias once.
            let bias = self.bias.as_ref().filter(|_| sum.is_none());
            let term = channels_last(x).mkldnn_convolution(
                &channels_last(&weight),
                bias,
                [self.padding; 3],
                [self.stride; 3],
                [1; 3],
                1,
            );
            sum = Some(match sum {
                Some(mut sum) => sum.g_add_(&term),
                None => term,
            });
        }
        sum.unwrap_or_else(|| self.weight.shallow_clone())
    }

    fn by_libtorch(&self, x: &Tensor) -> Tensor {
        let bias = self.bias.as_ref().map(|bias| bias.to_kind(x.kind()));
        // Features that were encoded without gradients come channels last.
        x.contiguous().conv3d(
            &self.weight.to_kind(x.kind()),
            bias,
            [self.stride; 3],
            [self.padding; 3],
            [1; 3],
            1,
        )
    }

    /// Weight `[out, in]` and bias of a kernel of one voxel, as of a linear layer.
    pub(super) fn pointwise(&self) -> (Tensor, Option<&Tensor>) {
        (self.weight.flatten(1, -1), self.bias.as_ref())
    }
}

/// Several tensors' channels in one: `[B, C_i, D, H, W] → [B, ΣC_i, D, H, W]`.
pub(super) fn joined(parts: &[&Tensor]) -> Tensor {
    match parts {
        [x] => x.shallow_clone(),
        _ => Tensor::cat(parts, 1),
    }
}

/// Whether `x` is float32 on a CPU, no gradient wanted: computed channels last, and in place.
pub(super) fn is_lean(x: &Tensor) -> bool {
    x.device() == Device::Cpu
        && x.kind() == Kind::Float
        && !x.requires_grad()
        && tch::utils::has_mkldnn()
}

/// `[B, C, D, H, W]` with the channels of a voxel side by side in memory; no copy where they are.
fn channels_last(x: &Tensor) -> Tensor {
    let voxels = x.permute([0, 2, 3, 4, 1]).contiguous();
    let voxels = match x.size()[1] {
        // Both layouts at once; its strides must say which is meant.
        1 => voxels.squeeze_dim(-1).unsqueeze(-1),
        _ => voxels,
    };
    voxels.permute([0, 4, 1, 2, 3])
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
