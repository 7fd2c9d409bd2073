//! Results that a destination has stored and is asked to commit to (storage commitment, with this node as its user).
//!
//! ```text
//! waiting ──stored──▶ stored ──asked──▶ stored, asked ──reported──▶ delivered, committed
//!    ▲                                        ├── it failed there: again, after a pause ──▶ waiting
//!    └────────────────────────────────────────┘── it failed for good, or nobody reported ──▶ failed
//! ```
//!
//! A transaction is written down before it is asked for, so that its report is known whenever it comes, and a report
//! before it is answered; what follows from it is the node's next step.

use super::deliveries::{Delivery, conclude};
use super::jobs::{later, now};
use super::{Archive, ArchiveError};
use std::time::Duration;

/// A result that its destination stored, and that something is to be done about.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StoredResult {
    /// Number of its delivery.
    pub id: i64,
    /// Its job.
    pub job: i64,
    /// Its file.
    pub file: String,
    /// When its destination took the request for commitment, milliseconds since 1970.
    pub asked_at: Option<i64>,
    /// What the destination reported: 0 for committed, else Failure Reason (0008,1197).
    pub reported: Option<u16>,
    /// How often it was asked in vain, or reported a failure.
    pub refusals: i64,
}

/// What a peer reports on a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitmentOutcome {
    /// Transaction UID (0008,1195).
    pub transaction_uid: String,
    /// AE title that reports.
    pub reporting_ae: String,
    /// SOP Instance UID of each instance, with the Failure Reason (0008,1197) of one that is not committed to.
    pub instances: Vec<(String, Option<u16>)>,
}

impl Archive {
    /// A destination stored a result and is to be asked, now, whether it commits to it.
    pub async fn stored(&self, delivery: &Delivery, reason: &str) -> Result<(), ArchiveError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "UPDATE deliveries SET state = 'stored', reason = ?, attempts = attempts + 1, next_at = 0,
               asked_at = NULL, reported = NULL WHERE id = ?",
        )
        .bind(reason)
        .bind(delivery.id)
        .execute(&mut *transaction)
        .await?;
        explain(&mut transaction, delivery.job, reason).await?;
        transaction.commit().await?;
        self.changed.notify_waiters();
        Ok(())
    }

    /// Names of the peers with results to ask about, to decide on, or to give up.
    pub async fn due_confirmations(&self) -> Result<Vec<String>, ArchiveError> {
        Ok(sqlx::query_scalar(
            "SELECT DISTINCT destination FROM deliveries WHERE state = 'stored' AND next_at <= ?",
        )
        .bind(now())
        .fetch_all(&self.pool)
        .await?)
    }

    /// The results of a peer that are due so, the oldest first.
    pub async fn due_stored(
        &self,
        destination: &str,
        most: u32,
    ) -> Result<Vec<StoredResult>, ArchiveError> {
        Ok(sqlx::query_as(
            "SELECT id, job, file, asked_at, reported, refusals FROM deliveries
             WHERE state = 'stored' AND destination = ? AND next_at <= ? ORDER BY id LIMIT ?",
        )
        .bind(destination)
        .bind(now())
        .bind(most)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Writes a transaction down, durably, before the peer is asked.
    pub async fn asking(
        &self,
        transaction_uid: &str,
        asked_ae: &str,
        results: &[StoredResult],
    ) -> Result<(), ArchiveError> {
        let mut transaction = self.pool.begin().await?;
        for result in results {
            sqlx::query(
                "INSERT INTO asked_commitments (transaction_uid, asked_ae, delivery) VALUES (?, ?, ?)",
            )
            .bind(transaction_uid)
            .bind(asked_ae)
            .bind(result.id)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The peer took the request of a transaction; its report may take as long as `within`. It may have come already.
    pub async fn asked(&self, transaction_uid: &str, within: Duration) -> Result<(), ArchiveError> {
        sqlx::query(
            "UPDATE deliveries SET asked_at = ?, next_at = CASE WHEN reported IS NULL THEN ? ELSE 0 END
             WHERE state = 'stored' AND id IN (SELECT delivery FROM asked_commitments WHERE transaction_uid = ?)",
        )
        .bind(now())
        .bind(later(within))
        .bind(transaction_uid)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The peer could not be asked; it is again after `wait`, unless its report has come all the same.
    pub async fn ask_later(
        &self,
        result: &StoredResult,
        reason: &str,
        wait: Duration,
    ) -> Result<(), ArchiveError> {
        let mut transaction = self.pool.begin().await?;
        let postponed = sqlx::query(
            "UPDATE deliveries SET reason = ?, refusals = refusals + 1, next_at = ?
             WHERE id = ? AND state = 'stored' AND reported IS NULL",
        )
        .bind(reason)
        .bind(later(wait))
        .bind(result.id)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if postponed > 0 {
            explain(&mut transaction, result.job, reason).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Writes a report down, durably; `false` when its sender was never asked for that.
    ///
    /// The failure of a result counts only for the latest time that it was asked about; that it is committed to counts
    /// always, for one too that was given up.
    pub async fn commitment_reported(
        &self,
        report: &CommitmentOutcome,
    ) -> Result<bool, ArchiveError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let asked: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM asked_commitments WHERE transaction_uid = ? AND asked_ae = ?)",
        )
        .bind(&report.transaction_uid)
        .bind(&report.reporting_ae)
        .fetch_one(&mut *transaction)
        .await?;
        if !asked {
            return Ok(false);
        }
        for (sop_instance, failure) in &report.instances {
            let concerned: Vec<(i64, i64)> = sqlx::query_as(
                "SELECT deliveries.id, job FROM deliveries
                 JOIN asked_commitments AS asked ON asked.delivery = deliveries.id
                 WHERE transaction_uid = ?1 AND sop_instance_uid = ?2 AND CASE WHEN ?3
                   THEN state = 'stored' OR (state = 'failed' AND asked_at IS NOT NULL)
                   ELSE state = 'stored' AND asked.id =
                     (SELECT max(id) FROM asked_commitments WHERE delivery = deliveries.id) END",
            )
            .bind(&report.transaction_uid)
            .bind(sop_instance)
            .bind(failure.is_none())
            .fetch_all(&mut *transaction)
            .await?;
            for (delivery, job) in concerned {
                sqlx::query(
                    "UPDATE deliveries SET state = 'stored', reported = ?, next_at = 0 WHERE id = ?",
                )
                .bind(failure.unwrap_or(0))
                .bind(delivery)
                .execute(&mut *transaction)
                .await?;
                sqlx::query(
                    "UPDATE jobs SET state = 'segmented', reason = NULL WHERE id = ? AND state = 'failed'",
                )
                .bind(job)
                .execute(&mut *transaction)
                .await?;
            }
        }
        transaction.commit().await?;
        self.changed.notify_waiters();
        Ok(true)
    }

    /// The destination does not keep what it stored: it is sent again after `wait`.
    pub async fn send_again(
        &self,
        result: &StoredResult,
        reason: &str,
        wait: Duration,
    ) -> Result<(), ArchiveError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "UPDATE deliveries SET state = 'waiting', reason = ?, refusals = refusals + 1, next_at = ?,
               asked_at = NULL, reported = NULL WHERE id = ? AND state = 'stored' AND reported IS ?",
        )
        .bind(reason)
        .bind(later(wait))
        .bind(result.id)
        .bind(result.reported)
        .execute(&mut *transaction)
        .await?;
        explain(&mut transaction, result.job, reason).await?;
        transaction.commit().await?;
        self.changed.notify_waiters();
        Ok(())
    }

    /// The result is where it goes: its destination has committed to it, or is not asked to any more.
    pub async fn settled(
        &self,
        result: &StoredResult,
        is_committed: bool,
    ) -> Result<(), ArchiveError> {
        let committed_at = is_committed.then(now);
        self.end_confirmation(result, "delivered", None, committed_at)
            .await
    }

    /// The destination does not commit to a result; the job fails, and the result stays. A report that comes later all
    /// the same still counts.
    pub async fn not_committed(
        &self,
        result: &StoredResult,
        reason: &str,
    ) -> Result<(), ArchiveError> {
        self.end_confirmation(result, "failed", Some(reason), None)
            .await
    }

    async fn end_confirmation(
        &self,
        result: &StoredResult,
        state: &str,
        reason: Option<&str>,
        committed_at: Option<i64>,
    ) -> Result<(), ArchiveError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "UPDATE deliveries SET state = ?, reason = ?, committed_at = ?, delivered_at = ?
             WHERE id = ? AND state = 'stored' AND reported IS ?",
        )
        .bind(state)
        .bind(reason)
        .bind(committed_at)
        .bind(now())
        .bind(result.id)
        // A report that came meanwhile is looked at first.
        .bind(result.reported)
        .execute(&mut *transaction)
        .await?;
        conclude(&mut transaction, result.job).await?;
        transaction.commit().await?;
        self.changed.notify_waiters();
        Ok(())
    }
}

/// What a job waits for.
async fn explain(
    transaction: &mut sqlx::Transaction<'_, sqlx::Sqlite>,
    job: i64,
    reason: &str,
) -> Result<(), ArchiveError> {
    sqlx::query("UPDATE jobs SET reason = ?, updated_at = ? WHERE id = ? AND state = 'segmented'")
        .bind(reason)
        .bind(now())
        .bind(job)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
