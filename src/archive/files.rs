//! The folder: `instances/` and `results/`, and `spool/` for what is still arriving.

use super::{ArchiveError, ResultFile};
use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folders and their naming.
#[derive(Debug, Clone)]
pub(super) struct Files {
    root: PathBuf,
    /// Held by the one node that works here; the system lets go of it however the process ends.
    _lock: Option<Arc<File>>,
}

impl Files {
    /// Makes the folders (private to the user) and takes them for this process.
    pub(super) fn open(root: &Path) -> Result<Self, ArchiveError> {
        let root = &absolute(root);
        let mut files = Self {
            root: root.clone(),
            _lock: None,
        };
        for folder in [
            root.clone(),
            files.instances(),
            files.results(),
            files.spool_folder(),
        ] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .map_err(ArchiveError::file("cannot make the folder", &folder))?;
        }
        // Before anything in it is touched: it may be another node's, in full use.
        files._lock = Some(Arc::new(lock(root)?));
        // Else a power cut could take the new folders with all that was
        // acknowledged into them. The one above may not be ours to open.
        sync_folder(root)?;
        let _ = root.parent().map(sync_folder);
        files.make_fan()?;
        Ok(files)
    }

    /// Makes the 256 folders that instances are spread over, once: making one as its first instance comes costs
    /// that instance a sync more.
    fn make_fan(&self) -> Result<(), ArchiveError> {
        let instances = self.instances();
        for first in 0..=u8::MAX {
            let folder = instances.join(hex(&[first]));
            if !folder.exists() {
                fs::DirBuilder::new()
                    .mode(0o700)
                    .create(&folder)
                    .map_err(ArchiveError::file("cannot make the folder", &folder))?;
            }
        }
        sync_folder(&instances)
    }

    /// The folders of an archive that is there.
    pub(super) fn existing(root: &Path) -> Result<Self, ArchiveError> {
        let root = absolute(root);
        fs::metadata(root.join("index.sqlite")).map_err(ArchiveError::file(
            "there is no archive in the folder",
            &root,
        ))?;
        Ok(Self { root, _lock: None })
    }

    fn instances(&self) -> PathBuf {
        self.root.join("instances")
    }

    fn results(&self) -> PathBuf {
        self.root.join("results")
    }

    /// Whether a name in a row is that of a result.
    pub(super) fn is_result(&self, name: &str) -> bool {
        Path::new(name).starts_with(self.results())
    }

    pub(super) fn spool_folder(&self) -> PathBuf {
        self.root.join("spool")
    }

    pub(super) fn free_bytes(&self) -> Result<u64, ArchiveError> {
        fs4::available_space(&self.root).map_err(ArchiveError::file(
            "cannot ask for free space on",
            &self.root,
        ))
    }

    /// The file of an instance by the name in its row.
    pub(super) fn instance(&self, name: &str) -> PathBuf {
        self.instances().join(name)
    }

    /// Moves sealed files from the spool to their names, then syncs each folder that changed.
    ///
    /// May be done again after it failed halfway: a file that has moved already is left where it is.
    pub(super) fn take_in<'f>(
        &self,
        moves: impl Iterator<Item = (&'f Path, String)>,
    ) -> Result<(), ArchiveError> {
        let mut folders = BTreeSet::new();
        for (from, name) in moves {
            let to = self.instance(&name);
            folders.extend(make_parent(&to)?);
            match fs::rename(from, &to) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && !from.exists() => {
                    if !to.exists() {
                        tracing::error!(
                            file = name,
                            "a file was taken out of the spool by something else; its instance is lost"
                        );
                    }
                }
                moved => moved.map_err(ArchiveError::file("cannot move to", &to))?,
            }
        }
        for folder in folders {
            sync_folder(&folder)?;
        }
        Ok(())
    }

    /// Keeps what `write` writes; an error of `write` itself is the inner one, and leaves nothing behind.
    pub(super) fn keep_result<T, E>(
        &self,
        write: impl FnOnce(&mut ResultFile) -> Result<T, E>,
    ) -> Result<Result<(PathBuf, T), E>, ArchiveError> {
        let spool = self.spool_folder();
        let failed = |path: &Path| ArchiveError::file("cannot write", path.to_owned());
        let file = tempfile::NamedTempFile::new_in(&spool).map_err(failed(&spool))?;
        let mut out = ResultFile::new(file);
        let written = write(&mut out);
        // A full disk is the archive's trouble, whatever `write` made of it.
        let (file, digest) = out.finish().map_err(failed(&spool))?;
        let written = match written {
            Ok(written) => written,
            Err(error) => return Ok(Err(error)),
        };
        let digest = hex(&digest);
        let path = self
            .results()
            .join(&digest[..2])
            .join(format!("{digest}.dcm"));
        let folders = make_parent(&path)?;
        file.as_file().sync_all().map_err(failed(&path))?;
        file.persist(&path).map_err(|e| failed(&path)(e.error))?;
        for folder in folders {
            sync_folder(&folder)?;
        }
        Ok(Ok((path, written)))
    }
}

/// Makes a file's folder; gives the folders whose entries changed or will change.
fn make_parent(path: &Path) -> Result<Vec<PathBuf>, ArchiveError> {
    let Some(parent) = path.parent() else {
        return Ok(Vec::new());
    };
    let mut changed = vec![parent.to_owned()];
    if !parent.exists() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(ArchiveError::file("cannot make the folder", parent))?;
        changed.extend(parent.parent().map(Path::to_owned));
    }
    Ok(changed)
}

/// Two nodes in one folder would do each other's jobs and empty each other's spool.
fn lock(root: &Path) -> Result<File, ArchiveError> {
    let path = root.join("lock");
    let failed = || ArchiveError::file("cannot lock", &path);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ArchiveError::InUse(root.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed()(error)),
    }
}

/// Whether a node has this data folder at the moment.
///
/// Where none has, the lock is taken for as long as it takes to give it back: a node that starts in that very moment says
/// that another runs.
pub fn is_in_use(root: &Path) -> bool {
    File::open(root.join("lock"))
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

pub(super) fn sync_folder(folder: &Path) -> Result<(), ArchiveError> {
    File::open(folder)
        .and_then(|f| f.sync_all())
        .map_err(ArchiveError::file("cannot make durable the folder", folder))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Rows name results by their whole path: it must mean the same for a process that was started elsewhere.
fn absolute(root: &Path) -> PathBuf {
    std::path::absolute(root).unwrap_or_else(|_| root.to_owned())
}
