//! The optimisers, with their state in our hands so that a run resumes exactly.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

const BETA1: f64 = 0.9;
const EPSILON: f64 = 1e-8;

/// How the moments of the gradient become a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdateRule {
    /// AdamW (Loshchilov & Hutter, 2019), second moment over 100 steps: for small batches.
    #[default]
    AdamW,
    /// LAMB (You et al., 2020, algorithm 2), the paper's: each weight tensor moves by a share of
    /// its own norm, which lets the rate stay high for large batches.
    Lamb,
}

impl UpdateRule {
    fn beta2(self) -> f64 {
        match self {
            Self::AdamW => 0.99,
            Self::Lamb => 0.999,
        }
    }
}

/// LAMB's ratio of a weight's norm to its update's, `[]`; on their device, which nothing waits for.
fn trust(update: &Tensor, weight: &Tensor) -> Tensor {
    let [size, length] = [weight, update].map(norm);
    let ratio = &size / &length;
    // A tensor that is zero (a bias at first) has no size to go by.
    ratio.where_self(&(size * length).gt(0.0), &ratio.ones_like())
}

/// `[]`.
fn norm(tensor: &Tensor) -> Tensor {
    tensor.square().sum(Kind::Float).sqrt()
}

/// First and second moments of every weight, and the rule that uses them.
#[derive(Debug, Default)]
pub struct Optimiser {
    pub(super) rule: UpdateRule,
    pub(super) moments: Option<Moments>,
    pub(super) steps: u64,
}

/// The moments of all weights one after another.
///
/// On a card every operation costs some microseconds to ask for, which for a tensor of a few thousand numbers is more
/// than its arithmetic: a step on nearly two hundred tensors, one by one, takes as long as a pass of the network.
#[derive(Debug)]
pub(super) struct Moments {
    /// Names of the weights, in the order of their values below, and shapes.
    names: Vec<String>,
    shapes: Vec<Vec<i64>>,
    first: Tensor,
    second: Tensor,
}

impl Moments {
    /// From the name and the two moments of each weight, in the weights' order.
    pub(super) fn of_each(weights: impl Iterator<Item = (String, Tensor, Tensor)>) -> Self {
        let (names, moments): (Vec<String>, Vec<(Tensor, Tensor)>) = weights
            .map(|(name, first, second)| (name, (first, second)))
            .unzip();
        let (first, second): (Vec<Tensor>, Vec<Tensor>) = moments.into_iter().unzip();
        Self {
            names,
            shapes: first.iter().map(Tensor::size).collect(),
            first: row(&first),
            second: row(&second),
        }
    }

    /// Name, first and second moment of each weight.
    pub(super) fn each(&self) -> Vec<(String, Tensor, Tensor)> {
        let [first, second] = [&self.first, &self.second].map(|row| apart(row, &self.shapes));
        let names = self.names.iter().cloned();
        names
            .zip(first.into_iter().zip(second))
            .map(|(name, (first, second))| (name, first, second))
            .collect()
    }
}

/// All values of some tensors in one row.
fn row(tensors: &[Tensor]) -> Tensor {
    let flat: Vec<Tensor> = tensors.iter().map(|t| t.reshape([-1])).collect();
    Tensor::cat(&flat, 0)
}

/// Views of a row's parts as tensors of these shapes: the inverse of [`row`].
fn apart(row: &Tensor, shapes: &[Vec<i64>]) -> Vec<Tensor> {
    let mut first = 0;
    let part = |shape: &Vec<i64>| {
        let length = shape.iter().product();
        first += length;
        row.narrow(0, first - length, length).view(shape.as_slice())
    };
    shapes.iter().map(part).collect()
}

impl Optimiser {
    /// With no moments yet.
    pub fn new(rule: UpdateRule) -> Self {
        Self {
            rule,
            ..Self::default()
        }
    }

    /// Updates `weights` (name, weight; the same ones in the same order at every step) from their gradients, clipped
    /// to `clip` in the global norm; gives the norm before clipping. A step whose gradient is not finite is left out.
    pub fn step(&mut self, weights: &[(String, Tensor)], rate: f64, decay: f64, clip: f64) -> f64 {
        tch::no_grad(|| {
            let gradients: Vec<Tensor> = weights
                .iter()
                .map(|(_, weight)| match weight.grad() {
                    gradient if gradient.defined() => gradient,
                    _ => weight.zeros_like(),
                })
                .collect();
            if gradients.is_empty() {
                return 0.0;
            }
            let gradient = row(&gradients);
            let norm = norm(&gradient).double_value(&[]);
            if !norm.is_finite() {
                return norm;
            }
            let gradient = match norm > clip {
                true => gradient * (clip / norm),
                false => gradient,
            };
            self.steps += 1;
            let t = self.steps.min(i32::MAX as u64) as i32;
            let beta2 = self.rule.beta2();
            let (correct1, correct2) = (1.0 - BETA1.powi(t), 1.0 - beta2.powi(t));
            let Moments {
                first,
                second,
                shapes,
                ..
            } = self.moments.get_or_insert_with(|| {
                let nothing =
                    |(name, w): &(String, Tensor)| (name.clone(), w.zeros_like(), w.zeros_like());
                Moments::of_each(weights.iter().map(nothing))
            });
            let _ = first.lerp_(&gradient, 1.0 - BETA1);
            let _ = second.lerp_(&gradient.square(), 1.0 - beta2);
            let direction = (&*first / correct1) / ((&*second / correct2).sqrt() + EPSILON);
            let values: Vec<Tensor> = weights.iter().map(|(_, w)| w.detach()).collect();
            let update = direction + row(&values) * decay;
            let steps = match self.rule {
                UpdateRule::AdamW => apart(&(update * rate), shapes),
                UpdateRule::Lamb => apart(&update, shapes)
                    .iter()
                    .zip(&values)
                    .map(|(update, value)| update * (trust(update, value) * rate))
                    .collect(),
            };
            for (mut value, step) in values.into_iter().zip(steps) {
                let _ = value.g_sub_(&step);
            }
            norm
        })
    }
}
