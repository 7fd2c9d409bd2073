//! Dice + cross-entropy, per class.

use tch::{Kind, Reduction, Tensor};

const SMOOTH: f64 = 1.0;

/// Mean over classes of (1 - soft Dice) plus mean binary cross-entropy.
///
/// `logits`, `masks`: `[B, K, D, H, W]` → a scalar. Each class is its own
/// sigmoid, since a task's classes may overlap (an organ and its lesion).
pub fn dice_cross_entropy(logits: &Tensor, masks: &Tensor) -> Tensor {
    let space = [2i64, 3, 4];
    let probability = logits.sigmoid();
    let both = (&probability * masks).sum_dim_intlist(space.as_slice(), false, None);
    let either = probability.sum_dim_intlist(space.as_slice(), false, None)
        + masks.sum_dim_intlist(space.as_slice(), false, None);
    let dice = (both * 2.0 + SMOOTH) / (either + SMOOTH);
    let cross_entropy =
        logits.binary_cross_entropy_with_logits::<Tensor>(masks, None, None, Reduction::Mean);
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
