//! What people are to be told, and who has been told how much of it.
//!
//! A notice is written by the very transaction that it is about (triggers of the index, `schema.rs`), so that nothing
//! happens untold, whoever did it. For each target there is the number of the last notice it has been told.

use super::jobs::{later, now};
use super::{Archive, ArchiveError};
use std::time::Duration;

/// Notices that one message is made of at most.
const MOST: i64 = 500;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Notice {
    /// Its number; later ones have higher numbers.
    pub id: i64,
    /// `failed`, `undelivered`, `held`, `proposed` or `not-ready`.
    pub event: String,
    /// The job it is about.
    pub job: Option<i64>,
    /// The proposal it is about.
    pub proposal: Option<i64>,
    /// The rule it is about, where it is one.
    pub rule: Option<String>,
    /// The peer it is about.
    pub destination: Option<String>,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// When, milliseconds since 1970.
    pub at: i64,
    /// State of the job as it is now.
    pub state: Option<String>,
    /// What routing decided for the job, as the node wrote it.
    pub plan: Option<String>,
}

/// How far a target has been told.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Standing {
    /// Number of the last notice it has been told.
    pub up_to: i64,
    /// When, milliseconds since 1970; 0 before the first.
    pub last_at: i64,
    /// Attempts that came to nothing since.
    pub attempts: i64,
    /// Not to be tried before, milliseconds since 1970.
    pub next_at: i64,
}

impl Archive {
    /// These are told from now on, and nobody else. What happened before is not told to a new one.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub async fn keep_targets(&self, names: &[&str]) -> Result<(), ArchiveError> {
        let known: Vec<String> = sqlx::query_scalar("SELECT target FROM told")
            .fetch_all(&self.pool)
            .await?;
        for gone in known
            .iter()
            .filter(|known| !names.contains(&known.as_str()))
        {
            sqlx::query("DELETE FROM told WHERE target = ?")
                .bind(gone)
                .execute(&self.pool)
                .await?;
        }
        for new in names
            .iter()
            .filter(|name| !known.iter().any(|known| known == **name))
        {
            sqlx::query(
                "INSERT OR IGNORE INTO told (target, up_to) SELECT ?, coalesce(max(id), 0) FROM notices",
            )
            .bind(new)
            .execute(&self.pool)
            .await?;
        }
        Ok(())
    }

    /// How far a target has been told, and what it has not been told, the oldest first.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn untold(
        &self,
        target: &str,
    ) -> Result<Option<(Standing, Vec<Notice>)>, ArchiveError> {
        let standing: Option<Standing> =
            sqlx::query_as("SELECT up_to, last_at, attempts, next_at FROM told WHERE target = ?")
                .bind(target)
                .fetch_optional(&self.pool)
                .await?;
        let Some(standing) = standing else {
            return Ok(None);
        };
        let notices = sqlx::query_as(
            "SELECT notices.id, event, job, proposal, rule, destination, notices.reason, at, jobs.state, jobs.plan
             FROM notices LEFT JOIN jobs ON jobs.id = notices.job
             WHERE notices.id > ? ORDER BY notices.id LIMIT ?",
        )
        .bind(standing.up_to)
        .bind(MOST)
        .fetch_all(&self.pool)
        .await?;
        Ok(Some((standing, notices)))
    }

    /// A target has been told everything up to a notice; or, where `is_message` is not, none of it was for it.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub async fn told(
        &self,
        target: &str,
        up_to: i64,
        is_message: bool,
    ) -> Result<(), ArchiveError> {
        sqlx::query(
            "UPDATE told SET up_to = ?1, last_at = iif(?2, ?3, last_at), attempts = 0, next_at = 0 WHERE target = ?4",
        )
        .bind(up_to)
        .bind(is_message)
        .bind(now())
        .bind(target)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A target could not be told; it is tried again after `wait`.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub async fn tell_later(&self, target: &str, wait: Duration) -> Result<(), ArchiveError> {
        sqlx::query("UPDATE told SET attempts = attempts + 1, next_at = ? WHERE target = ?")
            .bind(later(wait))
            .bind(target)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Notes that the node takes no instances, and why, or that it takes them again.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub async fn note_readiness(&self, reason: &str) -> Result<(), ArchiveError> {
        sqlx::query("INSERT INTO notices (event, reason, at) VALUES ('not-ready', ?, ?)")
            .bind(reason)
            .bind(now())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Forgets what everyone has been told, and what is older than `longest` whether told or not.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub async fn forget_told(&self, longest: Duration) -> Result<(), ArchiveError> {
        let longest = i64::try_from(longest.as_millis()).unwrap_or(i64::MAX);
        sqlx::query(
            "DELETE FROM notices WHERE at < ? OR id <= (SELECT min(up_to) FROM told) OR NOT EXISTS (SELECT 1 FROM told)",
        )
        .bind(now().saturating_sub(longest))
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
