//! Weights on disk: safetensors, with the architecture in the metadata.

use super::{Iris, IrisConfig};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

const ARCHITECTURE: &str = "iris_config";

/// Why weights cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file cannot be read or written.
    #[error("cannot access the weights file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no (whole) safetensors file.
    #[error("{} is not a whole safetensors file: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file holds other weights than an Iris network's.
    #[error("{} holds no Iris network: {reason}", path.display())]
    NotIris {
        /// The file.
        path: PathBuf,
        /// What is missing or does not fit.
        reason: String,
    },
}

impl Iris {
    /// Loads a network: the architecture from the file's metadata, then every weight.
    ///
    /// Fails, and never panics, on a file that is missing, truncated, of
    /// another architecture, lacks a weight, or holds one too many or NaN.
    pub fn load(path: &Path, device: Device) -> Result<Self, WeightsError> {
        let bytes = std::fs::read(path).map_err(|source| WeightsError::Io {
            path: path.to_owned(),
            source,
        })?;
        let damaged = |reason: String| WeightsError::Damaged {
            path: path.to_owned(),
            reason,
        };
        let not_iris = |reason: String| WeightsError::NotIris {
            path: path.to_owned(),
            reason,
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
        let config: IrisConfig = header
            .metadata()
            .as_ref()
            .and_then(|map| map.get(ARCHITECTURE))
            .ok_or_else(|| not_iris(format!("its metadata has no `{ARCHITECTURE}`")))
            .and_then(|text| serde_json::from_str(text).map_err(|e| not_iris(e.to_string())))?;
        if let Some(problem) = config.problem() {
            return Err(not_iris(problem));
        }
        // Before any memory is asked for: a few bytes of metadata could name terabytes.
        if config.least_weights().saturating_mul(2) > bytes.len() as u64 {
            return Err(not_iris(
                "it is too small for the network that its metadata describes".into(),
            ));
        }
        let mut iris = Self::new(config, device);
        let expected = iris.vs.variables();
        if let Some(other) = file
            .names()
            .into_iter()
            .filter(|name| !expected.contains_key(*name))
            .min()
        {
            return Err(not_iris(format!("it holds the unknown weight `{other}`")));
        }
        tch::no_grad(|| {
            for (name, mut weight) in iris.weights_in_order() {
                let view = file
                    .tensor(&name)
                    .map_err(|_| not_iris(format!("the weight `{name}` is missing")))?;
                let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
                let kind = match view.dtype() {
                    Dtype::F32 => Kind::Float,
                    Dtype::F16 => Kind::Half,
                    other => {
                        return Err(not_iris(format!(
                            "the weight `{name}` is {other:?}, expected F32 or F16"
                        )));
                    }
                };
                if shape != weight.size() {
                    return Err(not_iris(format!(
                        "the weight `{name}` is {:?} {shape:?}, expected {:?}",
                        view.dtype(),
                        weight.size()
                    )));
                }
                let unreadable = |e: tch::TchError| not_iris(format!("the weight `{name}`: {e}"));
                let values =
                    Tensor::f_from_data_size(view.data(), &shape, kind).map_err(unreadable)?;
                let finite = values.f_isfinite().map_err(unreadable)?;
                if finite.all().f_int64_value(&[]).map_err(unreadable)? == 0 {
                    return Err(not_iris(format!(
                        "the weight `{name}` holds values that are no numbers"
                    )));
                }
                weight.copy_(&values);
            }
            Ok(())
        })?;
        iris.weights_hash = hex_digest(&bytes);
        // A loaded network is used, not trained: tuning an embedding then costs no gradient of the weights.
        iris.vs.freeze();
        Ok(iris)
    }

    /// Writes the weights, atomically, and gives the file's SHA-256.
    ///
    /// `provenance` (how they were trained) goes into the metadata.
    pub fn save(
        &self,
        path: &Path,
        provenance: &BTreeMap<String, String>,
    ) -> Result<String, WeightsError> {
        self.save_as(path, provenance, (Kind::Float, Dtype::F32))
    }

    /// [`Iris::save`] in half precision (float16): half the file, for weights that are shipped. Loaded, they are
    /// float32 again, each within 0.05 % of what it was.
    pub fn save_halved(
        &self,
        path: &Path,
        provenance: &BTreeMap<String, String>,
    ) -> Result<String, WeightsError> {
        self.save_as(path, provenance, (Kind::Half, Dtype::F16))
    }

    fn save_as(
        &self,
        path: &Path,
        provenance: &BTreeMap<String, String>,
        (kind, dtype): (Kind, Dtype),
    ) -> Result<String, WeightsError> {
        let damaged = |reason: String| WeightsError::Damaged {
            path: path.to_owned(),
            reason,
        };
        let mut weights: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        for (name, weight) in self.weights_in_order() {
            let values = weight.detach().to_device(Device::Cpu).to_kind(kind);
            let values = values.contiguous();
            let mut bytes = vec![0; values.numel() * kind.elt_size_in_bytes()];
            values
                .f_copy_data_u8(&mut bytes, values.numel())
                .map_err(|e| damaged(e.to_string()))?;
            let shape = weight.size().into_iter().map(|n| n.unsigned_abs() as usize);
            weights.push((name, shape.collect(), bytes));
        }
        let views = weights
            .iter()
            .map(|(name, shape, bytes)| {
                TensorView::new(dtype, shape.clone(), bytes).map(|view| (name.as_str(), view))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| damaged(e.to_string()))?;
        let architecture =
            serde_json::to_string(self.config()).map_err(|e| damaged(e.to_string()))?;
        let mut metadata: HashMap<String, String> = provenance.clone().into_iter().collect();
        metadata.insert(ARCHITECTURE.into(), architecture);
        let bytes =
            safetensors::serialize(views, Some(metadata)).map_err(|e| damaged(e.to_string()))?;
        write_atomically(path, &bytes).map_err(|source| WeightsError::Io {
            path: path.to_owned(),
            source,
        })?;
        Ok(hex_digest(&bytes))
    }
}

fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}
