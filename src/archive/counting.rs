//! Series that are complete because all their instances are there.

use super::jobs::now;
use super::{Archive, ArchiveError};
use std::time::Duration;

/// A series that is arriving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivingSeries {
    /// Its job.
    pub job: i64,
    /// Study Instance UID.
    pub study_uid: String,
    /// Series Instance UID.
    pub series_uid: String,
    /// AE title that sends it.
    pub calling_ae: String,
    /// Instances that are there.
    pub instances: u64,
    /// How long nothing of it has come.
    pub quiet: Duration,
    /// Whether an association that brings it is open.
    pub is_open: bool,
}

impl Archive {
    /// The series that are arriving.
    pub async fn arriving(&self) -> Result<Vec<ArrivingSeries>, ArchiveError> {
        // What is acknowledged and has no row yet belongs to its series too.
        self.flush().await?;
        let rows: Vec<(i64, String, String, String, String, i64)> = sqlx::query_as(
            "SELECT jobs.id, study_uid, series_uid, calling_ae, called_ae,
                    (SELECT COUNT(*) FROM instances WHERE instances.series = series.id)
             FROM jobs JOIN series ON series.id = jobs.series WHERE state = 'received'",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(
                |(job, study_uid, series_uid, calling_ae, called_ae, count)| {
                    let key = (series_uid.clone(), calling_ae.clone(), called_ae);
                    let (quiet, is_open) = self.arrivals.quiet(&key);
                    ArrivingSeries {
                        job,
                        study_uid,
                        series_uid,
                        calling_ae,
                        instances: count.unsigned_abs(),
                        quiet,
                        is_open,
                    }
                },
            )
            .collect())
    }

    /// Waits until an association that brought something has ended.
    pub async fn association_ended(&self) {
        self.arrivals.ended().await;
    }

    /// received → complete, without waiting any longer: all instances are there. Whether it was still arriving.
    pub async fn is_all_there(&self, series: &ArrivingSeries) -> Result<bool, ArchiveError> {
        let moved = sqlx::query(
            "UPDATE jobs SET state = 'complete', updated_at = ? WHERE id = ? AND state = 'received'",
        )
        .bind(now())
        .bind(series.job)
        .execute(&self.pool)
        .await?;
        self.changed.notify_waiters();
        Ok(moved.rows_affected() > 0)
    }
}
