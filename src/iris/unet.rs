//! The encoder `E`, shared by reference and query (paper section 3.2).

use super::IrisConfig;
use super::blocks::Residual;
use tch::Tensor;
use tch::nn::{self, Module};

/// A 3D UNet encoder of residual blocks.
#[derive(Debug)]
pub(super) struct Encoder {
    stages: Vec<Residual>,
}

impl Encoder {
    pub(super) fn new(vs: nn::Path, config: &IrisConfig) -> Self {
        let mut input = 1;
        let stages = config
            .channels
            .iter()
            .enumerate()
            .map(|(index, &channels)| {
                let stride = if index == 0 { 1 } else { 2 };
                let stage = Residual::new(&vs / index, input, channels, stride);
                input = channels;
                stage
            })
            .collect();
        Self { stages }
    }

    /// `x [B, 1, D, H, W]` → features of every stage, `[B, C_s, D/2^s, H/2^s, W/2^s]`;
    /// the last is the paper's `F`, the others are the decoder's skips.
    pub(super) fn forward(&self, x: &Tensor) -> Vec<Tensor> {
        let mut features: Vec<Tensor> = Vec::with_capacity(self.stages.len());
        for stage in &self.stages {
            let next = stage.forward(features.last().unwrap_or(x));
            features.push(next);
        }
        features
    }
}
