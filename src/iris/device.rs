//! Where the network runs.

use std::path::PathBuf;
use tch::Device;

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Neither `cpu` nor `cuda:N`.
    #[error("`{0}` is no device; write `cpu`, `cuda` or `cuda:1`")]
    Unknown(String),
    /// libtorch here has no CUDA, or the machine has no such card.
    #[error(
        "device `{asked}` is not there ({found} CUDA devices seen); \
         put libtorch_cuda.so beside libtorch_cpu.so, or use device `cpu`"
    )]
    Absent {
        /// What was asked for.
        asked: String,
        /// How many there are.
        found: i64,
    },
}

/// The device named `cpu`, `cuda` or `cuda:N`.
///
/// One binary serves both: it is linked against libtorch's CPU half only, and
/// `libtorch_cuda.so` is loaded at run time when it lies beside it.
pub fn choose_device(name: &str) -> Result<Device, DeviceError> {
    let index = match name.trim() {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => 0,
        other => other
            .strip_prefix("cuda:")
            .and_then(|n| n.parse::<usize>().ok())
            .ok_or_else(|| DeviceError::Unknown(name.to_owned()))?,
    };
    load_cuda_library();
    let found = tch::Cuda::device_count();
    if i64::try_from(index).is_ok_and(|index| index < found) {
        Ok(Device::Cuda(index))
    } else {
        Err(DeviceError::Absent {
            asked: name.to_owned(),
            found,
        })
    }
}

/// Loads `libtorch_cuda.so` from the folder that `libtorch_cpu.so` was loaded from, once.
fn load_cuda_library() {
    static LOADED: std::sync::Once = std::sync::Once::new();
    LOADED.call_once(|| {
        let Some(library) = libtorch_folder().map(|folder| folder.join("libtorch_cuda.so")) else {
            return;
        };
        if !library.exists() {
            return;
        }
        // SAFETY: loading a library runs its initialisers. This one is the
        // other half of the libtorch this process already runs, from the same
        // folder; its initialisers register CUDA kernels with the dispatcher,
        // which libtorch guards with its own lock. Nothing is looked up in it
        // from here, and it is never unloaded (`forget`), so no pointer into
        // it can dangle.
        #[allow(unsafe_code)]
        match unsafe { libloading::Library::new(&library) } {
            Ok(handle) => std::mem::forget(handle),
            Err(error) => tracing::warn!(%error, "libtorch_cuda.so lies beside libtorch_cpu.so but does not load"),
        }
    });
}

/// The folder of the `libtorch_cpu.so` mapped into this process.
fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .find(|path| path.ends_with("/libtorch_cpu.so"))?;
    PathBuf::from(path).parent().map(PathBuf::from)
}
