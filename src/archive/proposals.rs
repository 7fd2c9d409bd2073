//! What was sent to teach: labels, what they propose, and what a person decided.
//!
//! ```text
//! received → (fetching →) proposed → approved | rejected
//!        ↘ failed
//! ```
//!
//! A row begins as the labels of one instance; once they are understood there is a row for each task that they would
//! make or add to. Each step is one transaction, so a restart goes on from the last one done.

use super::jobs::{later, now};
use super::{Archive, ArchiveError};
use std::path::PathBuf;
use std::time::Duration;

/// Rows as they are given out.
const COLUMNS: &str = "SELECT proposals.id, proposals.series, sop_instance_uid, segments, state, reason, task, finding,
      images_uid, has_fetched, attempts, calling_ae, created_at, updated_at
    FROM proposals JOIN series ON series.id = proposals.series";

/// Labels that were sent to teach, or what a part of them proposes.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Proposal {
    /// Its number.
    pub id: i64,
    /// Number of the series that the labels are.
    pub series: i64,
    /// SOP Instance UID of the labels.
    pub sop_instance_uid: String,
    /// Which of the labels' segments it is about, as JSON; all, where they were not understood yet.
    pub segments: Option<String>,
    /// `received`, `fetching`, `proposed`, `approved`, `rejected` or `failed`.
    pub state: String,
    /// Why it failed or waits, or what a person said.
    pub reason: Option<String>,
    /// Name of the task it would make or add to.
    pub task: Option<String>,
    /// What was found of it, as whoever looked wrote it.
    pub finding: Option<String>,
    /// Series Instance UID of the images, once known.
    pub images_uid: Option<String>,
    /// A peer said that it had sent the images.
    pub has_fetched: bool,
    /// Steps tried before this one.
    pub attempts: i64,
    /// AE title that sent the labels.
    pub calling_ae: String,
    /// When they came, milliseconds since 1970.
    pub created_at: i64,
    /// When it last moved, milliseconds since 1970.
    pub updated_at: i64,
}

impl Proposal {
    /// Whether a person said yes or no to it.
    pub fn is_decided(&self) -> bool {
        matches!(self.state.as_str(), "approved" | "rejected")
    }
}

/// A part of labels that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedPart {
    /// Which segments, as JSON.
    pub segments: String,
    /// Name of the task it would make or add to.
    pub task: String,
    /// What was found of it.
    pub finding: String,
    /// Why there is nothing to decide, where that is so: the task has it already.
    pub settled: Option<String>,
}

/// A series of images as one sender sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldSeries {
    /// Its number.
    pub id: i64,
    /// More of it may come.
    pub is_arriving: bool,
    /// SOP Instance UIDs of what is held of it.
    pub instance_uids: Vec<String>,
}

/// Why a person's decision was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undecidable {
    /// There is no proposal of this number.
    NoSuchProposal,
    /// Its state does not allow it.
    State(String),
}

impl Archive {
    /// Ends the job of a series that was sent to teach, with `reason`; for each of these labels of it (SOP Instance UIDs)
    /// there is a proposal afterwards. Labels sent again are looked at anew, unless a person has decided on them.
    pub async fn taught(
        &self,
        job: i64,
        series: i64,
        labels: &[String],
        reason: &str,
    ) -> Result<(), ArchiveError> {
        let mut transaction = self.pool.begin().await?;
        for instance in labels {
            let decided: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM proposals WHERE series = ? AND sop_instance_uid = ?
                   AND state IN ('approved', 'rejected'))",
            )
            .bind(series)
            .bind(instance)
            .fetch_one(&mut *transaction)
            .await?;
            if decided {
                continue;
            }
            sqlx::query("DELETE FROM proposals WHERE series = ? AND sop_instance_uid = ?")
                .bind(series)
                .bind(instance)
                .execute(&mut *transaction)
                .await?;
            sqlx::query(
                "INSERT INTO proposals (series, sop_instance_uid, state, created_at, updated_at)
                 VALUES (?, ?, 'received', ?, ?)",
            )
            .bind(series)
            .bind(instance)
            .bind(now())
            .bind(now())
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query(
            "UPDATE jobs SET state = 'skipped', reason = ?, updated_at = ? WHERE id = ? AND state = 'complete'",
        )
        .bind(reason)
        .bind(now())
        .bind(job)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.changed.notify_waiters();
        Ok(())
    }

    /// Images came: what waits for them, or failed for want of them, is looked at again.
    pub async fn images_came(&self, series: i64) -> Result<(), ArchiveError> {
        let looked_again = sqlx::query(
            "UPDATE proposals SET state = 'received', attempts = 0, next_at = 0, updated_at = ?
             WHERE state IN ('received', 'fetching', 'failed')
               AND images_uid = (SELECT series_uid FROM series WHERE id = ?)",
        )
        .bind(now())
        .bind(series)
        .execute(&self.pool)
        .await?;
        // Every series of images comes by here; hardly any was waited for.
        if looked_again.rows_affected() > 0 {
            self.changed.notify_waiters();
        }
        Ok(())
    }

    /// Labels that are to be looked at, the oldest first.
    pub async fn due_proposal(&self) -> Result<Option<Proposal>, ArchiveError> {
        let query = format!(
            "{COLUMNS} WHERE state IN ('received', 'fetching') AND next_at <= ? ORDER BY proposals.id LIMIT 1"
        );
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(now())
            .fetch_optional(&self.pool)
            .await?)
    }

    /// Counts a look before it is tried, so that the count survives whatever it does to the process.
    pub async fn trying_proposal(&self, id: i64) -> Result<(), ArchiveError> {
        sqlx::query("UPDATE proposals SET attempts = attempts + 1 WHERE id = ?")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Notes which series of images the labels were drawn on.
    pub async fn drawn_on(&self, id: i64, images_uid: &str) -> Result<(), ArchiveError> {
        sqlx::query("UPDATE proposals SET images_uid = ? WHERE id = ?")
            .bind(images_uid)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The images are not there yet: looked at again after `wait`, as `fetching` where a peer was asked for them. The
    /// labels are not at fault, so the look does not count.
    pub async fn proposal_waits(
        &self,
        id: i64,
        is_fetching: bool,
        reason: &str,
        wait: Duration,
    ) -> Result<(), ArchiveError> {
        sqlx::query(
            "UPDATE proposals SET state = ?1, reason = ?2, attempts = max(attempts - 1, 0), next_at = ?3,
               updated_at = ?4, has_fetched = has_fetched OR ?1 = 'fetching'
             WHERE id = ?5 AND state IN ('received', 'fetching')",
        )
        .bind(if is_fetching { "fetching" } else { "received" })
        .bind(reason)
        .bind(later(wait))
        .bind(now())
        .bind(id)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The labels cannot be used. They are kept.
    pub async fn proposal_failed(&self, id: i64, reason: &str) -> Result<(), ArchiveError> {
        sqlx::query(
            "UPDATE proposals SET state = 'failed', reason = ?, updated_at = ?
             WHERE id = ? AND state IN ('received', 'fetching')",
        )
        .bind(reason)
        .bind(now())
        .bind(id)
        .execute(&self.pool)
        .await?;
        self.changed.notify_waiters();
        Ok(())
    }

    /// The labels are understood: the first part takes the place of the row, others get rows of their own.
    ///
    /// Does nothing when a person has decided in the meantime.
    pub async fn proposed(&self, id: i64, parts: &[ProposedPart]) -> Result<(), ArchiveError> {
        let mut transaction = self.pool.begin().await?;
        for (at, part) in parts.iter().enumerate() {
            let state = match part.settled {
                Some(_) => "approved",
                None => "proposed",
            };
            let statement = match at {
                0 => {
                    "UPDATE proposals SET segments = ?1, state = ?2, reason = ?3, task = ?4, finding = ?5, attempts = 0,
                       updated_at = ?6
                     WHERE id = ?7 AND state IN ('received', 'fetching')"
                }
                _ => {
                    "INSERT INTO proposals (series, sop_instance_uid, images_uid, created_at, segments, state, reason,
                       task, finding, updated_at)
                     SELECT series, sop_instance_uid, images_uid, created_at, ?1, ?2, ?3, ?4, ?5, ?6
                     FROM proposals WHERE id = ?7"
                }
            };
            let changed = sqlx::query(statement)
                .bind(&part.segments)
                .bind(state)
                .bind(&part.settled)
                .bind(&part.task)
                .bind(&part.finding)
                .bind(now())
                .bind(id)
                .execute(&mut *transaction)
                .await?
                .rows_affected();
            if changed == 0 {
                return Ok(());
            }
        }
        transaction.commit().await?;
        self.changed.notify_waiters();
        Ok(())
    }

    /// A person approved; `reason` says what was done. Other proposals for the task are looked at again, since it has
    /// changed.
    pub async fn approved(
        &self,
        id: i64,
        task: &str,
        reason: &str,
    ) -> Result<Result<(), Undecidable>, ArchiveError> {
        let done = self
            .decide(id, "approved", &["proposed"], Some(task), reason)
            .await?;
        if done.is_ok() {
            sqlx::query(
                "UPDATE proposals SET state = 'received', attempts = 0, next_at = 0, updated_at = ?
                 WHERE state = 'proposed' AND task = ?",
            )
            .bind(now())
            .bind(task)
            .execute(&self.pool)
            .await?;
        }
        Ok(done)
    }

    /// A person does not want it, and said why; the reason is kept, and so are the labels.
    pub async fn rejected(
        &self,
        id: i64,
        reason: &str,
    ) -> Result<Result<(), Undecidable>, ArchiveError> {
        let from = ["received", "fetching", "proposed", "failed"];
        let reason = format!("rejected: {reason}");
        self.decide(id, "rejected", &from, None, &reason).await
    }

    /// Labels that failed, or were rejected, are looked at again.
    pub async fn retry_proposal(&self, id: i64) -> Result<Result<(), Undecidable>, ArchiveError> {
        self.decide(id, "received", &["failed", "rejected"], None, "")
            .await
    }

    async fn decide(
        &self,
        id: i64,
        state: &str,
        from: &[&str],
        task: Option<&str>,
        reason: &str,
    ) -> Result<Result<(), Undecidable>, ArchiveError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let found: Option<String> = sqlx::query_scalar("SELECT state FROM proposals WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await?;
        match found {
            None => return Ok(Err(Undecidable::NoSuchProposal)),
            Some(found) if !from.contains(&found.as_str()) => {
                return Ok(Err(Undecidable::State(found)));
            }
            Some(_) => {}
        }
        sqlx::query(
            "UPDATE proposals SET state = ?, reason = nullif(?, ''), task = coalesce(?, task), attempts = 0,
               next_at = 0, has_fetched = FALSE, updated_at = ? WHERE id = ?",
        )
        .bind(state)
        .bind(reason)
        .bind(task)
        .bind(now())
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.changed.notify_waiters();
        Ok(Ok(()))
    }

    /// Every proposal, the newest first.
    pub async fn proposals(&self) -> Result<Vec<Proposal>, ArchiveError> {
        let query = format!("{COLUMNS} ORDER BY proposals.id DESC");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(query))
            .fetch_all(&self.pool)
            .await?)
    }

    /// One proposal.
    pub async fn proposal(&self, id: i64) -> Result<Option<Proposal>, ArchiveError> {
        let query = format!("{COLUMNS} WHERE proposals.id = ?");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(id)
            .fetch_optional(&self.pool)
            .await?)
    }

    /// SOP Instance and SOP Class UID of each instance of a series.
    pub async fn instance_classes(
        &self,
        series: i64,
    ) -> Result<Vec<(String, String)>, ArchiveError> {
        Ok(sqlx::query_as(
            "SELECT sop_instance_uid, sop_class_uid FROM instances WHERE series = ? ORDER BY sop_instance_uid",
        )
        .bind(series)
        .fetch_all(&self.pool)
        .await?)
    }

    /// The file of one instance of a series.
    pub async fn instance(
        &self,
        series: i64,
        sop_instance_uid: &str,
    ) -> Result<Option<PathBuf>, ArchiveError> {
        let name: Option<String> = sqlx::query_scalar(
            "SELECT file FROM instances WHERE series = ? AND sop_instance_uid = ?",
        )
        .bind(series)
        .bind(sop_instance_uid)
        .fetch_optional(&self.pool)
        .await?;
        Ok(name.map(|name| self.files.instance(&name)))
    }

    /// What is held of the series with a Series Instance UID: once for each sender and AE title that it was sent to.
    pub async fn held_series(&self, series_uid: &str) -> Result<Vec<HeldSeries>, ArchiveError> {
        let found: Vec<(i64, bool)> = sqlx::query_as(
            "SELECT id, EXISTS (SELECT 1 FROM jobs WHERE jobs.series = series.id AND jobs.state = 'received')
             FROM series WHERE series_uid = ? ORDER BY last_at DESC",
        )
        .bind(series_uid)
        .fetch_all(&self.pool)
        .await?;
        let mut held = Vec::with_capacity(found.len());
        for (id, is_arriving) in found {
            let instances = self.instance_classes(id).await?;
            held.push(HeldSeries {
                id,
                is_arriving,
                instance_uids: instances.into_iter().map(|(uid, _)| uid).collect(),
            });
        }
        Ok(held)
    }
}
