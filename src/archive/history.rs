//! Series by when they came, with what became of each; and a series done again by another plan.

use super::jobs::now;
use super::{Archive, ArchiveError, Job, JobState, Refused};

/// A series that came, and its latest job.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Arrived {
    /// The job.
    #[sqlx(flatten)]
    pub job: Job,
    /// Its state, see [`JobState::as_str`].
    pub state: String,
    /// Why it failed, was skipped, or waits.
    pub reason: Option<String>,
    /// Modality of the series.
    pub modality: String,
    /// Instances held of it.
    pub instances: i64,
    /// When the last of them came, milliseconds since 1970.
    pub arrived_at: i64,
}

impl Archive {
    /// Series whose last instance came from `since` on and before `until` (milliseconds since 1970), the oldest first.
    /// Those that the rules were not asked about yet are left out.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn arrived(&self, since: i64, until: i64) -> Result<Vec<Arrived>, ArchiveError> {
        Ok(sqlx::query_as(
            "SELECT jobs.id, series, calling_ae, called_ae, plan, attempts, state, reason, modality,
               last_at AS arrived_at,
               (SELECT count(*) FROM instances WHERE instances.series = jobs.series) AS instances
             FROM jobs JOIN series ON series.id = jobs.series
             WHERE last_at >= ? AND last_at < ? AND state NOT IN ('received', 'complete')
               AND jobs.id = (SELECT max(id) FROM jobs AS other WHERE other.series = jobs.series)
             ORDER BY last_at, jobs.id",
        )
        .bind(since)
        .bind(until)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Has the series of a job done by `plan`, as a new job; gives its number. The earlier job stays as it is: what it
    /// sent is sent, and what it has not sent yet gives way to the new results once they are there.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub async fn do_by(
        &self,
        job: i64,
        plan: &str,
        priority: i32,
    ) -> Result<Result<i64, Refused>, ArchiveError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let found: Option<(i64, String, i64)> = sqlx::query_as(
            "SELECT series, state, (SELECT max(id) FROM jobs AS other WHERE other.series = jobs.series)
             FROM jobs WHERE id = ?",
        )
        .bind(job)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some((series, state, latest)) = found else {
            return Ok(Err(Refused::NoSuchJob));
        };
        if latest != job {
            return Ok(Err(Refused::NotTheLatest(latest)));
        }
        let under_way = [JobState::Received, JobState::Complete, JobState::Routed];
        if under_way.iter().any(|one| one.as_str() == state) {
            return Ok(Err(Refused::State(state)));
        }
        let new = sqlx::query(
            "INSERT INTO jobs (series, state, plan, priority, created_at, updated_at) VALUES (?, 'routed', ?, ?, ?, ?)",
        )
        .bind(series)
        .bind(plan)
        .bind(priority)
        .bind(now())
        .bind(now())
        .execute(&mut *transaction)
        .await?
        .last_insert_rowid();
        transaction.commit().await?;
        self.changed.notify_waiters();
        Ok(Ok(new))
    }
}
