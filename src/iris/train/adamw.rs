//! AdamW (Loshchilov & Hutter, 2019), with its state in our hands so that a run resumes exactly.

use std::collections::BTreeMap;
use tch::Tensor;

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.99;
const EPSILON: f64 = 1e-8;

/// First and second moments of every weight.
#[derive(Debug, Default)]
pub struct AdamW {
    pub(super) moments: BTreeMap<String, (Tensor, Tensor)>,
    pub(super) steps: u64,
}

impl AdamW {
    /// Updates `weights` (name, weight) from their gradients, clipped to `clip` in the global
    /// norm; gives the norm before clipping. A step whose gradient is not finite is left out.
    pub fn step(&mut self, weights: &[(String, Tensor)], rate: f64, decay: f64, clip: f64) -> f64 {
        tch::no_grad(|| {
            let squares: Vec<Tensor> = weights
                .iter()
                .filter(|(_, w)| w.grad().defined())
                .map(|(_, w)| w.grad().square().sum(None::<tch::Kind>))
                .collect();
            let norm = match squares.is_empty() {
                true => 0.0,
                false => Tensor::stack(&squares, 0)
                    .sum(None::<tch::Kind>)
                    .sqrt()
                    .double_value(&[]),
            };
            if !norm.is_finite() {
                return norm;
            }
            let scale = if norm > clip { clip / norm } else { 1.0 };
            self.steps += 1;
            let t = self.steps.min(i32::MAX as u64) as i32;
            let (correct1, correct2) = (1.0 - BETA1.powi(t), 1.0 - BETA2.powi(t));
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
                let _ = second.lerp_(&gradient.square(), 1.0 - BETA2);
                let update = (&*first / correct1) / ((&*second / correct2).sqrt() + EPSILON);
                let mut weight = weight.shallow_clone();
                let _ = weight.g_mul_scalar_(1.0 - rate * decay);
                let _ = weight.g_sub_(&(update * rate));
            }
            norm
        })
    }
}
