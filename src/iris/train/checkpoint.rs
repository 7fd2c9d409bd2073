//! Checkpoints: weights, their running mean, the optimiser's moments and the step, in one file.

use super::optimiser::Moments;
use super::{Optimiser, TrainConfig};
use crate::iris::Iris;
use std::path::{Path, PathBuf};
use tch::{Device, Tensor};

/// Why a checkpoint cannot be written or resumed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read or written, or is no checkpoint.
    #[error("cannot use the checkpoint {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// It belongs to another run.
    #[error("the checkpoint {} was made by another configuration ({what}); use it with the one it was made by, or start anew", path.display())]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
}

fn failed(path: &Path) -> impl Fn(&dyn std::fmt::Display) -> CheckpointError + '_ {
    |reason| CheckpointError::File {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// Writes a checkpoint, atomically.
pub(super) fn save(
    path: &Path,
    config: &TrainConfig,
    iris: &Iris,
    mean: &Iris,
    optimiser: &Optimiser,
    step: u64,
) -> Result<(), CheckpointError> {
    let failed = failed(path);
    let mut tensors: Vec<(String, Tensor)> = Vec::new();
    for (prefix, network) in [("weight", iris), ("mean", mean)] {
        for (name, tensor) in network.variables().variables() {
            tensors.push((format!("{prefix}/{name}"), tensor));
        }
    }
    for (name, first, second) in optimiser.moments.iter().flat_map(Moments::each) {
        tensors.push((format!("first/{name}"), first));
        tensors.push((format!("second/{name}"), second));
    }
    let counters = Tensor::from_slice(&[step as i64, optimiser.steps as i64]);
    tensors.push(("counters".into(), counters));
    let text = serde_json::to_vec(config).map_err(|e| failed(&e))?;
    tensors.push(("config".into(), Tensor::from_slice(&text)));
    let partial = path.with_extension("partial");
    let tensors: Vec<(&str, Tensor)> = tensors
        .iter()
        .map(|(name, t)| {
            (
                name.as_str(),
                t.detach().to_device(Device::Cpu).contiguous(),
            )
        })
        .collect();
    Tensor::write_safetensors(&tensors, &partial).map_err(|e| failed(&e))?;
    std::fs::File::open(&partial)
        .and_then(|f| f.sync_all())
        .map_err(|e| failed(&e))?;
    std::fs::rename(&partial, path).map_err(|e| failed(&e))
}

/// Restores a checkpoint into networks of the same configuration; gives the optimiser and the step.
pub(super) fn load(
    path: &Path,
    config: &TrainConfig,
    iris: &Iris,
    mean: &Iris,
) -> Result<(Optimiser, u64), CheckpointError> {
    let failed = failed(path);
    let tensors: std::collections::BTreeMap<String, Tensor> = Tensor::read_safetensors(path)
        .map_err(|e| failed(&e))?
        .into_iter()
        .collect();
    let get = |name: &str| {
        tensors
            .get(name)
            .ok_or_else(|| failed(&format!("`{name}` is missing")))
    };
    let text = Vec::<u8>::try_from(get("config")?).map_err(|e| failed(&e))?;
    let made_by: TrainConfig = serde_json::from_slice(&text).map_err(|e| failed(&e))?;
    let other = |what| CheckpointError::OtherRun {
        path: path.to_owned(),
        what,
    };
    if made_by.network != config.network {
        return Err(other("the network"));
    }
    if made_by.seed != config.seed {
        return Err(other("the seed"));
    }
    if made_by.optimiser != config.optimiser {
        return Err(other("the optimiser"));
    }
    let counters = Vec::<i64>::try_from(get("counters")?).map_err(|e| failed(&e))?;
    let &[step, steps] = counters.as_slice() else {
        return Err(failed(&"its counters are damaged"));
    };
    let mut optimiser = Optimiser::new(config.optimiser);
    optimiser.steps = steps.max(0) as u64;
    tch::no_grad(|| {
        for (prefix, network) in [("weight", iris), ("mean", mean)] {
            for (name, mut weight) in network.variables().variables() {
                let stored = get(&format!("{prefix}/{name}"))?;
                weight.f_copy_(stored).map_err(|e| failed(&e))?;
            }
        }
        Ok::<_, CheckpointError>(())
    })?;
    // A run that was stopped before its first step has none.
    if steps > 0 {
        let mut each = Vec::new();
        for (name, weight) in iris.weights_in_order() {
            let there = |kind: &str| {
                let moment = get(&format!("{kind}/{name}"))?;
                if moment.size() != weight.size() {
                    return Err(failed(&format!("`{kind}/{name}` has another shape")));
                }
                Ok(moment.to_device(weight.device()))
            };
            let (first, second) = (there("first")?, there("second")?);
            each.push((name, first, second));
        }
        optimiser.moments = Some(Moments::of_each(each.into_iter()));
    }
    Ok((optimiser, step.max(0) as u64))
}
