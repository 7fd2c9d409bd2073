//! The job table: `received → complete → routed → segmented → delivered`, or `failed`, or `skipped`; between the
//! last two `held` where a result waits for review, and `discarded` where the review went against all of them.
//!
//! Each step is one transaction, so a restart goes on from the last one done.

use super::arrivals::{Completeness, SeriesKey};
use super::catalogue::{self, CataloguedFile};
use super::deliveries::conclude;
use super::{Archive, ArchiveError};
use chrono::Utc;
use sqlx::{Sqlite, SqlitePool, Transaction};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Instances are arriving.
    Received,
    /// The series has been quiet long enough.
    Complete,
    /// Rules chose tasks and destinations.
    Routed,
    /// Results are made and durable.
    Segmented,
    /// A result waits for a person to release or discard it; the others have got where they go.
    Held,
    /// Every destination acknowledged.
    Delivered,
    /// A person decided that nothing of it is sent; the reason says why.
    Discarded,
    /// It cannot be done; the reason says why.
    Failed,
    /// Nothing was to be done; the reason says why.
    Skipped,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Received,
        Self::Complete,
        Self::Routed,
        Self::Segmented,
        Self::Held,
        Self::Delivered,
        Self::Discarded,
        Self::Failed,
        Self::Skipped,
    ];

    /// The word in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Complete => "complete",
            Self::Routed => "routed",
            Self::Segmented => "segmented",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Discarded => "discarded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// Which jobs are listed.
#[derive(Debug, Clone, Copy)]
pub struct Listing {
    /// So many at most.
    pub most: i64,
    /// Older than the job of this number.
    pub before: Option<i64>,
    /// In this state.
    pub state: Option<JobState>,
}

/// A job ready for its next step.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Job {
    /// Number of the job.
    pub id: i64,
    /// Number of its series.
    pub series: i64,
    /// AE title that sent the series.
    pub calling_ae: String,
    /// AE title it was sent to.
    pub called_ae: String,
    /// What routing decided, as the node wrote it.
    pub plan: Option<String>,
    /// Steps tried before this one.
    pub attempts: i64,
}

/// A result to be delivered.
#[derive(Debug, Clone, PartialEq)]
pub struct NewResult {
    /// The rule that asked for it.
    pub rule: String,
    /// Name of the peer that gets it; empty where it is kept to be fetched.
    pub destination: String,
    /// Its file.
    pub file: PathBuf,
    /// Its SOP Instance UID.
    pub sop_instance_uid: String,
    /// Why it is kept for review instead of being sent, if so.
    pub held: Option<String>,
    /// What was found, where it is a result of segments.
    pub found: Option<Vec<Found>>,
}

/// A segment of a result, found or not.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Found {
    /// Its label.
    pub label: String,
    /// Its colour, sRGB.
    pub color: [u8; 3],
    /// Its volume, ml; 0 where it was not found.
    pub ml: f64,
    /// How sure the network is of it, 0 to 1.
    pub confidence: f64,
}

/// The destination of a result that is sent nowhere, and kept to be fetched (WADO-RS).
pub const KEPT_HERE: &str = "";

/// A rule that matched and could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleWithoutResult {
    /// Its name.
    pub rule: String,
    /// Why, in a sentence.
    pub reason: String,
}

/// A job as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow, serde::Serialize)]
pub struct JobSummary {
    /// Number of the job.
    pub id: i64,
    /// State, see [`JobState::as_str`].
    pub state: String,
    /// Why it failed, was skipped, or waits.
    pub reason: Option<String>,
    /// How the series was read: which of several volumes, in what units.
    pub note: Option<String>,
    /// Modality of the series.
    pub modality: String,
    /// AE title that sent it.
    pub calling_ae: String,
    /// Names of the rules that matched, one a line; none before routing.
    #[serde(serialize_with = "as_list")]
    pub rules: Option<String>,
    /// Instances held of the series.
    pub instances: i64,
    /// Results acknowledged by their destination.
    pub delivered: i64,
    /// Results that wait for review.
    pub held: i64,
    /// Results in all.
    pub results: i64,
    /// When the first instance of the series came for it, milliseconds since 1970.
    pub created_at: i64,
    /// When it last moved, milliseconds since 1970.
    pub updated_at: i64,
}

impl JobSummary {
    /// Whether nothing more happens to it by itself, nor by a review.
    pub fn has_ended(&self) -> bool {
        is_over(&self.state)
    }
}

/// Whether a job of this state has ended.
pub(super) fn is_over(state: &str) -> bool {
    matches!(state, "delivered" | "failed" | "skipped" | "discarded")
}

fn as_list<S: serde::Serializer>(lines: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(lines.iter().flat_map(|lines| lines.lines()))
}

/// A job works on the series as it is now; an older one that has made no result yet gives way.
pub(super) async fn open_for_series(
    transaction: &mut Transaction<'_, Sqlite>,
    series: i64,
    now: i64,
) -> Result<(), ArchiveError> {
    let latest: Option<(i64, String)> =
        sqlx::query_as("SELECT id, state FROM jobs WHERE series = ? ORDER BY id DESC LIMIT 1")
            .bind(series)
            .fetch_optional(&mut **transaction)
            .await?;
    if let Some((id, state)) = latest {
        if state == JobState::Received.as_str() {
            return Ok(());
        }
        if state == JobState::Complete.as_str() || state == JobState::Routed.as_str() {
            sqlx::query(
                "UPDATE jobs SET state = 'skipped', reason = ?, updated_at = ? WHERE id = ?",
            )
            .bind("more instances of the series arrived; a later job does it whole")
            .bind(now)
            .bind(id)
            .execute(&mut **transaction)
            .await?;
        }
    }
    sqlx::query(
        "INSERT INTO jobs (series, state, created_at, updated_at) VALUES (?, 'received', ?, ?)",
    )
    .bind(series)
    .bind(now)
    .bind(now)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// What older jobs of the same series have not sent yet says less than the results of `job`: it is not sent.
async fn supersede(
    transaction: &mut Transaction<'_, Sqlite>,
    job: i64,
) -> Result<(), ArchiveError> {
    let older: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT jobs.id FROM jobs JOIN deliveries ON deliveries.job = jobs.id
         WHERE series = (SELECT series FROM jobs WHERE id = ?1) AND jobs.id < ?1
           AND deliveries.state IN ('waiting', 'held', 'kept')",
    )
    .bind(job)
    .fetch_all(&mut **transaction)
    .await?;
    // What was sent already stays where it is; whoever looks at its job is told.
    sqlx::query(
        "UPDATE jobs SET reason = ?2 WHERE series = (SELECT series FROM jobs WHERE id = ?1) AND id < ?1
           AND state = 'delivered' AND reason IS NULL",
    )
    .bind(job)
    .bind(format!(
        "superseded by job {job}, which has more of the series"
    ))
    .execute(&mut **transaction)
    .await?;
    for old in older {
        sqlx::query(
            "UPDATE deliveries SET state = 'discarded', reason = ?, delivered_at = ?
             WHERE job = ? AND state IN ('waiting', 'held', 'kept')",
        )
        .bind(format!(
            "superseded by job {job}: more of the series arrived"
        ))
        .bind(now())
        .bind(old)
        .execute(&mut **transaction)
        .await?;
        conclude(transaction, old).await?;
    }
    Ok(())
}

/// What the files of results say of themselves, each file once.
async fn read_results(
    results: &[NewResult],
) -> Result<Vec<(String, CataloguedFile)>, ArchiveError> {
    let mut files: Vec<PathBuf> = results.iter().map(|result| result.file.clone()).collect();
    files.sort();
    files.dedup();
    super::blocking(move || {
        let read = |file: &PathBuf| {
            let name = file.to_string_lossy().into_owned();
            Some((name, catalogue::read_file(file)?))
        };
        Ok(files.iter().filter_map(read).collect())
    })
    .await
}

/// At start: what was being sent or done when the node stopped is due again, and what waited to be tried again is
/// tried, whatever the clock says now. Who was asked for something (images, a commitment) keeps the time to answer.
pub(super) async fn return_interrupted(pool: &SqlitePool) -> Result<(), ArchiveError> {
    for due in [
        "UPDATE deliveries SET next_at = 0 WHERE state = 'waiting' OR (state = 'stored' AND asked_at IS NULL)",
        "UPDATE jobs SET next_at = 0 WHERE state IN ('complete', 'routed')",
        "UPDATE proposals SET next_at = 0 WHERE state = 'received'",
        "UPDATE commitments SET next_at = 0",
        "UPDATE told SET next_at = 0",
    ] {
        sqlx::query(due).execute(pool).await?;
    }
    Ok(())
}

pub(super) fn now() -> i64 {
    Utc::now().timestamp_millis()
}

pub(super) fn later(wait: Duration) -> i64 {
    now().saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

impl Archive {
    /// Moves series that count as complete from received to complete; how many, and how long until the next of those that
    /// are arriving is, if nothing more of it comes.
    pub async fn complete_quiet(
        &self,
        when: &Completeness,
    ) -> Result<(usize, Option<Duration>), ArchiveError> {
        // What is acknowledged and has no row yet belongs to its series too. On a slow disk that takes a while, and what
        // comes meanwhile may have none after it: so it is from before that a series must have been quiet.
        let asked = Instant::now();
        self.flush().await?;
        let arriving: Vec<(i64, String, String, String)> = sqlx::query_as(
            "SELECT jobs.id, series_uid, calling_ae, called_ae FROM jobs
             JOIN series ON series.id = jobs.series WHERE state = 'received'",
        )
        .fetch_all(&self.pool)
        .await?;
        let (jobs, keys): (Vec<i64>, Vec<SeriesKey>) = arriving
            .into_iter()
            .map(|(job, series, calling, called)| (job, (series, calling, called)))
            .unzip();
        let until = self.arrivals.until_complete(keys.iter(), when, asked);
        let next = until.iter().filter(|until| !until.is_zero()).min().copied();
        let complete: Vec<bool> = until.iter().map(Duration::is_zero).collect();
        let done = complete.iter().filter(|is_complete| **is_complete).count();
        if done == 0 {
            return Ok((0, next));
        }
        let mut transaction = self.pool.begin().await?;
        for job in jobs
            .iter()
            .zip(&complete)
            .filter(|(_, is)| **is)
            .map(|(job, _)| job)
        {
            sqlx::query(
                "UPDATE jobs SET state = 'complete', updated_at = ? WHERE id = ? AND state = 'received'",
            )
            .bind(now())
            .bind(job)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        self.arrivals.forget(
            keys.iter()
                .zip(&complete)
                .filter(|(_, is)| **is)
                .map(|(key, _)| key),
        );
        self.changed.notify_waiters();
        Ok((done, next))
    }

    /// The job of a state that is due: highest priority first, then the oldest.
    pub async fn next_job(&self, state: JobState) -> Result<Option<Job>, ArchiveError> {
        Ok(sqlx::query_as(
            "SELECT jobs.id, series, calling_ae, called_ae, plan, attempts FROM jobs
             JOIN series ON series.id = jobs.series
             WHERE state = ? AND next_at <= ? ORDER BY priority DESC, jobs.id LIMIT 1",
        )
        .bind(state.as_str())
        .bind(now())
        .fetch_optional(&self.pool)
        .await?)
    }

    /// complete → routed, with what is to be done.
    pub async fn routed(&self, job: i64, plan: &str, priority: i32) -> Result<(), ArchiveError> {
        sqlx::query(
            "UPDATE jobs SET state = 'routed', plan = ?, priority = ?, attempts = 0, reason = NULL, updated_at = ?
             WHERE id = ? AND state = 'complete'",
        )
        .bind(plan)
        .bind(priority)
        .bind(now())
        .bind(job)
        .execute(&self.pool)
        .await?;
        self.changed.notify_waiters();
        Ok(())
    }

    /// routed → segmented, with a delivery (held, where the result is) for each result and destination, and one that has failed already for each
    /// rule that made none: the job then ends as failed with that reason, when the others are delivered.
    ///
    /// Does nothing when the job has given way to a later one in the meantime; says whether it took.
    pub async fn segmented(
        &self,
        job: i64,
        results: &[NewResult],
        without: &[RuleWithoutResult],
    ) -> Result<bool, ArchiveError> {
        let catalogued = read_results(results).await?;
        let mut transaction = self.pool.begin().await?;
        let moved = sqlx::query(
            "UPDATE jobs SET state = 'segmented', attempts = 0, reason = NULL, updated_at = ?
             WHERE id = ? AND state = 'routed'",
        )
        .bind(now())
        .bind(job)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if moved == 0 {
            return Ok(false);
        }
        for result in results {
            sqlx::query(
                "INSERT INTO deliveries (job, rule, destination, file, sop_instance_uid, state, reason, found)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(job)
            .bind(&result.rule)
            .bind(&result.destination)
            .bind(result.file.to_string_lossy())
            .bind(&result.sop_instance_uid)
            .bind(match &result.held {
                Some(_) => "held",
                None if result.destination == KEPT_HERE => "kept",
                None => "waiting",
            })
            .bind(&result.held)
            .bind(result.found.as_ref().and_then(|found| serde_json::to_string(found).ok()))
            .execute(&mut *transaction)
            .await?;
        }
        for (file, read) in &catalogued {
            catalogue::add_result(&mut transaction, file, read, now()).await?;
        }
        for rule in without {
            sqlx::query(
                "INSERT INTO deliveries (job, rule, destination, file, sop_instance_uid, state, reason)
                 VALUES (?, ?, '', '', '', 'failed', ?)",
            )
            .bind(job)
            .bind(&rule.rule)
            .bind(&rule.reason)
            .execute(&mut *transaction)
            .await?;
        }
        supersede(&mut transaction, job).await?;
        // Where every result is held there is no delivery to end the job.
        conclude(&mut transaction, job).await?;
        transaction.commit().await?;
        self.changed.notify_waiters();
        Ok(true)
    }

    /// Ends a job that cannot be done. The series stays.
    pub async fn failed(&self, job: i64, reason: &str) -> Result<(), ArchiveError> {
        self.end(job, JobState::Failed, reason).await
    }

    /// Ends a job that has nothing to do.
    pub async fn skipped(&self, job: i64, reason: &str) -> Result<(), ArchiveError> {
        self.end(job, JobState::Skipped, reason).await
    }

    async fn end(&self, job: i64, state: JobState, reason: &str) -> Result<(), ArchiveError> {
        sqlx::query(
            "UPDATE jobs SET state = ?, reason = ?, updated_at = ? WHERE id = ? AND state NOT IN ('delivered', 'skipped', 'discarded')",
        )
        .bind(state.as_str())
        .bind(reason)
        .bind(now())
        .bind(job)
        .execute(&self.pool)
        .await?;
        self.changed.notify_waiters();
        Ok(())
    }

    /// Jobs, newest first.
    pub async fn jobs(&self, listing: Listing) -> Result<Vec<JobSummary>, ArchiveError> {
        let query = format!(
            "{SUMMARIES} WHERE jobs.id < ifnull(?, jobs.id + 1) AND jobs.state = ifnull(?, jobs.state)
             ORDER BY jobs.id DESC LIMIT ?"
        );
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(listing.before)
            .bind(listing.state.map(JobState::as_str))
            .bind(listing.most)
            .fetch_all(&self.pool)
            .await?)
    }

    /// What the series of these jobs are called, by job: Series Description (0008,103E), as it is catalogued; none of
    /// a series without one. It may name a patient.
    pub async fn descriptions(
        &self,
        jobs: &[JobSummary],
    ) -> Result<HashMap<i64, String>, ArchiveError> {
        let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT jobs.id, series_description
             FROM jobs
             JOIN series ON series.id = jobs.series
             JOIN studies ON studies.study_uid = series.study_uid
             JOIN study_series ON study_series.study = studies.id AND study_series.series_uid = series.series_uid
             WHERE jobs.id IN (SELECT value FROM json_each(?)) AND series_description IS NOT NULL",
        )
        .bind(serde_json::json!(ids).to_string())
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().collect())
    }

    /// One job.
    pub async fn job(&self, id: i64) -> Result<Option<(JobSummary, Job)>, ArchiveError> {
        let query = format!("{SUMMARIES} WHERE jobs.id = ?");
        let summary: Option<JobSummary> = sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        let job: Option<Job> = sqlx::query_as(
            "SELECT jobs.id, series, calling_ae, called_ae, plan, attempts FROM jobs
             JOIN series ON series.id = jobs.series WHERE jobs.id = ?",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        Ok(summary.zip(job))
    }
}

/// Jobs as [`JobSummary`] has them.
const SUMMARIES: &str = "SELECT jobs.id, state, reason, note, modality, calling_ae, created_at, updated_at,
   CASE WHEN json_valid(plan) THEN
     (SELECT group_concat(value ->> 'rule', char(10)) FROM json_each(plan)) END AS rules,
   (SELECT count(*) FROM instances WHERE instances.series = jobs.series) AS instances,
   (SELECT count(*) FROM deliveries WHERE job = jobs.id AND deliveries.state IN ('delivered', 'kept')) AS delivered,
   (SELECT count(*) FROM deliveries WHERE job = jobs.id AND deliveries.state = 'held') AS held,
   (SELECT count(*) FROM deliveries WHERE job = jobs.id) AS results
 FROM jobs JOIN series ON series.id = jobs.series";
