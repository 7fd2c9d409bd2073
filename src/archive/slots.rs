//! Empty files whose names are durable already, for instances to be written into.
//!
//! A new file is only there after a power cut when its folder was synced too. Making a few dozen at a time and
//! syncing the folder once for all of them leaves one sync to each instance: that of its own bytes.

use super::ArchiveError;
use super::files::sync_folder;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tempfile::NamedTempFile;

/// Files made at a time.
const BATCH: usize = 32;

/// Empty files in the spool.
#[derive(Debug)]
pub(super) struct Slots {
    folder: PathBuf,
    ready: Mutex<Vec<NamedTempFile>>,
}

impl Slots {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            ready: Mutex::default(),
        }
    }

    /// An empty file; dropped, it is removed.
    ///
    /// Whoever finds none makes the next batch, and others wait for it: they would else make their own.
    pub(super) fn take(&self) -> Result<NamedTempFile, ArchiveError> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = ready.pop() {
            return Ok(slot);
        }
        // tempfile makes files that only this user may read.
        let made: Result<Vec<_>, _> = (0..BATCH)
            .map(|_| NamedTempFile::new_in(&self.folder))
            .collect();
        *ready = made.map_err(ArchiveError::file("cannot make a file in", &self.folder))?;
        if let Err(error) = sync_folder(&self.folder) {
            ready.clear();
            return Err(error);
        }
        ready.pop().ok_or(ArchiveError::Closed)
    }
}
