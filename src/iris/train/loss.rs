//! Dice + cross-entropy, per class.

use tch::{Kind, Reduction, Tensor};

const SMOOTH: f64 = 1.0;

/// Mean over classes of (1 - soft Dice) plus the weighted mean of binary cross-entropy.
///
/// `logits`, `masks`: `[B, K, D, H, W]` → a scalar. Each class is its own
/// sigmoid, since a task's classes may overlap (an organ and its lesion).
///
/// A foreground voxel counts `√(background / foreground)` in the cross-entropy,
/// `most_weight` at most: unweighted, an organ of one voxel in three hundred is
/// best served, at first, by finding nothing at all, and training stays there.
/// Once it finds them, the weight only makes them too large.
pub fn dice_cross_entropy(logits: &Tensor, masks: &Tensor, most_weight: f64) -> Tensor {
    let space = [2i64, 3, 4];
    let probability = logits.sigmoid();
    let both = (&probability * masks).sum_dim_intlist(space.as_slice(), false, None);
    let foreground = masks.sum_dim_intlist(space.as_slice(), true, None);
    let either = probability.sum_dim_intlist(space.as_slice(), false, None)
        + foreground.reshape(both.size());
    let dice = (both * 2.0 + SMOOTH) / (either + SMOOTH);
    let voxels: i64 = masks.size()[2..].iter().product();
    let weight = ((voxels as f64 - &foreground) / foreground.clamp_min(1.0))
        .sqrt()
        .clamp(1.0, most_weight.max(1.0));
    let weight = masks * (weight - 1.0) + 1.0;
    let cross_entropy =
        logits.binary_cross_entropy_with_logits(masks, Some(&weight), None, Reduction::Sum)
            / weight.sum(None::<Kind>);
    1.0 - dice.mean(None::<Kind>) + cross_entropy
}

/// Dice of the thresholded prediction (probability ≥ ½), per class: `[B, K, D, H, W]` → `[B, K]`.
/// An empty mask met by an empty prediction counts as 1.
pub fn hard_dice(logits: &Tensor, masks: &Tensor) -> Tensor {
    let space = [2i64, 3, 4];
    let predicted = logits.ge(0.0).to_kind(Kind::Float);
    let both = (&predicted * masks).sum_dim_intlist(space.as_slice(), false, None);
    let either = predicted.sum_dim_intlist(space.as_slice(), false, None)
        + masks.sum_dim_intlist(space.as_slice(), false, None);
    (both * 2.0 + 1e-6) / (either + 1e-6)
}
