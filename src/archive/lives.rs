//! When a job and its series began, moved and came to rest.

use super::{Archive, ArchiveError};

/// The times of a job, milliseconds since 1970, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct JobTimes {
    /// Its number.
    pub id: i64,
    /// It was opened: with the first instance that it is about.
    pub created_at: i64,
    /// The last instance of its series came.
    pub last_at: i64,
    /// It last moved.
    pub updated_at: i64,
    /// State, see [`JobState::as_str`](super::JobState::as_str).
    pub state: String,
    /// Why it failed, was skipped, or waits.
    pub reason: Option<String>,
    /// Modality of the series.
    pub modality: String,
    /// AE title that sent it.
    pub calling_ae: String,
    /// Instances held of it.
    pub instances: i64,
}

impl Archive {
    /// The times of a job; nothing when there is no such job.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn job_times(&self, job: i64) -> Result<Option<JobTimes>, ArchiveError> {
        Ok(sqlx::query_as(
            "SELECT jobs.id, created_at, last_at, updated_at, state, reason, modality, calling_ae,
               (SELECT count(*) FROM instances WHERE instances.series = jobs.series) AS instances
             FROM jobs JOIN series ON series.id = jobs.series WHERE jobs.id = ?",
        )
        .bind(job)
        .fetch_optional(&self.pool)
        .await?)
    }
}
