//! Task embeddings as data: a few kilobytes that stand for a reference.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use tch::{Kind, Tensor};

const TENSOR: &str = "embedding";
const WEIGHTS: &str = "weights_sha256";

/// Embeddings of `K` classes, `T [K, m+1, C]`, made by one set of weights.
#[derive(Debug)]
pub struct TaskEmbedding {
    tensor: Tensor,
    weights_hash: String,
}

/// What is wrong with stored embeddings.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingError {
    /// The bytes are no safetensors file with one embedding in it.
    #[error("the stored embedding is damaged: {0}")]
    Damaged(String),
    /// Embeddings to be joined were made by different weights or have different shapes.
    #[error("embeddings of different networks cannot be used together")]
    Mismatch,
    /// There is nothing to join.
    #[error("there is no embedding")]
    Empty,
}

impl TaskEmbedding {
    /// Wraps `tensor [K, m+1, C]`, moved to the CPU as float32.
    pub fn new(tensor: &Tensor, weights_hash: &str) -> Result<Self, EmbeddingError> {
        if tensor.dim() != 3 {
            return Err(EmbeddingError::Damaged(format!(
                "expected three axes, found {}",
                tensor.dim()
            )));
        }
        Ok(Self {
            tensor: tensor
                .detach()
                .to_device(tch::Device::Cpu)
                .to_kind(Kind::Float)
                .contiguous(),
            weights_hash: weights_hash.to_owned(),
        })
    }

    /// `T [K, m+1, C]`, float32 on the CPU.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// Number of classes `K`.
    pub fn classes(&self) -> usize {
        usize::try_from(self.tensor.size()[0]).unwrap_or(0)
    }

    /// SHA-256 of the weights that made it.
    pub fn weights_hash(&self) -> &str {
        &self.weights_hash
    }

    /// The context ensemble: the mean over references of the same classes.
    pub fn mean(references: &[Self]) -> Result<Self, EmbeddingError> {
        let first = references.first().ok_or(EmbeddingError::Empty)?;
        if references.iter().any(|other| {
            other.tensor.size() != first.tensor.size() || other.weights_hash != first.weights_hash
        }) {
            return Err(EmbeddingError::Mismatch);
        }
        let stacked = Tensor::stack(&references.iter().map(|r| &r.tensor).collect::<Vec<_>>(), 0);
        Self::new(
            &stacked.mean_dim([0i64].as_slice(), false, None),
            &first.weights_hash,
        )
    }

    /// The classes of several tasks side by side, for one pass.
    pub fn concat(tasks: &[&Self]) -> Result<Self, EmbeddingError> {
        let first = tasks.first().ok_or(EmbeddingError::Empty)?;
        if tasks.iter().any(|other| {
            other.tensor.size()[1..] != first.tensor.size()[1..]
                || other.weights_hash != first.weights_hash
        }) {
            return Err(EmbeddingError::Mismatch);
        }
        let joined = Tensor::cat(&tasks.iter().map(|t| &t.tensor).collect::<Vec<_>>(), 0);
        Self::new(&joined, &first.weights_hash)
    }

    /// As the bytes of a safetensors file, with the weights' hash in its metadata.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EmbeddingError> {
        let damaged = |error: &dyn std::fmt::Display| EmbeddingError::Damaged(error.to_string());
        let values = Vec::<f32>::try_from(self.tensor.flatten(0, -1)).map_err(|e| damaged(&e))?;
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let shape = self
            .tensor
            .size()
            .iter()
            .map(|&n| usize::try_from(n).unwrap_or(0))
            .collect();
        let view = TensorView::new(Dtype::F32, shape, &bytes).map_err(|e| damaged(&e))?;
        let metadata = HashMap::from([(WEIGHTS.to_owned(), self.weights_hash.clone())]);
        safetensors::serialize([(TENSOR, view)], Some(metadata)).map_err(|e| damaged(&e))
    }

    /// The inverse of [`TaskEmbedding::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EmbeddingError> {
        let damaged = |error: &dyn std::fmt::Display| EmbeddingError::Damaged(error.to_string());
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(&e))?;
        let weights_hash = header
            .metadata()
            .as_ref()
            .and_then(|map| map.get(WEIGHTS))
            .ok_or_else(|| damaged(&"it does not name the weights that made it"))?
            .clone();
        let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(&e))?;
        let view = file.tensor(TENSOR).map_err(|e| damaged(&e))?;
        if view.dtype() != Dtype::F32 {
            return Err(damaged(&"it is not float32"));
        }
        let values: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
        Self::new(&Tensor::from_slice(&values).reshape(&shape), &weights_hash)
    }
}
