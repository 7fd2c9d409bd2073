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
    Index(sqlx::Error),
    /// The index is no database any more.
    #[error("the index is damaged; `irisnode fsck` makes it anew from the files")]
    DamagedIndex,
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
    /// A file was begun whose head has no place for a seal.
    #[error("the file meta information has no place for the seal")]
    NoSeal,
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

impl From<sqlx::Error> for ArchiveError {
    /// SQLite's primary codes SQLITE_CORRUPT (11) and SQLITE_NOTADB (26) mean a damaged file.
    fn from(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(|error| error.code()?.parse::<u32>().ok());
        match code.map(|code| code & 0xFF) {
            Some(11 | 26) => Self::DamagedIndex,
            _ => Self::Index(error),
        }
    }
}
