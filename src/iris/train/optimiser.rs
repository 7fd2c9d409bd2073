//! The optimisers, with their state in our hands so that a run resumes exactly.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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

    /// What is taken from a weight, given the Adam direction `m̂ / (√v̂ + ε)`.
    fn step(self, weight: &Tensor, direction: Tensor, rate: f64, decay: f64) -> Tensor {
        let update = direction + weight * decay;
        let trust = match self {
            Self::AdamW => 1.0,
            Self::Lamb => trust(&update, weight),
        };
        update * (rate * trust)
    }
}

/// LAMB's ratio of a weight's norm to its update's.
fn trust(update: &Tensor, weight: &Tensor) -> f64 {
    let (size, length) = (norm(weight), norm(update));
    // A tensor that is zero (a bias at first) has no size to go by.
    if size > 0.0 && length > 0.0 {
        size / length
    } else {
        1.0
    }
}

fn norm(tensor: &Tensor) -> f64 {
    tensor.square().sum(Kind::Float).sqrt().double_value(&[])
}

/// First and second moments of every weight, and the rule that uses them.
#[derive(Debug, Default)]
pub struct Optimiser {
    pub(super) rule: UpdateRule,
    pub(super) moments: BTreeMap<String, (Tensor, Tensor)>,
    pub(super) steps: u64,
}

impl Optimiser {
    /// With no moments yet.
    pub fn new(rule: UpdateRule) -> Self {
        Self {
            rule,
            ..Self::default()
        }
    }

    /// Updates `weights` (name, weight) from their gradients, clipped to `clip` in the global
    /// norm; gives the norm before clipping. A step whose gradient is not finite is left out.
    pub fn step(&mut self, weights: &[(String, Tensor)], rate: f64, decay: f64, clip: f64) -> f64 {
        tch::no_grad(|| {
            let squares: Vec<Tensor> = weights
                .iter()
                .filter(|(_, w)| w.grad().defined())
                .map(|(_, w)| w.grad().square().sum(None::<Kind>))
                .collect();
            let norm = match squares.is_empty() {
                true => 0.0,
                false => Tensor::stack(&squares, 0)
                    .sum(None::<Kind>)
                    .sqrt()
                    .double_value(&[]),
            };
            if !norm.is_finite() {
                return norm;
            }
            let scale = if norm > clip { clip / norm } else { 1.0 };
            self.steps += 1;
            let t = self.steps.min(i32::MAX as u64) as i32;
            let beta2 = self.rule.beta2();
            let (correct1, correct2) = (1.0 - BETA1.powi(t), 1.0 - beta2.powi(t));
            for (name, weight) in weights {
                let gradient = weight.grad();
                if !gradient.defined() {
                    continue;
                }
                let gradient = gradient * scale;
                let (first, second) = self
                    .moments
                    .entry(name.clone())
                    .or_insert_with(|| (weight.zeros_like(), weight.zeros_like()));
                let _ = first.lerp_(&gradient, 1.0 - BETA1);
                let _ = second.lerp_(&gradient.square(), 1.0 - beta2);
                let direction = (&*first / correct1) / ((&*second / correct2).sqrt() + EPSILON);
                let step = self.rule.step(weight, direction, rate, decay);
                let _ = weight.shallow_clone().g_sub_(&step);
            }
            norm
        })
    }
}
