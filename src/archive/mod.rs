//! What the node holds: instance files and the durable index of instances, series and jobs.
//!
//! An instance is *kept* when its bytes are on disk, sealed and synced ([`Written::seal`]): the sealed file says
//! everything that its row says, so that one sync makes both durable. Rows and places follow together, many at a
//! time ([`indexing`]), and after a crash from what lies sealed in the spool ([`recovery`]).

mod activity;
mod arrivals;
mod arriving;
mod catalogue;
mod clock;
mod columns;
mod commitments;
mod confirmations;
mod counting;
mod counts;
mod deliveries;
mod error;
mod examination;
mod files;
mod follower;
mod header;
mod history;
mod incoming_file;
mod indexing;
mod intervention;
mod jobs;
#[cfg(test)]
mod large;
mod lives;
mod notes;
mod notices;
mod part10;
mod proposals;
mod question;
mod readiness;
mod recovery;
mod removal;
mod result_file;
mod review;
mod schema;
mod seal;
mod search;
mod slots;
mod spool;
mod tries;

pub use activity::{Span, Traffic};
pub use arrivals::{Bringing, Completeness};
pub use arriving::{Arriving, Fault, NotKept, Sender};
pub use catalogue::Header;
pub use commitments::{Commitment, CommitmentRequest, Held};
pub use confirmations::{CommitmentOutcome, StoredResult};
pub use counting::ArrivingSeries;
pub use counts::Counts;
pub use deliveries::Delivery;
pub use error::ArchiveError;
pub use examination::{Examination, examine};
pub use files::is_in_use;
pub use follower::InPlace;
pub use header::read_header;
pub use history::Arrived;
pub use incoming_file::{Acceptance, IncomingFile, NotTaken, Uids};
pub use intervention::{DeliveryRecord, Refused, with_segments};
pub use jobs::{
    Found, Job, JobState, JobSummary, KEPT_HERE, Listing, NewResult, RuleWithoutResult,
};
pub use lives::JobTimes;
pub use notices::{Notice, Standing};
pub use part10::{Beginning, Meta, beginning};
pub use proposals::{HeldSeries, Proposal, ProposedPart, Undecidable};
pub use removal::Retention;
pub use result_file::ResultFile;
pub use search::{Attributes, Level, Match, Search, StoredInstance};
pub use spool::Spooled;

use arrivals::Arrivals;
use files::Files;
use follower::Follower;
use slots::Slots;
use spool::Spool;
use sqlx::SqlitePool;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Mutex, Notify, mpsc, oneshot};

/// An instance received and sealed, about to have its row.
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
    /// What else of its data set is catalogued, and the above.
    pub header: Header,
    /// The file's bytes.
    pub bytes: Spooled,
}

/// The archive: a folder of files and an SQLite index beside them.
#[derive(Debug)]
pub struct Archive {
    pool: SqlitePool,
    files: Files,
    slots: Slots,
    sealed: mpsc::Sender<indexing::Message>,
    arrivals: Arrivals,
    /// Held while files move into their places, or out of them.
    places: Arc<Mutex<()>>,
    /// The index cannot be written at the moment.
    trouble: Arc<AtomicBool>,
    changed: Notify,
    follower: Follower,
}

impl Archive {
    /// Opens (or makes) the archive in a folder, takes in what an interrupted run had acknowledged, and clears away
    /// what it left unfinished.
    ///
    /// Needs a tokio runtime: the indexing runs on it until the archive is dropped.
    pub async fn open(folder: &Path) -> Result<Self, ArchiveError> {
        let files = Files::open(folder)?;
        let pool = schema::open(&folder.join("index.sqlite")).await?;
        jobs::return_interrupted(&pool).await?;
        let recovered = recovery::empty_spool(&pool, &files).await?;
        if recovered > 0 {
            tracing::info!(
                instances = recovered,
                "acknowledged before the last end, indexed now"
            );
        }
        let (sealed, waiting) = mpsc::channel(indexing::MOST_WAITING);
        let archive = Self::new(pool, files, sealed);
        tokio::spawn(indexing::run(
            waiting,
            archive.pool.clone(),
            archive.files.clone(),
            Arc::clone(&archive.places),
            Arc::clone(&archive.trouble),
            archive.follower.clone(),
        ));
        let (pool, files) = (archive.pool.clone(), archive.files.clone());
        tokio::spawn(catalogue::catch_up(pool, files));
        Ok(archive)
    }

    /// Opens the index to look at, for commands beside a running node.
    pub async fn open_index(folder: &Path) -> Result<Self, ArchiveError> {
        let files = Files::existing(folder)?;
        let pool = schema::open(&folder.join("index.sqlite")).await?;
        let (sealed, _) = mpsc::channel(1);
        Ok(Self::new(pool, files, sealed))
    }

    fn new(pool: SqlitePool, files: Files, sealed: mpsc::Sender<indexing::Message>) -> Self {
        Self {
            pool,
            slots: Slots::new(files.spool_folder()),
            files,
            sealed,
            arrivals: Arrivals::new(),
            places: Arc::default(),
            trouble: Arc::default(),
            changed: Notify::new(),
            follower: Follower::default(),
        }
    }

    /// Bytes free on the archive's disk.
    pub fn free_bytes(&self) -> Result<u64, ArchiveError> {
        self.files.free_bytes()
    }

    /// Whether acknowledged instances wait for an index that cannot be written: no more should be accepted.
    pub fn is_in_trouble(&self) -> bool {
        self.trouble.load(Ordering::Relaxed)
    }

    /// A file to take an instance's bytes as they arrive, begun with its head: preamble and File Meta Information,
    /// ending with [`seal::NO_SEAL`] as Private Information.
    fn spool(&self, head: &[u8]) -> Result<Spool, ArchiveError> {
        Spool::begin(self.slots.take()?, head)
    }

    /// An association that may bring instances; until it ends, what it brings may not be complete.
    pub fn association(&self) -> Bringing {
        self.arrivals.association()
    }

    /// Takes an instance that is durable already into the index, in a moment ([`Archive::flush`] waits for it).
    ///
    /// The same SOP Instance UID again from the same caller replaces the row
    /// (the sender's newest word counts) and opens the series' job anew.
    pub async fn store(&self, instance: NewInstance) -> Result<(), ArchiveError> {
        self.sealed
            .send(indexing::Message::Sealed(Box::new(instance)))
            .await
            .map_err(|_| ArchiveError::Closed)
    }

    /// Resolves when everything stored so far has its row and its place.
    pub async fn flush(&self) -> Result<(), ArchiveError> {
        let (done, answer) = oneshot::channel();
        self.sealed
            .send(indexing::Message::Flush(done))
            .await
            .map_err(|_| ArchiveError::Closed)?;
        answer.await.map_err(|_| ArchiveError::Closed)
    }

    /// Gives the index back whole, as one file: what its write-ahead log holds is brought into it. Nothing can be asked
    /// of the archive afterwards.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Keeps what `write` writes as a result, durably; the same bytes give the same file. `write` runs where it may
    /// take its time; what it gives back comes with the file, and its error (the inner one) keeps nothing.
    ///
    /// # Errors
    /// When the disk does not take it, or `write` panics.
    pub async fn keep_result<T: Send + 'static, E: Send + 'static>(
        &self,
        write: impl FnOnce(&mut ResultFile) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<(PathBuf, T), E>, ArchiveError> {
        let files = self.files.clone();
        blocking(move || files.keep_result(write)).await
    }

    /// Hears of instances as they come into their place, many at a time; of those that came before, and of those that
    /// come faster than they are heard of, it hears nothing. There is one who follows, the last who asked.
    pub fn follow(&self) -> mpsc::Receiver<Vec<InPlace>> {
        self.follower.set()
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

    /// Resolves when a job moved, for loops that would else poll.
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
