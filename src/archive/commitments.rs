//! Storage commitment: who asked for what, until the report has reached them.

use super::jobs::later;
use super::{Archive, ArchiveError};
use std::time::Duration;

/// A request for storage commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitmentRequest {
    /// Transaction UID (0008,1195).
    pub transaction_uid: String,
    /// AE title that asked, and that the report goes to.
    pub calling_ae: String,
    /// SOP Class UID and SOP Instance UID of each instance.
    pub instances: Vec<(String, String)>,
}

/// A request whose report is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitment {
    /// Number of the request.
    pub id: i64,
    /// What was asked.
    pub request: CommitmentRequest,
    /// Reports that did not get through before this one.
    pub attempts: i64,
}

/// What is held of an instance that somebody asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Its bytes and its row are durable.
    Safe,
    /// It is not here.
    Absent,
    /// It is here, and of another SOP class.
    OtherClass,
}

impl Archive {
    /// Writes a request down, durably; the same transaction again changes nothing.
    pub async fn request_commitment(
        &self,
        request: &CommitmentRequest,
    ) -> Result<(), ArchiveError> {
        let instances = serde_json::to_string(&request.instances).unwrap_or_default();
        sqlx::query(
            "INSERT OR IGNORE INTO commitments (transaction_uid, calling_ae, instances) VALUES (?, ?, ?)",
        )
        .bind(&request.transaction_uid)
        .bind(&request.calling_ae)
        .bind(instances)
        .execute(&self.pool)
        .await?;
        self.changed.notify_waiters();
        Ok(())
    }

    /// The request that has been due longest.
    pub async fn due_commitment(&self) -> Result<Option<Commitment>, ArchiveError> {
        let due: Option<(i64, String, String, String, i64)> = sqlx::query_as(
            "SELECT id, transaction_uid, calling_ae, instances, attempts FROM commitments
             WHERE next_at <= ? ORDER BY next_at, id LIMIT 1",
        )
        .bind(super::jobs::now())
        .fetch_optional(&self.pool)
        .await?;
        Ok(due.map(
            |(id, transaction_uid, calling_ae, instances, attempts)| Commitment {
                id,
                request: CommitmentRequest {
                    transaction_uid,
                    calling_ae,
                    instances: serde_json::from_str(&instances).unwrap_or_default(),
                },
                attempts,
            },
        ))
    }

    /// What is held of each instance, in order; looks for the files themselves.
    pub async fn held(&self, instances: &[(String, String)]) -> Result<Vec<Held>, ArchiveError> {
        self.flush().await?;
        let mut held = Vec::with_capacity(instances.len());
        for (class, instance) in instances {
            let rows: Vec<(String, String)> = sqlx::query_as(
                "SELECT sop_class_uid, file FROM instances WHERE sop_instance_uid = ?",
            )
            .bind(instance)
            .fetch_all(&self.pool)
            .await?;
            let is_there = |file: &str| self.files.instance(file).is_file();
            let of_class = |(of, file): &(String, String)| of == class && is_there(file);
            held.push(if rows.iter().any(of_class) {
                Held::Safe
            } else if rows.iter().any(|(_, file)| is_there(file)) {
                Held::OtherClass
            } else {
                Held::Absent
            });
        }
        Ok(held)
    }

    /// The report got through, or nobody waits for it any more.
    pub async fn commitment_ended(&self, id: i64) -> Result<(), ArchiveError> {
        sqlx::query("DELETE FROM commitments WHERE id = ?")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The report did not get through; due again after `wait`.
    pub async fn report_later(&self, id: i64, wait: Duration) -> Result<(), ArchiveError> {
        sqlx::query("UPDATE commitments SET attempts = attempts + 1, next_at = ? WHERE id = ?")
            .bind(later(wait))
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
