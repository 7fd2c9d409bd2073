//! Bytes on their way in: written to disk as they arrive, so that memory does not grow with the instance.

use super::ArchiveError;
use super::files::{hex, make_private};
use sha2::{Digest, Sha256};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// An instance arriving. Dropped before [`Spool::finish`] and kept, it leaves nothing behind.
#[derive(Debug)]
pub struct Spool {
    file: BufWriter<NamedTempFile>,
    digest: Sha256,
    size: u64,
}

/// A whole instance: its bytes are durable, but under a name that the next start clears away.
#[derive(Debug)]
pub struct Spooled {
    file: NamedTempFile,
    sha256: String,
    size: u64,
}

impl Spool {
    pub(super) fn create(folder: PathBuf) -> Result<Self, ArchiveError> {
        let file = NamedTempFile::new_in(&folder)
            .and_then(|file| make_private(file.as_file()).map(|()| file))
            .map_err(ArchiveError::file("cannot make a file in", folder))?;
        Ok(Self {
            file: BufWriter::with_capacity(1 << 18, file),
            digest: Sha256::new(),
            size: 0,
        })
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.digest.update(bytes);
        self.size += bytes.len() as u64;
        self.file
            .write_all(bytes)
            .map_err(|e| ArchiveError::file("cannot write", self.file.get_ref().path())(e))
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Ends the instance and makes its bytes durable.
    ///
    /// Blocking work: call it off the async threads. Done here, by each association for itself, and not in the group
    /// commit: syncs of several files at once share the disk's work, one after the other they do not.
    pub fn finish(self) -> Result<Spooled, ArchiveError> {
        let path = self.file.get_ref().path().to_owned();
        let file = self
            .file
            .into_inner()
            .map_err(|e| ArchiveError::file("cannot write", &path)(e.into_error()))?;
        file.as_file()
            .sync_all()
            .map_err(ArchiveError::file("cannot make durable", path))?;
        Ok(Spooled {
            file,
            sha256: hex(&self.digest.finalize()),
            size: self.size,
        })
    }
}

impl Spooled {
    /// Where the bytes lie for now.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// SHA-256 of the bytes, hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The file's final name, below the folder of instances.
    pub(super) fn name(&self) -> String {
        format!("{}/{}.dcm", &self.sha256[..2], self.sha256)
    }

    /// Moves the file to its final name; its folder is then to be synced.
    pub(super) fn move_to(self, path: &Path) -> Result<(), ArchiveError> {
        // An identical file may be there already; then this one takes its place.
        self.file
            .persist(path)
            .map_err(|e| ArchiveError::file("cannot move to", path)(e.error))?;
        Ok(())
    }
}
