//! Why the archive could not do its work.

use std::path::PathBuf;

/// A failure of the archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file or folder cannot be used.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What was attempted.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The index failed.
    #[error("the index failed: {0}")]
    Index(#[from] sqlx::Error),
    /// The index was made by a newer irisnode.
    #[error(
        "the index has version {found}, this irisnode knows {known}; run the newer irisnode, or give it another data_dir"
    )]
    NewerIndex {
        /// Version found.
        found: i64,
        /// Newest version known.
        known: i64,
    },
    /// Another process works in the folder.
    #[error(
        "another irisnode works in {}; stop it, or give this one another data_dir", .0.display()
    )]
    InUse(PathBuf),
    /// The archive is shutting down.
    #[error("the archive is closed")]
    Closed,
    /// A group commit failed; this instance was in it and is not kept.
    #[error("the instance could not be made durable: {0}")]
    Commit(String),
}

impl ArchiveError {
    /// Names the file an I/O error happened on.
    pub(super) fn file(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}
