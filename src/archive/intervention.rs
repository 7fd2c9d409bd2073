//! What a person does about a job: look at it, have it done again, call it off.

use super::deliveries::conclude;
use super::jobs::now;
use super::{Archive, ArchiveError, Found};

/// A result of a job and one place it goes to.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow, serde::Serialize)]
pub struct DeliveryRecord {
    /// The rule it follows from.
    pub rule: String,
    /// Name of the peer; empty where the rule made no result.
    pub destination: String,
    /// `waiting`, `stored` (not committed to yet), `held`, `delivered`, `kept` (here, to be fetched), `failed` or `discarded`.
    pub state: String,
    /// Why, where there is something to say.
    pub reason: Option<String>,
    /// Attempts so far.
    pub attempts: i64,
    /// When its destination committed to keeping it, milliseconds since 1970; none where it was not asked, or has not.
    pub committed_at: Option<i64>,
    /// The result's file.
    pub file: String,
    /// What was found in it, as JSON; none where it is no result of segments.
    #[serde(skip)]
    found: Option<String>,
}

impl DeliveryRecord {
    /// What became of it, for people: its state, and whether its destination has committed to keeping it.
    pub fn outcome(&self) -> String {
        match self.committed_at {
            Some(_) => format!("{}, committed", self.state),
            None => self.state.clone(),
        }
    }

    /// What was found in the result; none where it is no result of segments, or of an irisnode that did not keep it.
    pub fn found(&self) -> Option<Vec<Found>> {
        serde_json::from_str(self.found.as_deref()?).ok()
    }
}

/// Those of some deliveries whose results have segments, each result once however many destinations it has, with what
/// was found.
pub fn with_segments(deliveries: &[DeliveryRecord]) -> Vec<(&DeliveryRecord, Vec<Found>)> {
    let mut results: Vec<(&DeliveryRecord, Vec<Found>)> = Vec::new();
    for delivery in deliveries {
        if let Some(found) = delivery.found()
            && !results.iter().any(|(known, _)| known.file == delivery.file)
        {
            results.push((delivery, found));
        }
    }
    results
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There is no job of this number.
    NoSuchJob,
    /// Its state does not allow it.
    State(String),
    /// A later job does the series.
    NotTheLatest(i64),
}

impl Archive {
    /// What became of each result of a job.
    pub async fn deliveries(&self, job: i64) -> Result<Vec<DeliveryRecord>, ArchiveError> {
        Ok(sqlx::query_as(
            "SELECT rule, destination, state, reason, attempts, committed_at, file, found FROM deliveries WHERE job = ? ORDER BY id",
        )
        .bind(job)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Has a job that failed, was skipped or was discarded done again: results that could not be delivered are due
    /// at once; where there are none, the series is matched with the rules and segmented anew.
    pub async fn retry(&self, job: i64) -> Result<Result<(), Refused>, ArchiveError> {
        let mut transaction = self.pool.begin().await?;
        let found: Option<(String, i64)> = sqlx::query_as(
            "SELECT state, (SELECT max(id) FROM jobs AS other WHERE other.series = jobs.series) FROM jobs WHERE id = ?",
        )
        .bind(job)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some((state, latest)) = found else {
            return Ok(Err(Refused::NoSuchJob));
        };
        if latest != job {
            return Ok(Err(Refused::NotTheLatest(latest)));
        }
        if !["failed", "skipped", "discarded"].contains(&state.as_str()) {
            return Ok(Err(Refused::State(state)));
        }
        let again = sqlx::query(
            "UPDATE deliveries SET state = CASE WHEN destination = '' THEN 'kept' ELSE 'waiting' END, reason = NULL, attempts = 0, next_at = 0, delivered_at = NULL,
               asked_at = NULL, reported = NULL, refusals = 0
             WHERE job = ? AND state IN ('failed', 'discarded') AND file <> ''",
        )
        .bind(job)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if again == 0 {
            sqlx::query("DELETE FROM deliveries WHERE job = ? AND state = 'failed'")
                .bind(job)
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query(
            "UPDATE jobs SET state = ?1, plan = iif(?1 = 'complete', NULL, plan), reason = NULL, attempts = 0, next_at = 0,
               updated_at = ?2 WHERE id = ?3",
        )
        .bind(if again > 0 { "segmented" } else { "complete" })
        .bind(now())
        .bind(job)
        .execute(&mut *transaction)
        .await?;
        conclude(&mut transaction, job).await?;
        transaction.commit().await?;
        self.changed.notify_waiters();
        Ok(Ok(()))
    }

    /// Calls off a job that has not ended: what is not sent yet is never sent, and the reason is kept. The series
    /// stays; more of it makes a new job.
    pub async fn cancel(
        &self,
        job: i64,
        reason: &str,
    ) -> Result<Result<(), Refused>, ArchiveError> {
        let mut transaction = self.pool.begin().await?;
        let state: Option<String> = sqlx::query_scalar("SELECT state FROM jobs WHERE id = ?")
            .bind(job)
            .fetch_optional(&mut *transaction)
            .await?;
        let reason = format!("cancelled: {reason}");
        match state.as_deref() {
            None => return Ok(Err(Refused::NoSuchJob)),
            Some("received" | "complete" | "routed") => {
                sqlx::query(
                    "UPDATE jobs SET state = 'discarded', reason = ?, updated_at = ? WHERE id = ?",
                )
                .bind(reason)
                .bind(now())
                .bind(job)
                .execute(&mut *transaction)
                .await?;
            }
            Some("segmented" | "held") => {
                sqlx::query(
                    "UPDATE deliveries SET state = 'discarded', reason = ?, delivered_at = ?
                     WHERE job = ? AND state IN ('waiting', 'held')",
                )
                .bind(&reason)
                .bind(now())
                .bind(job)
                .execute(&mut *transaction)
                .await?;
                // What is there is there, whether its destination commits to it or not.
                sqlx::query(
                    "UPDATE deliveries SET state = 'delivered', reason = ?, delivered_at = ?
                     WHERE job = ? AND state = 'stored'",
                )
                .bind(&reason)
                .bind(now())
                .bind(job)
                .execute(&mut *transaction)
                .await?;
                conclude(&mut transaction, job).await?;
            }
            Some(ended) => return Ok(Err(Refused::State(ended.to_owned()))),
        }
        transaction.commit().await?;
        self.changed.notify_waiters();
        Ok(Ok(()))
    }
}
