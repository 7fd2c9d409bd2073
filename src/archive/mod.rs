//! What the node holds: instance files and the durable index of instances, series and jobs.
//!
//! An instance is *kept* when its bytes and its row are on disk, fsynced
//! ([`Archive::store`] resolves only then). Many instances in flight share one
//! group commit. Files are named by the SHA-256 of their bytes, so that no
//! name from outside reaches the file system and the same bytes are held once.

mod commit;
mod counts;
mod deliveries;
mod error;
mod files;
mod jobs;
mod notes;
mod review;
mod schema;
mod spool;

pub use counts::Counts;
pub use deliveries::Delivery;
pub use error::ArchiveError;
pub use jobs::{Job, JobState, JobSummary, NewResult, RuleWithoutResult};
pub use spool::{Spool, Spooled};

use files::Files;
use sqlx::SqlitePool;
use std::path::{Path, PathBuf};
use tokio::sync::{Notify, mpsc, oneshot};

/// Waiting instances that one group commit may take.
const BATCH: usize = 256;

/// An instance received and spooled, about to be kept.
#[derive(Debug)]
pub struct NewInstance {
    /// SOP Class UID (0008,0016).
    pub sop_class_uid: String,
    /// SOP Instance UID (0008,0018).
    pub sop_instance_uid: String,
    /// Transfer Syntax UID of the data set as received.
    pub transfer_syntax: String,
    /// Study Instance UID (0020,000D).
    pub study_uid: String,
    /// Series Instance UID (0020,000E).
    pub series_uid: String,
    /// Modality (0008,0060).
    pub modality: String,
    /// AE title that sent it.
    pub calling_ae: String,
    /// AE title it was sent to.
    pub called_ae: String,
    /// The file's bytes.
    pub bytes: Spooled,
}

/// The archive: a folder of files and an SQLite index beside them.
#[derive(Debug)]
pub struct Archive {
    pool: SqlitePool,
    files: Files,
    commits: mpsc::Sender<commit::Waiting>,
    changed: Notify,
}

impl Archive {
    /// Opens (or makes) the archive in a folder and clears away what an interrupted run left unfinished.
    ///
    /// Needs a tokio runtime: the group commit runs on it until the archive is dropped.
    pub async fn open(folder: &Path) -> Result<Self, ArchiveError> {
        let files = Files::open(folder)?;
        let pool = schema::open(&folder.join("index.sqlite")).await?;
        jobs::return_interrupted(&pool).await?;
        let (commits, waiting) = mpsc::channel(BATCH);
        tokio::spawn(commit::run(waiting, pool.clone(), files.clone()));
        Ok(Self {
            pool,
            files,
            commits,
            changed: Notify::new(),
        })
    }

    /// Opens the index to look at, for commands beside a running node.
    pub async fn open_index(folder: &Path) -> Result<Self, ArchiveError> {
        let files = Files::existing(folder)?;
        let pool = schema::open(&folder.join("index.sqlite")).await?;
        let (commits, _) = mpsc::channel(1);
        Ok(Self {
            pool,
            files,
            commits,
            changed: Notify::new(),
        })
    }

    /// Bytes free on the archive's disk.
    pub fn free_bytes(&self) -> Result<u64, ArchiveError> {
        self.files.free_bytes()
    }

    /// A file to take an instance's bytes as they arrive.
    pub fn spool(&self) -> Result<Spool, ArchiveError> {
        Spool::create(self.files.spool_folder())
    }

    /// Keeps an instance. When this resolves, its bytes and its row are durable.
    ///
    /// The same SOP Instance UID again from the same caller replaces the row
    /// (the sender's newest word counts) and opens the series' job anew.
    pub async fn store(&self, instance: NewInstance) -> Result<(), ArchiveError> {
        let (done, answer) = oneshot::channel();
        self.commits
            .send(commit::Waiting { instance, done })
            .await
            .map_err(|_| ArchiveError::Closed)?;
        let kept = answer.await.map_err(|_| ArchiveError::Closed)?;
        self.changed.notify_waiters();
        kept
    }

    /// Keeps a result's bytes, durably; the same bytes give the same file.
    pub async fn keep_result(&self, bytes: Vec<u8>) -> Result<PathBuf, ArchiveError> {
        let files = self.files.clone();
        blocking(move || files.keep_result(&bytes)).await
    }

    /// Files of a series' instances, in no particular order.
    pub async fn instances(&self, series: i64) -> Result<Vec<PathBuf>, ArchiveError> {
        let names: Vec<(String,)> =
            sqlx::query_as("SELECT file FROM instances WHERE series = ? ORDER BY sop_instance_uid")
                .bind(series)
                .fetch_all(&self.pool)
                .await?;
        Ok(names
            .into_iter()
            .map(|(name,)| self.files.instance(&name))
            .collect())
    }

    /// How many instances are held.
    pub async fn instance_count(&self) -> Result<i64, ArchiveError> {
        let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM instances")
            .fetch_one(&self.pool)
            .await?;
        Ok(count)
    }

    /// Resolves when something was stored or a job moved, for loops that would else poll.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// Runs file work off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| ArchiveError::Closed)?
}
