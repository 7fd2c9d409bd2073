//! Retention: old series leave, oldest first; never one that still waits for an answer.
//!
//! The rows go first, in one transaction that notes the files; then the files; then the notes. A crash in between
//! leaves notes, and the next round goes on with them.

use super::jobs::now;
use super::{Archive, ArchiveError, catalogue};
use std::time::Duration;

/// Every job of a series has ended so: whoever sent it has its answer, or was never to get one. A failed job waits
/// for a person (`irisnode jobs retry` or `cancel`), and so does its series. Labels that were sent to teach, and the
/// images they were drawn on, wait for a person's decision too.
const ANSWERED: &str = "NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.series = series.id
    AND state NOT IN ('delivered', 'skipped', 'discarded'))
    AND NOT EXISTS (SELECT 1 FROM proposals WHERE state NOT IN ('approved', 'rejected')
        AND (proposals.series = series.id OR proposals.images_uid = series.series_uid))";

/// What is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Series whose last instance came longer ago leave.
    pub keep_for: Option<Duration>,
    /// When instances take more than this, the oldest series leave; bytes.
    pub most_bytes: Option<u64>,
}

impl Archive {
    /// Removes what retention asks for; how many series.
    pub async fn remove_old(&self, retention: &Retention) -> Result<usize, ArchiveError> {
        self.remove_noted_files().await?;
        let mut removed = 0;
        while let Some(series) = self.oldest_to_remove(retention).await? {
            if self.remove_rows(series).await? {
                removed += 1;
            }
            self.remove_noted_files().await?;
        }
        Ok(removed)
    }

    async fn oldest_to_remove(&self, retention: &Retention) -> Result<Option<i64>, ArchiveError> {
        let oldest = |also: &str| {
            format!("SELECT id FROM series WHERE {ANSWERED} AND {also} ORDER BY last_at LIMIT 1")
        };
        if let Some(keep_for) = retention.keep_for {
            let before = now() - i64::try_from(keep_for.as_millis()).unwrap_or(i64::MAX);
            let old: Option<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(oldest("last_at < ?")))
                .bind(before)
                .fetch_optional(&self.pool)
                .await?;
            if old.is_some() {
                return Ok(old);
            }
        }
        if let Some(most) = retention.most_bytes {
            let held: i64 = sqlx::query_scalar("SELECT coalesce(sum(size), 0) FROM instances")
                .fetch_one(&self.pool)
                .await?;
            if held.unsigned_abs() > most {
                return Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(oldest("TRUE")))
                    .fetch_optional(&self.pool)
                    .await?);
            }
        }
        Ok(None)
    }

    /// Takes a series out of the index and notes its files, unless it waits for an answer again.
    async fn remove_rows(&self, series: i64) -> Result<bool, ArchiveError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let still = format!("SELECT count(*) FROM series WHERE id = ? AND {ANSWERED}");
        let still: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(still))
            .bind(series)
            .fetch_one(&mut *transaction)
            .await?;
        if still == 0 {
            return Ok(false);
        }
        let studies = catalogue::studies_of(&mut transaction, series).await?;
        for statement in [
            "INSERT OR IGNORE INTO removals (file, sop_instance_uid)
             SELECT file, sop_instance_uid FROM instances WHERE series = ?",
            "INSERT OR IGNORE INTO removals (file) SELECT file FROM deliveries
             WHERE file <> '' AND job IN (SELECT id FROM jobs WHERE series = ?)",
            "DELETE FROM proposals WHERE series = ?",
            "DELETE FROM deliveries WHERE job IN (SELECT id FROM jobs WHERE series = ?)",
            "DELETE FROM jobs WHERE series = ?",
            "DELETE FROM instances WHERE series = ?",
            "DELETE FROM series WHERE id = ?",
        ] {
            sqlx::query(statement)
                .bind(series)
                .execute(&mut *transaction)
                .await?;
        }
        catalogue::tidy(&mut transaction, &studies).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Removes the files that were noted, but none that a row names again: its instance was sent anew.
    async fn remove_noted_files(&self) -> Result<(), ArchiveError> {
        loop {
            let noted: Vec<(String, Option<String>)> =
                sqlx::query_as("SELECT file, sop_instance_uid FROM removals LIMIT 500")
                    .fetch_all(&self.pool)
                    .await?;
            if noted.is_empty() {
                return Ok(());
            }
            // No file moves into its place meanwhile.
            let _places = self.places.lock().await;
            for (file, sop_instance_uid) in &noted {
                let named = self.is_named(file, sop_instance_uid.as_deref()).await?;
                let path = self.files.instance(file);
                if !named
                    && let Err(error) = std::fs::remove_file(&path)
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    return Err(ArchiveError::file("cannot remove", path)(error));
                }
            }
            let mut transaction = self.pool.begin().await?;
            for (file, _) in &noted {
                sqlx::query("DELETE FROM removals WHERE file = ?")
                    .bind(file)
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
        }
    }

    /// Whether a row names a file, that of an instance with this UID or, without one, of a result.
    async fn is_named(
        &self,
        file: &str,
        sop_instance_uid: Option<&str>,
    ) -> Result<bool, ArchiveError> {
        let by_an_instance = |condition: &str| {
            let query = format!("SELECT EXISTS (SELECT 1 FROM instances WHERE {condition})");
            sqlx::query_scalar(sqlx::AssertSqlSafe(query))
        };
        if let Some(uid) = sop_instance_uid {
            let named = by_an_instance("sop_instance_uid = ? AND file = ?");
            return Ok(named.bind(uid).bind(file).fetch_one(&self.pool).await?);
        }
        let by_a_delivery: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM deliveries WHERE file = ?)")
                .bind(file)
                .fetch_one(&self.pool)
                .await?;
        if by_a_delivery || self.files.is_result(file) {
            return Ok(by_a_delivery);
        }
        // Noted by a version that noted no UIDs: every row has to be looked at.
        let named = by_an_instance("file = ?");
        Ok(named.bind(file).fetch_one(&self.pool).await?)
    }
}
