//! Tries of a job's step: counted before they are made, so that a series which takes the node down is known at the next
//! start.

use super::jobs::{later, now};
use super::{Archive, ArchiveError};
use std::time::Duration;

impl Archive {
    /// Counts a step of a job before it is tried, so that the count survives whatever the step does to the process;
    /// what was noted of an earlier try is forgotten.
    pub async fn trying(&self, job: i64) -> Result<(), ArchiveError> {
        sqlx::query("UPDATE jobs SET attempts = attempts + 1, reason = NULL WHERE id = ?")
            .bind(job)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Notes what is known of a job while it is worked on, should the process not survive it.
    pub async fn working(&self, job: i64, known: &str) -> Result<(), ArchiveError> {
        sqlx::query("UPDATE jobs SET reason = ? WHERE id = ? AND state = 'routed'")
            .bind(known)
            .bind(job)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Leaves a job in its state and tries it again after `wait`; this try counts.
    pub async fn try_again(
        &self,
        job: i64,
        reason: &str,
        wait: Duration,
    ) -> Result<(), ArchiveError> {
        sqlx::query(
            "UPDATE jobs SET reason = ?, next_at = ?, updated_at = ? WHERE id = ? AND state = 'routed'",
        )
        .bind(reason)
        .bind(later(wait))
        .bind(now())
        .bind(job)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Leaves a job in its state and tries it again after `wait`; the job is not at fault, so this try does not count.
    pub async fn try_later(
        &self,
        job: i64,
        reason: &str,
        wait: Duration,
    ) -> Result<(), ArchiveError> {
        sqlx::query(
            "UPDATE jobs SET attempts = max(attempts - 1, 0), reason = ?, next_at = ?, updated_at = ?
             WHERE id = ? AND state IN ('complete', 'routed')",
        )
        .bind(reason)
        .bind(later(wait))
        .bind(now())
        .bind(job)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
