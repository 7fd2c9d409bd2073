//! The network without one of the paper's ideas.

use tch::Tensor;

use crate::iris::{InferenceError, Iris, TaskEmbedding};

/// Masks averaged over cells of the bottleneck's `stride`, every voxel of a cell with its mean: `[K, D, H, W]` in
/// [0, 1] → the same shape.
///
/// What a foreground branch sees that is given down-sampled masks: where in a cell a structure lies is lost.
fn down_sampled(masks: &Tensor, stride: i64) -> Result<Tensor, tch::TchError> {
    let size = masks.size();
    let (classes, size) = (size[0], &size[1..]);
    let whole: Vec<i64> = size
        .iter()
        .map(|n| (n + stride - 1) / stride * stride)
        .collect();
    // From the last axis to the first; nothing is labelled outside the volume.
    let missing: Vec<i64> = (0..3).rev().flat_map(|a| [0, whole[a] - size[a]]).collect();
    let padded = masks.f_constant_pad_nd(&missing)?.f_unsqueeze(0)?;
    let cells: Vec<i64> = whole.iter().map(|n| n / stride).collect();
    let averaged = padded.f_adaptive_avg_pool3d(&cells)?;
    let fine = averaged.f_upsample_nearest3d(&whole, None, None, None)?;
    let cut = (0..3).try_fold(fine, |fine, a| fine.f_narrow(a as i64 + 2, 0, size[a]))?;
    cut.f_contiguous()?
        .f_view([classes, size[0], size[1], size[2]])
}

/// An embedding whose foreground token comes from down-sampled masks and whose context tokens are as ever:
/// `image [D, H, W]`, `masks [K, D, H, W]` → `[K, m+1, C]`.
pub(super) fn with_down_sampled_foreground(
    iris: &Iris,
    image: &Tensor,
    masks: &Tensor,
) -> Result<TaskEmbedding, InferenceError> {
    let coarse = down_sampled(masks, iris.config().stride())?;
    let (full, coarse) = (
        iris.embed_reference(image, masks)?,
        iris.embed_reference(image, &coarse)?,
    );
    let context = full.tensor().f_narrow(1, 1, iris.config().query_tokens)?;
    let foreground = coarse.tensor().f_narrow(1, 0, 1)?;
    let joined = Tensor::f_cat(&[foreground, context], 1)?;
    Ok(TaskEmbedding::new(&joined, iris.weights_hash())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iris::IrisConfig;
    use tch::{Device, Kind};

    #[test]
    fn a_cell_keeps_its_mean_and_forgets_where_in_it_the_structure_lay() {
        let masks = Tensor::zeros([1, 4, 4, 6], (Kind::Float, Device::Cpu));
        let _ = masks.get(0).get(0).get(1).narrow(0, 3, 2).fill_(1.0);
        let coarse = down_sampled(&masks, 4).unwrap();
        assert_eq!(coarse.size(), [1, 4, 4, 6]);
        let cell = |x: i64| coarse.double_value(&[0, 3, 3, x]);
        // Each of the two cells holds one of the two voxels; the second reaches beyond the volume.
        assert_eq!([cell(0), cell(3), cell(5)], [1.0 / 64.0; 3]);
    }

    #[test]
    fn only_the_foreground_token_changes() {
        tch::manual_seed(2);
        let iris = Iris::new(IrisConfig::tiny(), Device::Cpu);
        let image = Tensor::randn([16, 16, 16], (Kind::Float, Device::Cpu));
        let masks = image.gt(1.0).to_kind(Kind::Float).unsqueeze(0);
        let full = iris.embed_reference(&image, &masks).unwrap();
        let changed = with_down_sampled_foreground(&iris, &image, &masks).unwrap();
        let difference = (full.tensor() - changed.tensor()).abs().squeeze_dim(0);
        assert!(difference.get(0).max().double_value(&[]) > 1e-4);
        let context = difference.narrow(0, 1, iris.config().query_tokens);
        assert_eq!(context.max().double_value(&[]), 0.0);
    }
}
