//! Group commit: whatever is waiting becomes durable together.

use super::files::Files;
use super::{ArchiveError, BATCH, NewInstance};
use chrono::Utc;
use sqlx::{Sqlite, SqlitePool, Transaction};
use tokio::sync::{mpsc, oneshot};

/// An instance and who waits for it.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) instance: NewInstance,
    pub(super) done: oneshot::Sender<Result<(), ArchiveError>>,
}

/// What a row needs once the bytes have moved to their place.
struct Row {
    instance: InstanceRow,
    done: oneshot::Sender<Result<(), ArchiveError>>,
}

struct InstanceRow {
    sop_class_uid: String,
    sop_instance_uid: String,
    transfer_syntax: String,
    study_uid: String,
    series_uid: String,
    modality: String,
    calling_ae: String,
    called_ae: String,
    file: String,
    size: i64,
}

/// Commits batches until the archive is dropped and the last waiting instance is kept.
pub(super) async fn run(mut waiting: mpsc::Receiver<Waiting>, pool: SqlitePool, files: Files) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let (mut spooled, mut rows) = (Vec::new(), Vec::new());
        for Waiting { instance, done } in batch.drain(..) {
            rows.push(Row {
                instance: InstanceRow {
                    file: instance.bytes.name(),
                    size: i64::try_from(instance.bytes.size()).unwrap_or(i64::MAX),
                    sop_class_uid: instance.sop_class_uid,
                    sop_instance_uid: instance.sop_instance_uid,
                    transfer_syntax: instance.transfer_syntax,
                    study_uid: instance.study_uid,
                    series_uid: instance.series_uid,
                    modality: instance.modality,
                    calling_ae: instance.calling_ae,
                    called_ae: instance.called_ae,
                },
                done,
            });
            spooled.push(instance.bytes);
        }
        // The bytes first, then the rows: a row never names a file that is not there.
        let files = files.clone();
        let kept = match super::blocking(move || files.keep(spooled)).await {
            Ok(()) => insert(&pool, rows.iter().map(|row| &row.instance)).await,
            Err(error) => Err(error),
        };
        let failure = kept.err().map(|error| error.to_string());
        if let Some(reason) = &failure {
            tracing::error!(%reason, instances = rows.len(), "a group commit failed; its instances are refused");
        }
        for row in rows {
            let answer = failure
                .clone()
                .map_or(Ok(()), |reason| Err(ArchiveError::Commit(reason)));
            // A sender that has gone away no longer needs the answer; the instance is kept all the same.
            let _ = row.done.send(answer);
        }
    }
}

async fn insert(
    pool: &SqlitePool,
    rows: impl Iterator<Item = &InstanceRow>,
) -> Result<(), ArchiveError> {
    let now = Utc::now().timestamp_millis();
    let mut transaction = pool.begin().await?;
    for row in rows {
        insert_one(&mut transaction, row, now).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn insert_one(
    transaction: &mut Transaction<'_, Sqlite>,
    row: &InstanceRow,
    now: i64,
) -> Result<(), ArchiveError> {
    let (series,): (i64,) = sqlx::query_as(
        "INSERT INTO series (series_uid, study_uid, modality, calling_ae, called_ae, first_at, last_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (series_uid, calling_ae, called_ae) DO UPDATE SET last_at = excluded.last_at
         RETURNING id",
    )
    .bind(&row.series_uid)
    .bind(&row.study_uid)
    .bind(&row.modality)
    .bind(&row.calling_ae)
    .bind(&row.called_ae)
    .bind(now)
    .bind(now)
    .fetch_one(&mut **transaction)
    .await?;
    sqlx::query(
        "INSERT OR REPLACE INTO instances
         (series, sop_instance_uid, sop_class_uid, transfer_syntax, file, size, received_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(series)
    .bind(&row.sop_instance_uid)
    .bind(&row.sop_class_uid)
    .bind(&row.transfer_syntax)
    .bind(&row.file)
    .bind(row.size)
    .bind(now)
    .execute(&mut **transaction)
    .await?;
    super::jobs::open_for_series(transaction, series, now).await
}
