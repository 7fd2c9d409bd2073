//! The Iris network: encoder, task encoder, mask decoder, sliding-window
//! inference and training. Tensors in, tensors out; it knows nothing of DICOM,
//! files of images, or the node.
//!
//! Source: "Show and Segment: Universal Medical Image Segmentation via
//! In-Context Learning", CVPR 2025 (arXiv 2503.19359). No code or weights were
//! published; where the paper is silent the doc comments say what we chose.

mod attention;
mod blocks;
mod config;
mod device;
mod embedding;
mod inference;
mod layers;
mod mask_decoder;
mod memory;
mod network;
mod patient;
mod task_encoder;
pub mod train;
mod tuning;
mod unet;
mod weights;
mod window;

pub use config::IrisConfig;
pub use device::{DeviceError, choose_device};
pub use embedding::{EmbeddingError, TaskEmbedding};
pub use inference::{Found, InferenceError, SlidingWindow};
pub use memory::{give_back_memory, keep_freed_memory};
pub use network::Iris;
pub use task_encoder::{foreground_pool, foreground_pool_naive};
pub use tuning::{TuneOptions, TuningPair};
pub use weights::WeightsError;
pub use window::placed;
