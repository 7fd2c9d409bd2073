//! From sealed files in the spool to rows and files in their place, many at a time.
//!
//! An instance is acknowledged when its sealed file is durable; its row follows here, a moment later, in one
//! transaction with all others of that moment. The order keeps the promise through a crash at any point:
//!
//! 1. the rows are committed (SQLite in full synchronisation),
//! 2. the files move from the spool to their place,
//! 3. the folders they moved to are synced.
//!
//! Until 2 is durable the file is in the spool, and the next start does all of it again ([`super::recovery`]).

use super::catalogue::shelve;
use super::columns::INSTANCE;
use super::files::{Files, hex};
use super::follower::Follower;
use super::{ArchiveError, NewInstance, jobs};
use sha2::{Digest, Sha256};
use sqlx::{Sqlite, SqlitePool, Transaction};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

/// Acknowledged instances that may wait for their rows; a sender that is faster than the index waits.
pub(super) const MOST_WAITING: usize = 4096;
/// Rows in one transaction.
const BATCH: usize = 1024;
/// How long the first of a batch waits for others, unless somebody asks for it.
const GATHER: Duration = Duration::from_millis(200);
/// Pause after the index failed (a full disk, say); what waits is acknowledged and is never given up.
const TROUBLE: Duration = Duration::from_secs(1);

/// What the indexing hears.
#[derive(Debug)]
pub(super) enum Message {
    /// A sealed instance.
    Sealed(Box<NewInstance>),
    /// Somebody wants everything before this in its place.
    Flush(oneshot::Sender<()>),
}

/// Indexes what is sealed until the archive is dropped and the last instance has its row.
pub(super) async fn run(
    mut sealed: mpsc::Receiver<Message>,
    pool: SqlitePool,
    files: Files,
    places: Arc<Mutex<()>>,
    trouble: Arc<AtomicBool>,
    follower: Follower,
) {
    let (mut batch, mut asking) = (Vec::new(), Vec::new());
    while gather(&mut sealed, &mut batch, &mut asking).await {
        let instances: Arc<[NewInstance]> = std::mem::take(&mut batch).into();
        let attempt = async || {
            let _places = places.lock().await;
            index(&pool, &files, &instances, Again::Yes).await
        };
        while let Err(error) = attempt().await {
            tracing::error!(%error, instances = instances.len(), "instances cannot be indexed; trying again");
            trouble.store(true, Ordering::Relaxed);
            if sealed.is_closed() {
                // The files stay sealed in the spool: the next start indexes them.
                return;
            }
            tokio::time::sleep(TROUBLE).await;
        }
        trouble.store(false, Ordering::Relaxed);
        follower.tell(&files, &instances);
        for asking in asking.drain(..) {
            let _ = asking.send(());
        }
    }
}

/// Takes what comes within a moment; `false` when nothing will come any more.
async fn gather(
    sealed: &mut mpsc::Receiver<Message>,
    batch: &mut Vec<NewInstance>,
    asking: &mut Vec<oneshot::Sender<()>>,
) -> bool {
    let mut until = None;
    while batch.len() < BATCH && asking.is_empty() {
        let message = match until {
            None => sealed.recv().await,
            Some(until) => match tokio::time::timeout_at(until, sealed.recv()).await {
                Ok(message) => message,
                Err(_) => return true,
            },
        };
        match message {
            Some(Message::Sealed(instance)) => batch.push(*instance),
            Some(Message::Flush(done)) => asking.push(done),
            None => return !batch.is_empty(),
        }
        until.get_or_insert_with(|| Instant::now() + GATHER);
    }
    true
}

/// Whether an instance whose row is there already counts as sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// The sender's newest word counts, and its series is done anew.
    Yes,
    /// Not when it is the very reception that the row is of: a crash came between its row and its place.
    UnlessIndexed,
}

/// Gives instances their rows and moves their files into place.
pub(super) async fn index(
    pool: &SqlitePool,
    files: &Files,
    instances: &Arc<[NewInstance]>,
    again: Again,
) -> Result<(), ArchiveError> {
    if instances.is_empty() {
        return Ok(());
    }
    insert(pool, instances, again).await?;
    let (files, instances) = (files.clone(), Arc::clone(instances));
    super::blocking(move || {
        let moves = instances
            .iter()
            .map(|instance| (instance.bytes.path.as_path(), name(instance)));
        files.take_in(moves)
    })
    .await
}

/// Inserts the rows of instances, in one transaction.
pub(super) async fn insert(
    pool: &SqlitePool,
    instances: &[NewInstance],
    again: Again,
) -> Result<(), ArchiveError> {
    let now = jobs::now();
    let mut transaction = pool.begin().await?;
    let mut known = HashMap::new();
    let mut shelves = HashMap::new();
    for instance in instances {
        let key = (
            instance.series_uid.as_str(),
            instance.calling_ae.as_str(),
            instance.called_ae.as_str(),
        );
        let series = match known.get(&key) {
            Some(series) => *series,
            None => {
                let series = series(&mut transaction, instance, now).await?;
                known.insert(key, series);
                series
            }
        };
        if again == Again::UnlessIndexed && is_indexed(&mut transaction, series, instance).await? {
            continue;
        }
        let uids = (instance.study_uid.as_str(), instance.series_uid.as_str());
        let shelf = match shelves.get(&uids) {
            Some(shelf) => *shelf,
            None => {
                let shelf = shelve(&mut transaction, uids.0, uids.1, &instance.header).await?;
                shelves.insert(uids, shelf);
                shelf
            }
        };
        insert_one(&mut transaction, series, shelf, instance).await?;
        jobs::open_for_series(&mut transaction, series, now).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn series(
    transaction: &mut Transaction<'_, Sqlite>,
    instance: &NewInstance,
    now: i64,
) -> Result<i64, ArchiveError> {
    Ok(sqlx::query_scalar(
        "INSERT INTO series (series_uid, study_uid, modality, calling_ae, called_ae, first_at, last_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (series_uid, calling_ae, called_ae) DO UPDATE SET last_at = excluded.last_at
         RETURNING id",
    )
    .bind(&instance.series_uid)
    .bind(&instance.study_uid)
    .bind(&instance.modality)
    .bind(&instance.calling_ae)
    .bind(&instance.called_ae)
    .bind(now)
    .bind(now)
    .fetch_one(&mut **transaction)
    .await?)
}

async fn is_indexed(
    transaction: &mut Transaction<'_, Sqlite>,
    series: i64,
    instance: &NewInstance,
) -> Result<bool, ArchiveError> {
    let found: Option<i64> = sqlx::query_scalar(
        "SELECT received_at FROM instances WHERE series = ? AND sop_instance_uid = ?",
    )
    .bind(series)
    .bind(&instance.sop_instance_uid)
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(found == Some(instance.bytes.received_at))
}

async fn insert_one(
    transaction: &mut Transaction<'_, Sqlite>,
    series: i64,
    shelf: i64,
    instance: &NewInstance,
) -> Result<(), ArchiveError> {
    let mut query = sqlx::query(
        "INSERT OR REPLACE INTO instances
         (series, sop_instance_uid, sop_class_uid, transfer_syntax, file, size, received_at, study_series,
          instance_number, number_of_frames, image_rows, image_columns, bits_allocated)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(series)
    .bind(&instance.sop_instance_uid)
    .bind(&instance.sop_class_uid)
    .bind(&instance.transfer_syntax)
    .bind(name(instance))
    .bind(i64::try_from(instance.bytes.length).unwrap_or(i64::MAX))
    .bind(instance.bytes.received_at)
    .bind(shelf);
    for (tag, _) in INSTANCE {
        query = query.bind(instance.header.get(&tag));
    }
    query.execute(&mut **transaction).await?;
    Ok(())
}

/// The file's name below the folder of instances: a digest of what the instance is, so that no name from outside
/// reaches the file system, and the same instance from the same sender has one file. A series shares a folder, which
/// is then synced once for many of its instances.
pub(super) fn name(instance: &NewInstance) -> String {
    let mut digest = Sha256::new();
    for part in [
        &instance.calling_ae,
        &instance.called_ae,
        &instance.series_uid,
        &instance.sop_instance_uid,
    ] {
        digest.update(part);
        digest.update([0]);
    }
    let fan = hex(&Sha256::digest(&instance.series_uid)[..1]);
    format!("{fan}/{}.dcm", hex(&digest.finalize()))
}
