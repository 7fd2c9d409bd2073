//! Results on their way to their destinations: a row for each result and destination, until it is acknowledged (and,
//! where the destination is asked to, committed to: [`super::confirmations`]), refused for good, or discarded by a
//! person.

use super::jobs::{later, now};
use super::{Archive, ArchiveError};
use sqlx::{Sqlite, Transaction};
use std::time::Duration;

/// A delivery that is due.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Delivery {
    /// Number of the delivery.
    pub id: i64,
    /// Its job.
    pub job: i64,
    /// Name of the peer.
    pub destination: String,
    /// The file to send.
    pub file: String,
    /// Attempts before this one.
    pub attempts: i64,
}

impl Archive {
    /// Names of the peers that a delivery is due to.
    pub async fn due_destinations(&self) -> Result<Vec<String>, ArchiveError> {
        Ok(sqlx::query_scalar(
            "SELECT DISTINCT destination FROM deliveries WHERE state = 'waiting' AND next_at <= ?",
        )
        .bind(now())
        .fetch_all(&self.pool)
        .await?)
    }

    /// The delivery to a peer that has been due longest.
    pub async fn due_delivery(&self, destination: &str) -> Result<Option<Delivery>, ArchiveError> {
        Ok(sqlx::query_as(
            "SELECT id, job, destination, file, attempts FROM deliveries
             WHERE state = 'waiting' AND destination = ? AND next_at <= ? ORDER BY id LIMIT 1",
        )
        .bind(destination)
        .bind(now())
        .fetch_optional(&self.pool)
        .await?)
    }

    /// A destination acknowledged; the job is delivered when all have.
    pub async fn delivered(&self, delivery: &Delivery) -> Result<(), ArchiveError> {
        self.settle(delivery, "delivered", None).await
    }

    /// A destination refused for good; the job fails, other destinations still get theirs.
    pub async fn undeliverable(
        &self,
        delivery: &Delivery,
        reason: &str,
    ) -> Result<(), ArchiveError> {
        self.settle(delivery, "failed", Some(reason)).await
    }

    async fn settle(
        &self,
        delivery: &Delivery,
        state: &str,
        reason: Option<&str>,
    ) -> Result<(), ArchiveError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "UPDATE deliveries SET state = ?, reason = ?, attempts = attempts + 1, delivered_at = ? WHERE id = ?",
        )
        .bind(state)
        .bind(reason)
        .bind(now())
        .bind(delivery.id)
        .execute(&mut *transaction)
        .await?;
        conclude(&mut transaction, delivery.job).await?;
        transaction.commit().await?;
        self.changed.notify_waiters();
        Ok(())
    }

    /// A destination cannot take it now; due again after `wait`.
    pub async fn deliver_later(
        &self,
        delivery: &Delivery,
        reason: &str,
        wait: Duration,
    ) -> Result<(), ArchiveError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "UPDATE deliveries SET reason = ?, attempts = attempts + 1, next_at = ? WHERE id = ?",
        )
        .bind(reason)
        .bind(later(wait))
        .bind(delivery.id)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("UPDATE jobs SET reason = ?, updated_at = ? WHERE id = ?")
            .bind(reason)
            .bind(now())
            .bind(delivery.job)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// Ends a job whose results have all got where they go, or puts it on hold while a person has to decide on one.
pub(super) async fn conclude(
    transaction: &mut Transaction<'_, Sqlite>,
    job: i64,
) -> Result<(), ArchiveError> {
    sqlx::query(
        "UPDATE jobs SET updated_at = ?1,
           state = CASE
             WHEN EXISTS (SELECT 1 FROM deliveries WHERE job = ?2 AND state = 'held') THEN 'held'
             WHEN EXISTS (SELECT 1 FROM deliveries WHERE job = ?2 AND state = 'failed') THEN 'failed'
             WHEN EXISTS (SELECT 1 FROM deliveries WHERE job = ?2 AND state IN ('delivered', 'kept')) THEN 'delivered'
             ELSE 'discarded' END,
           reason = coalesce(
             (SELECT group_concat(reason, '; ') FROM
               (SELECT DISTINCT reason FROM deliveries WHERE job = ?2 AND state = 'held')),
             (SELECT reason FROM deliveries WHERE job = ?2 AND state = 'failed' LIMIT 1),
             (SELECT reason FROM deliveries WHERE job = ?2 AND state = 'discarded' LIMIT 1))
         WHERE id = ?2 AND state IN ('segmented', 'held')
           AND NOT EXISTS (SELECT 1 FROM deliveries WHERE job = ?2 AND state IN ('waiting', 'stored'))",
    )
    .bind(now())
    .bind(job)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
