//! Residual blocks of the 3D UNet.

use super::layers::{Conv, conv, is_lean, joined};
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

    fn forward(&self, x: Tensor) -> Tensor {
        if is_lean(&x) {
            return self.in_place(x);
        }
        // One group a channel is instance normalisation. libtorch's CPU kernel
        // for groups is nearly twice as fast as the one for instances. That of
        // CUDA takes no float32 scale to bfloat16 voxels.
        let of_kind = |tensor: &Tensor| match x.device().is_cuda() {
            true => tensor.to_kind(x.kind()),
            false => tensor.shallow_clone(),
        };
        x.group_norm(
            x.size()[1],
            Some(of_kind(&self.weight)),
            Some(of_kind(&self.bias)),
            NORM_EPSILON,
            true,
        )
    }

    /// The same of `x` with its channels last, where libtorch's kernels add up hundreds of thousands of
    /// voxels one by one in float32 and lose three digits. Products with a row of ones add in blocks.
    fn in_place(&self, x: Tensor) -> Tensor {
        let [batch, channels, depth, height, width] = x.size()[..] else {
            return x;
        };
        let mut voxels = x.permute([0, 2, 3, 4, 1]).contiguous();
        let share = 1.0 / (depth * height * width) as f64;
        let shares = Tensor::full([batch, 1, depth * height], share, (Kind::Float, x.device()));
        let mean = |voxels: &Tensor| {
            let rows = voxels.view([batch, depth * height, width * channels]);
            let columns = shares.bmm(&rows).view([batch, width, channels]);
            columns
                .sum_dim_intlist([1i64].as_slice(), false, None)
                .view([batch, 1, 1, 1, channels])
        };
        voxels -= mean(&voxels);
        let scale = &self.weight * (mean(&voxels.square()) + NORM_EPSILON).rsqrt();
        let normal = self.bias.addcmul_out(&voxels, &voxels, &scale);
        normal.permute([0, 4, 1, 2, 3])
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

impl Residual {
    /// The block on `[B, C_i, D, H, W]`, the channels of one input in several tensors.
    ///
    /// Activations and the sum are made in place: no gradient needs what they overwrite.
    pub(super) fn side_by_side(&self, parts: &[&Tensor]) -> Tensor {
        let h = self.conv1.side_by_side(parts);
        let h = self.norm1.forward(h).leaky_relu_();
        let h = self.conv2.forward(&h);
        let shortcut = match &self.shortcut {
            Some(conv) => conv.side_by_side(parts),
            None => joined(parts),
        };
        self.norm2.forward(h).g_add_(&shortcut).leaky_relu_()
    }
}

impl Module for Residual {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.side_by_side(&[x])
    }
}

/// Trilinear resize of `[B, C, d, h, w]` to `size`, corners not aligned.
pub(super) fn resize(x: &Tensor, size: &[i64]) -> Tensor {
    if x.size()[2..] == *size {
        return x.shallow_clone();
    }
    match is_lean(x) {
        true => x.upsample_trilinear3d(size, false, None, None, None),
        false => by_products(x, size),
    }
}

/// [`resize`] as a product with a small matrix along each axis, the last first: trilinear interpolation is linear along each.
///
/// Its gradient is three products too, where that of libtorch's kernel for CUDA adds to every coarse voxel from dozens of
/// threads, one after the other.
fn by_products(x: &Tensor, size: &[i64]) -> Tensor {
    let from = x.size();
    let planes = within_planes(x, size[1], size[2]);
    along_middle(&interpolation(from[2], size[0], x), &planes)
        .reshape([from[0], from[1], size[0], size[1], size[2]])
}

/// The first two of those products: `[B, C, d, h, w] → [B·C, d, H·W]`.
fn within_planes(x: &Tensor, height: i64, width: i64) -> Tensor {
    let from = x.size();
    let rows = x
        .matmul(&interpolation(from[4], width, x))
        .reshape([-1, from[3], width]);
    along_middle(&interpolation(from[3], height, x), &rows).reshape([
        from[0] * from[1],
        from[2],
        height * width,
    ])
}

/// The adjoint of [`resize`]: `[B, K, D, H, W]` to the coarser `size`, every voxel's value given to the voxels that it would
/// be interpolated from.
pub(super) fn resize_adjoint(x: &Tensor, size: &[i64]) -> Tensor {
    let from = x.size();
    let (batch, channels) = (from[0], from[1]);
    let along = |axis: usize| interpolation(size[axis - 2], from[axis], x).transpose(0, 1);
    // The first axis first: what the others work on is the smaller for it.
    let planes = x.reshape([-1, from[2], from[3] * from[4]]);
    let planes = along_middle(&along(2), &planes).reshape([-1, from[3], from[4]]);
    let rows =
        along_middle(&along(3), &planes).reshape([batch, channels, size[0], size[1], from[4]]);
    rows.matmul(&along(4))
}

/// What `n` values along an axis are interpolated to at `to` places: `[n, to]`, like `like`.
fn interpolation(n: i64, to: i64, like: &Tensor) -> Tensor {
    Tensor::eye(n, (Kind::Float, like.device()))
        .unsqueeze(0)
        .upsample_linear1d([to], false, None)
        .squeeze_dim(0)
        .to_kind(like.kind())
}

/// `matrix [n, to]` on the middle axis of `planes [N, n, W]`: `[N, to, W]`.
fn along_middle(matrix: &Tensor, planes: &Tensor) -> Tensor {
    for_each_of(matrix, planes).bmm(planes)
}

/// `matrix [n, to]`, turned, for each of `planes [N, n, W]`: `[N, to, n]`, no copies.
fn for_each_of(matrix: &Tensor, planes: &Tensor) -> Tensor {
    matrix
        .transpose(0, 1)
        .expand([planes.size()[0], -1, -1], false)
}

/// `fine [B, K, D, H, W]`, in place, plus the trilinear resize of `coarse [B, K, d, h, w]`.
///
/// By products too, the last of which adds: several times as fast as libtorch's kernel and a sum where channels are
/// first, which is how logits are kept.
pub(super) fn add_resized(fine: Tensor, coarse: &Tensor) -> Tensor {
    let size = fine.size();
    let [batch, classes, depth, height, width] = size[..] else {
        return fine;
    };
    let along_depth = interpolation(coarse.size()[2], depth, &fine);
    let planes = within_planes(coarse, height, width);
    fine.reshape([batch * classes, depth, height * width])
        .baddbmm_(&for_each_of(&along_depth, &planes), &planes)
        .reshape(&size)
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
