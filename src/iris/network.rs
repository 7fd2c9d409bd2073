//! The whole network: one encoder, the task encoder and the mask decoder.

use super::IrisConfig;
use super::mask_decoder::MaskDecoder;
use super::task_encoder::TaskEncoder;
use super::unet::Encoder;
use tch::{Device, Tensor, nn};

/// An Iris network with its weights.
#[derive(Debug)]
pub struct Iris {
    config: IrisConfig,
    pub(super) vs: nn::VarStore,
    pub(super) weights_hash: String,
    encoder: Encoder,
    task_encoder: TaskEncoder,
    mask_decoder: MaskDecoder,
}

impl Iris {
    /// A network with fresh random weights, for training and tests.
    ///
    /// `config` must be one for which [`IrisConfig::problem`] finds nothing.
    pub fn new(config: IrisConfig, device: Device) -> Self {
        let vs = nn::VarStore::new(device);
        let root = vs.root();
        Self {
            encoder: Encoder::new(&root / "encoder", &config),
            task_encoder: TaskEncoder::new(&root / "task_encoder", &config),
            mask_decoder: MaskDecoder::new(&root / "mask_decoder", &config),
            config,
            vs,
            weights_hash: "untrained".into(),
        }
    }

    /// Its architecture.
    pub fn config(&self) -> &IrisConfig {
        &self.config
    }

    /// SHA-256 of the weights file it was loaded from, in hexadecimal; `untrained` for fresh weights.
    pub fn weights_hash(&self) -> &str {
        &self.weights_hash
    }

    /// The device its weights are on.
    pub fn device(&self) -> Device {
        self.vs.device()
    }

    /// The weights by name, for the optimiser.
    pub fn variables(&self) -> &nn::VarStore {
        &self.vs
    }

    /// The weights with their names, in the names' order.
    pub fn weights_in_order(&self) -> Vec<(String, Tensor)> {
        let mut weights: Vec<(String, Tensor)> = self.vs.variables().into_iter().collect();
        weights.sort_by(|a, b| a.0.cmp(&b.0));
        weights
    }

    /// Features of every encoder stage of `x [B, 1, D, H, W]`, the bottleneck `F` last.
    pub fn encode(&self, x: &Tensor) -> Vec<Tensor> {
        self.encoder.forward(x)
    }

    /// The task embedding of references: `image [B, 1, D, H, W]`, `masks [B, K, D, H, W]` → `T [B, K, m+1, C]`.
    pub fn encode_task(&self, image: &Tensor, masks: &Tensor) -> Tensor {
        self.embed(&self.encode(image), masks)
    }

    /// [`Iris::encode_task`] from features already encoded.
    pub fn embed(&self, features: &[Tensor], masks: &Tensor) -> Tensor {
        self.task_encoder.forward(features, masks)
    }

    /// The foreground branch alone: encoder features, `masks [B, K, D, H, W]` → `T_f [B, K, C]`.
    pub fn foreground_branch(&self, features: &[Tensor], masks: &Tensor) -> Tensor {
        self.task_encoder.foreground(features, masks)
    }

    /// The context branch alone: `F [B, C, d, h, w]`, `masks [B, K, D, H, W]` → `T_c [B, K, m, C]`.
    pub fn context_branch(&self, bottleneck: &Tensor, masks: &Tensor) -> Tensor {
        self.task_encoder.context(bottleneck, masks)
    }

    /// Segments queries: `query [B, 1, D, H, W]`, `embedding [B, K, m+1, C]` → logits `[B, K, D, H, W]`.
    pub fn forward(&self, query: &Tensor, embedding: &Tensor) -> Tensor {
        self.decode(&self.encode(query), embedding)
    }

    /// [`Iris::forward`] from features already encoded.
    pub fn decode(&self, features: &[Tensor], embedding: &Tensor) -> Tensor {
        self.mask_decoder.forward(features, embedding)
    }

    /// The logits of every decoder stage, the coarsest first; the last are those of [`Iris::decode`].
    pub fn decode_stages(&self, features: &[Tensor], embedding: &Tensor) -> Vec<Tensor> {
        self.mask_decoder.stages(features, embedding)
    }

    /// The exchange between tokens and features alone: exchanged `F [B, C, d, h, w]` and class vectors `[B, K, C]`.
    pub fn exchange(&self, bottleneck: &Tensor, embedding: &Tensor) -> (Tensor, Tensor) {
        self.mask_decoder.exchange(bottleneck, embedding)
    }
}
