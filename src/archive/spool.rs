//! Bytes on their way in: written to disk as they arrive, so that neither memory nor the sync at the end grows with the
//! instance.

use super::ArchiveError;
use super::seal::{self, Seal};
use chrono::Utc;
use rustix::fs::Advice;
use std::io::{BufWriter, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Bytes after which the disk is asked to begin with them.
const BEGIN_AFTER: u64 = 128 * 1024;

/// An instance arriving. Dropped before [`Written::seal`], it leaves nothing behind.
#[derive(Debug)]
pub struct Spool {
    file: BufWriter<NamedTempFile>,
    crc: crc32fast::Hasher,
    length: u64,
    /// Bytes that the disk was asked to begin with.
    begun: u64,
    seal_at: u64,
}

/// An instance all of whose bytes have come: to be looked at, and sealed.
#[derive(Debug)]
pub struct Written {
    file: NamedTempFile,
    crc: u32,
    length: u64,
    seal_at: u64,
}

/// A whole instance whose bytes are durable and sealed: a power cut cannot take it any more.
#[derive(Debug)]
pub struct Spooled {
    pub(super) path: PathBuf,
    pub(super) received_at: i64,
    pub(super) length: u64,
}

impl Spool {
    /// Begins a file with its head: preamble and File Meta Information, whose last element is an empty seal
    /// ([`super::NO_SEAL`]).
    pub(super) fn begin(slot: NamedTempFile, head: &[u8]) -> Result<Self, ArchiveError> {
        let seal_at = seal::position(head).ok_or(ArchiveError::NoSeal)?;
        let mut spool = Self {
            // Fragments are mostly larger, and are written as they are.
            file: BufWriter::with_capacity(1 << 16, slot),
            crc: crc32fast::Hasher::new(),
            length: 0,
            begun: 0,
            seal_at,
        };
        spool.write(head)?;
        Ok(spool)
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.crc.update(bytes);
        self.length += bytes.len() as u64;
        self.file
            .write_all(bytes)
            .map_err(|e| ArchiveError::file("cannot write", self.file.get_ref().path())(e))?;
        self.begin_writing();
        Ok(())
    }

    /// Has the disk begin with what has come while the rest is still on its way: of a CT slice the sync at the end then
    /// takes half as long.
    ///
    /// Linux begins to write the pages of a range that is said not to be needed. What it makes of the advice changes
    /// nothing of what is kept, so its answer is of no interest; the sync is what makes the file durable.
    fn begin_writing(&mut self) {
        let Some(new) = NonZeroU64::new((self.length - self.begun) / BEGIN_AFTER * BEGIN_AFTER)
        else {
            return;
        };
        let file = self.file.get_ref().as_file();
        let _ = rustix::fs::fadvise(file, self.begun, Some(new), Advice::DontNeed);
        self.begun += new.get();
    }

    /// Ends the instance.
    pub fn finish(self) -> Result<Written, ArchiveError> {
        let path = self.file.get_ref().path().to_owned();
        let file = self
            .file
            .into_inner()
            .map_err(|e| ArchiveError::file("cannot write", path)(e.into_error()))?;
        Ok(Written {
            file,
            crc: self.crc.finalize(),
            length: self.length,
            seal_at: self.seal_at,
        })
    }
}

impl Written {
    /// Where the bytes lie for now.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Seals the file and makes it durable, by one sync.
    ///
    /// Blocking work: call it off the async threads. Each association does it for itself: syncs of several files at
    /// once share the disk's work.
    pub fn seal(self) -> Result<Spooled, ArchiveError> {
        let seal = Seal {
            received_at: Utc::now().timestamp_millis(),
            length: self.length,
            crc: self.crc,
        };
        let file = self.file.as_file();
        file.write_all_at(&seal.to_bytes(), self.seal_at)
            .and_then(|()| file.sync_data())
            .map_err(ArchiveError::file("cannot make durable", self.file.path()))?;
        // From here on nothing removes the file, whatever becomes of this process. It is closed: instances that wait
        // for their rows hold no descriptor.
        let path = self.file.path().to_owned();
        let path = self
            .file
            .into_temp_path()
            .keep()
            .map_err(|e| ArchiveError::file("cannot keep", path)(e.error))?;
        Ok(Spooled {
            path,
            received_at: seal.received_at,
            length: seal.length,
        })
    }
}
