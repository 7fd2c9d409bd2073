//! Results held for review: kept, not sent, until a person releases or discards them.

use super::deliveries::conclude;
use super::jobs::now;
use super::{Archive, ArchiveError};

impl Archive {
    /// Sends what a job holds: its held results (of one rule, where one is named) are due at once. How many.
    ///
    /// A node that runs finds them by itself, this process or another.
    pub async fn release(&self, job: i64, rule: Option<&str>) -> Result<u64, ArchiveError> {
        let mut transaction = self.pool.begin().await?;
        let released = sqlx::query(
            "UPDATE deliveries SET state = CASE WHEN destination = '' THEN 'kept' ELSE 'waiting' END,
                reason = NULL, next_at = 0
             WHERE job = ?1 AND state = 'held' AND (?2 IS NULL OR rule = ?2)",
        )
        .bind(job)
        .bind(rule)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if released > 0 {
            // What is still held of it, by another rule, is its reason again when these are delivered.
            sqlx::query(
                "UPDATE jobs SET state = 'segmented', reason = NULL, updated_at = ?
                 WHERE id = ? AND state = 'held'",
            )
            .bind(now())
            .bind(job)
            .execute(&mut *transaction)
            .await?;
            // What is kept here has got where it goes.
            conclude(&mut transaction, job).await?;
        }
        transaction.commit().await?;
        self.changed.notify_waiters();
        Ok(released)
    }

    /// Gives up what a job holds (of one rule, where one is named): it is never sent, and the reason is kept. How
    /// many results. Their files stay.
    pub async fn discard(
        &self,
        job: i64,
        rule: Option<&str>,
        reason: &str,
    ) -> Result<u64, ArchiveError> {
        let mut transaction = self.pool.begin().await?;
        let discarded = sqlx::query(
            "UPDATE deliveries SET state = 'discarded', reason = ?3, delivered_at = ?4
             WHERE job = ?1 AND state = 'held' AND (?2 IS NULL OR rule = ?2)",
        )
        .bind(job)
        .bind(rule)
        .bind(format!("discarded: {reason}"))
        .bind(now())
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        conclude(&mut transaction, job).await?;
        transaction.commit().await?;
        self.changed.notify_waiters();
        Ok(discarded)
    }
}
