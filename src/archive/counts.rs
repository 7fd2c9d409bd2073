//! How much the archive has to do, in numbers: for the status page and the metrics.

use super::{Archive, ArchiveError};

/// What is there and what waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Jobs of each state that has any, by the state's word ([`JobState::as_str`](super::JobState::as_str)).
    pub jobs: Vec<(String, i64)>,
    /// Results that are due or will be tried again.
    pub deliveries_waiting: i64,
    /// Results that their destination stored and has not committed to yet.
    pub deliveries_stored: i64,
    /// Results held for review.
    pub deliveries_held: i64,
}

impl Archive {
    /// Counts jobs and deliveries, by their indexes.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn counts(&self) -> Result<Counts, ArchiveError> {
        let jobs = sqlx::query_as("SELECT state, count(*) FROM jobs GROUP BY state ORDER BY state")
            .fetch_all(&self.pool)
            .await?;
        let (deliveries_waiting, deliveries_stored, deliveries_held) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM deliveries WHERE state = 'waiting'),
                    (SELECT count(*) FROM deliveries WHERE state = 'stored'),
                    (SELECT count(*) FROM deliveries WHERE state = 'held')",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Counts {
            jobs,
            deliveries_waiting,
            deliveries_stored,
            deliveries_held,
        })
    }
}
