//! The index: its tables, and opening it so that a commit is durable.

use super::ArchiveError;
use super::files::sync_folder;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// Each entry brings the index from its number to the next.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE series (
        id INTEGER PRIMARY KEY,
        series_uid TEXT NOT NULL,
        study_uid TEXT NOT NULL,
        modality TEXT NOT NULL,
        calling_ae TEXT NOT NULL,
        called_ae TEXT NOT NULL,
        first_at INTEGER NOT NULL,
        last_at INTEGER NOT NULL,
        UNIQUE (series_uid, calling_ae, called_ae)
    );
    CREATE TABLE instances (
        series INTEGER NOT NULL REFERENCES series (id),
        sop_instance_uid TEXT NOT NULL,
        sop_class_uid TEXT NOT NULL,
        transfer_syntax TEXT NOT NULL,
        file TEXT NOT NULL,
        size INTEGER NOT NULL,
        received_at INTEGER NOT NULL,
        PRIMARY KEY (series, sop_instance_uid)
    ) WITHOUT ROWID;
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY,
        series INTEGER NOT NULL REFERENCES series (id),
        state TEXT NOT NULL,
        reason TEXT,
        plan TEXT,
        priority INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_at INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    );
    CREATE INDEX jobs_by_state ON jobs (state, priority DESC, id);
    CREATE INDEX jobs_by_series ON jobs (series);
    CREATE TABLE deliveries (
        id INTEGER PRIMARY KEY,
        job INTEGER NOT NULL REFERENCES jobs (id),
        rule TEXT NOT NULL,
        destination TEXT NOT NULL,
        file TEXT NOT NULL,
        sop_instance_uid TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_at INTEGER NOT NULL DEFAULT 0,
        delivered_at INTEGER
    );
    CREATE INDEX deliveries_by_state ON deliveries (state, next_at);
    CREATE INDEX deliveries_by_job ON deliveries (job);
",
    // How the series was read: volumes left out, units.
    "ALTER TABLE jobs ADD COLUMN note TEXT;",
    "
    CREATE TABLE removals (file TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE INDEX instances_by_file ON instances (file);
    CREATE INDEX deliveries_by_file ON deliveries (file);
    CREATE INDEX instances_by_uid ON instances (sop_instance_uid);
    CREATE TABLE commitments (
        id INTEGER PRIMARY KEY,
        transaction_uid TEXT NOT NULL,
        calling_ae TEXT NOT NULL,
        instances TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_at INTEGER NOT NULL DEFAULT 0,
        UNIQUE (transaction_uid, calling_ae)
    );
",
    // What was sent to teach.
    "
    CREATE TABLE proposals (
        id INTEGER PRIMARY KEY,
        series INTEGER NOT NULL REFERENCES series (id),
        sop_instance_uid TEXT NOT NULL,
        segments TEXT,
        state TEXT NOT NULL,
        reason TEXT,
        task TEXT,
        finding TEXT,
        images_uid TEXT,
        has_fetched INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_at INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    );
    CREATE INDEX proposals_by_state ON proposals (state, next_at);
    CREATE INDEX proposals_by_series ON proposals (series, sop_instance_uid);
    CREATE INDEX proposals_by_images ON proposals (images_uid);
",
    // What was found in a result, for the job's page.
    "ALTER TABLE deliveries ADD COLUMN found TEXT;",
    // What destinations were asked to commit to, and what they said.
    "
    ALTER TABLE deliveries ADD COLUMN asked_at INTEGER;
    ALTER TABLE deliveries ADD COLUMN reported INTEGER;
    ALTER TABLE deliveries ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE deliveries ADD COLUMN committed_at INTEGER;
    CREATE TABLE asked_commitments (
        id INTEGER PRIMARY KEY,
        transaction_uid TEXT NOT NULL,
        asked_ae TEXT NOT NULL,
        delivery INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
        UNIQUE (transaction_uid, delivery)
    );
    CREATE INDEX asked_commitments_by_delivery ON asked_commitments (delivery);
",
    // What people are to be told. A job that fails for its deliveries has told so by them.
    "
    CREATE TABLE notices (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        event TEXT NOT NULL,
        job INTEGER,
        proposal INTEGER,
        rule TEXT,
        destination TEXT,
        reason TEXT,
        at INTEGER NOT NULL
    );
    CREATE TABLE told (
        target TEXT PRIMARY KEY,
        up_to INTEGER NOT NULL,
        last_at INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_at INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE TRIGGER job_failed AFTER UPDATE OF state ON jobs
    WHEN NEW.state = 'failed' AND OLD.state <> 'failed'
      AND (OLD.state NOT IN ('segmented', 'held')
        OR EXISTS (SELECT 1 FROM deliveries WHERE job = NEW.id AND state = 'failed' AND destination = ''))
    BEGIN
        INSERT INTO notices (event, job, reason, at) VALUES ('failed', NEW.id, NEW.reason, NEW.updated_at);
    END;
    CREATE TRIGGER job_held AFTER UPDATE OF state ON jobs
    WHEN NEW.state = 'held' AND OLD.state <> 'held'
    BEGIN
        INSERT INTO notices (event, job, reason, at) VALUES ('held', NEW.id, NEW.reason, NEW.updated_at);
    END;
    CREATE TRIGGER delivery_failed AFTER UPDATE OF state ON deliveries
    WHEN NEW.state = 'failed' AND OLD.state <> 'failed' AND NEW.destination <> ''
    BEGIN
        INSERT INTO notices (event, job, rule, destination, reason, at)
        VALUES ('undelivered', NEW.job, NEW.rule, NEW.destination, NEW.reason,
          coalesce(NEW.delivered_at, (SELECT updated_at FROM jobs WHERE id = NEW.job)));
    END;
    CREATE TRIGGER proposal_made AFTER INSERT ON proposals WHEN NEW.state = 'proposed'
    BEGIN
        INSERT INTO notices (event, proposal, at) VALUES ('proposed', NEW.id, NEW.updated_at);
    END;
    CREATE TRIGGER proposal_understood AFTER UPDATE OF state ON proposals
    WHEN NEW.state = 'proposed' AND OLD.state <> 'proposed'
    BEGIN
        INSERT INTO notices (event, proposal, at) VALUES ('proposed', NEW.id, NEW.updated_at);
    END;
",
    // The catalogue, for those who query.
    "
    CREATE TABLE studies (
        id INTEGER PRIMARY KEY,
        study_uid TEXT NOT NULL UNIQUE,
        study_date TEXT,
        study_time TEXT,
        accession_number TEXT,
        referring_physician_name TEXT,
        study_description TEXT,
        patient_name TEXT,
        patient_id TEXT,
        patient_birth_date TEXT,
        patient_sex TEXT,
        study_id TEXT
    );
    CREATE INDEX studies_by_date ON studies (study_date);
    CREATE INDEX studies_by_patient ON studies (patient_id);
    CREATE INDEX studies_by_accession ON studies (accession_number);
    CREATE TABLE study_series (
        id INTEGER PRIMARY KEY,
        study INTEGER NOT NULL REFERENCES studies (id),
        series_uid TEXT NOT NULL,
        series_date TEXT,
        series_time TEXT,
        modality TEXT,
        series_description TEXT,
        body_part_examined TEXT,
        series_number TEXT,
        performed_start_date TEXT,
        performed_start_time TEXT,
        UNIQUE (study, series_uid)
    );
    CREATE INDEX study_series_by_uid ON study_series (series_uid);
    ALTER TABLE instances ADD COLUMN study_series INTEGER;
    ALTER TABLE instances ADD COLUMN instance_number TEXT;
    ALTER TABLE instances ADD COLUMN number_of_frames TEXT;
    ALTER TABLE instances ADD COLUMN image_rows TEXT;
    ALTER TABLE instances ADD COLUMN image_columns TEXT;
    ALTER TABLE instances ADD COLUMN bits_allocated TEXT;
    CREATE INDEX instances_by_study_series ON instances (study_series, sop_instance_uid);
    CREATE TABLE results (
        file TEXT PRIMARY KEY,
        study_series INTEGER NOT NULL,
        sop_instance_uid TEXT NOT NULL,
        sop_class_uid TEXT NOT NULL,
        transfer_syntax TEXT NOT NULL,
        made_at INTEGER NOT NULL,
        instance_number TEXT,
        number_of_frames TEXT,
        image_rows TEXT,
        image_columns TEXT,
        bits_allocated TEXT
    ) WITHOUT ROWID;
    CREATE INDEX results_by_study_series ON results (study_series, sop_instance_uid);
    CREATE INDEX results_by_uid ON results (sop_instance_uid);
",
    // Names of files are digests: an index of them is written all over at every instance, and the UID finds the row too.
    "
    DROP INDEX instances_by_file;
    ALTER TABLE removals ADD COLUMN sop_instance_uid TEXT;
",
];

/// Opens the index in write-ahead mode with full synchronisation: a committed transaction survives a power cut.
pub(super) async fn open(file: &Path) -> Result<SqlitePool, ArchiveError> {
    make_private(file)?;
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(30));
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .connect_with(options)
        .await?;
    let (found,): (i64,) = sqlx::query_as("PRAGMA user_version")
        .fetch_one(&pool)
        .await?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(ArchiveError::NewerIndex { found, known });
    }
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(found.max(0) as usize) {
        let mut transaction = pool.begin().await?;
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
        let version = format!("PRAGMA user_version = {}", number + 1);
        sqlx::raw_sql(sqlx::AssertSqlSafe(version))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
    Ok(pool)
}

/// SQLite would make the file readable by others, and gives its own log files the mode of this one.
fn make_private(file: &Path) -> Result<(), ArchiveError> {
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    match made {
        Ok(_) => file.parent().map_or(Ok(()), sync_folder),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(ArchiveError::file("cannot make", file)(error)),
    }
}
