//! What was made of files, made anew when they change.

use super::error::TlsError;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// What tells a file from the one that lay there before: time of change, length, inode.
type Stamp = Option<(SystemTime, u64, u64)>;
type Load<T> = Box<dyn Fn() -> Result<T, TlsError> + Send + Sync>;

/// A value made of files.
pub(super) struct Reloading<T> {
    paths: Vec<PathBuf>,
    load: Load<T>,
    held: Mutex<(Vec<Stamp>, Arc<T>)>,
}

impl<T> Reloading<T> {
    pub(super) fn new(
        paths: Vec<PathBuf>,
        load: impl Fn() -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        // Before they are read: a change while they are is noticed the next time.
        let stamps = stamps(&paths);
        let first = Arc::new(load()?);
        Ok(Self {
            paths,
            load: Box::new(load),
            held: Mutex::new((stamps, first)),
        })
    }

    /// The value of the files as they are now, or as they were when they last could be used.
    pub(super) fn current(&self) -> Arc<T> {
        let now = stamps(&self.paths);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0 != now {
            held.0 = now;
            match (self.load)() {
                Ok(new) => {
                    held.1 = Arc::new(new);
                    tracing::info!("certificate files have changed and are in force");
                }
                Err(error) => tracing::warn!(
                    %error,
                    "certificate files have changed and cannot be used; the earlier ones stay in force"
                ),
            }
        }
        Arc::clone(&held.1)
    }
}

impl<T> fmt::Debug for Reloading<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading")
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    paths.iter().map(|path| stamp(path)).collect()
}

fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len(), file.ino()))
}
