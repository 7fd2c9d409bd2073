//! The catalogue: what studies, series and instances say of themselves, as those who query ask for it (PS3.18 section
//! 10.6). It is written with the rows that it describes, and leaves with them.

use super::ArchiveError;
use super::columns::{Column, INSTANCE, SERIES, STUDY};
use super::files::Files;
use super::header::read_header;
use super::seal;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::FileMetaTable;
use sqlx::{Sqlite, SqlitePool, Transaction};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Attributes of an instance's data set, without padding.
pub type Header = BTreeMap<Tag, String>;

/// Stands in an instance's row for the series of a file that cannot be catalogued.
const NOWHERE: i64 = 0;
/// Instances catalogued at a time that came before there was a catalogue.
const CHUNK: usize = 200;
/// Pause between them: what comes now goes first.
const PAUSE: Duration = Duration::from_millis(20);

/// A result that is new to the catalogue.
pub(super) struct CataloguedFile {
    pub(super) transfer_syntax: String,
    pub(super) header: Header,
}

/// The row of a header's series within its study, made or brought up to date: the newest word counts, and an attribute
/// that is absent takes nothing away.
pub(super) async fn shelve(
    transaction: &mut Transaction<'_, Sqlite>,
    study_uid: &str,
    series_uid: &str,
    header: &Header,
) -> Result<i64, ArchiveError> {
    let study = upsert(
        transaction,
        "studies",
        &["study_uid"],
        &[study_uid],
        &STUDY,
        header,
    )
    .await?;
    let study = study.to_string();
    upsert(
        transaction,
        "study_series",
        &["study", "series_uid"],
        &[&study, series_uid],
        &SERIES,
        header,
    )
    .await
}

async fn upsert(
    transaction: &mut Transaction<'_, Sqlite>,
    table: &str,
    keys: &[&str],
    key: &[&str],
    columns: &[Column],
    header: &Header,
) -> Result<i64, ArchiveError> {
    let names = columns.iter().map(|(_, name)| *name);
    let all: Vec<&str> = keys.iter().copied().chain(names.clone()).collect();
    let marks = vec!["?"; all.len()].join(", ");
    let newest: Vec<String> = names
        .map(|name| format!("{name} = coalesce(excluded.{name}, {name})"))
        .collect();
    let statement = format!(
        "INSERT INTO {table} ({}) VALUES ({marks}) ON CONFLICT ({}) DO UPDATE SET {} RETURNING id",
        all.join(", "),
        keys.join(", "),
        newest.join(", ")
    );
    // Names of tables and columns are ours; what strangers say is bound.
    let mut query = sqlx::query_scalar(sqlx::AssertSqlSafe(statement));
    for value in key {
        query = query.bind(*value);
    }
    for (tag, _) in columns {
        query = query.bind(header.get(tag));
    }
    Ok(query.fetch_one(&mut **transaction).await?)
}

/// Reads what a file of the archive says of itself; nothing where it cannot be read.
pub(super) fn read_file(path: &Path) -> Option<CataloguedFile> {
    let mut file = File::open(path).ok()?;
    let data_offset = seal::data_offset(&mut file).ok()??;
    file.seek(SeekFrom::Start(128)).ok()?;
    let meta = FileMetaTable::from_reader(BufReader::new(file)).ok()?;
    let transfer_syntax = meta.transfer_syntax().trim_end_matches(['\0', ' ']);
    let header = read_header(path, data_offset, transfer_syntax).ok()?;
    Some(CataloguedFile {
        transfer_syntax: transfer_syntax.to_owned(),
        header,
    })
}

/// Puts a result into the catalogue, by its file.
pub(super) async fn add_result(
    transaction: &mut Transaction<'_, Sqlite>,
    file: &str,
    result: &CataloguedFile,
    now: i64,
) -> Result<(), ArchiveError> {
    let header = &result.header;
    let uid = |tag| header.get(&tag).map_or("", String::as_str);
    let (study, series) = (
        uid(tags::STUDY_INSTANCE_UID),
        uid(tags::SERIES_INSTANCE_UID),
    );
    if study.is_empty() || series.is_empty() {
        return Ok(());
    }
    let shelf = shelve(transaction, study, series, header).await?;
    let names = INSTANCE.map(|(_, name)| name).join(", ");
    let statement = format!(
        "INSERT OR REPLACE INTO results
         (file, study_series, sop_instance_uid, sop_class_uid, transfer_syntax, made_at, {names})
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    );
    let mut query = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(file)
        .bind(shelf)
        .bind(uid(tags::SOP_INSTANCE_UID))
        .bind(uid(tags::SOP_CLASS_UID))
        .bind(&result.transfer_syntax)
        .bind(now);
    for (tag, _) in INSTANCE {
        query = query.bind(header.get(&tag));
    }
    query.execute(&mut **transaction).await?;
    Ok(())
}

/// Studies that a series and its results stand in, before its rows leave.
pub(super) async fn studies_of(
    transaction: &mut Transaction<'_, Sqlite>,
    series: i64,
) -> Result<Vec<i64>, ArchiveError> {
    Ok(sqlx::query_scalar(
        "SELECT DISTINCT study FROM study_series WHERE id IN (
             SELECT study_series FROM instances WHERE series = ?1
             UNION SELECT study_series FROM results WHERE file IN (
                 SELECT file FROM deliveries WHERE job IN (SELECT id FROM jobs WHERE series = ?1)))",
    )
    .bind(series)
    .fetch_all(&mut **transaction)
    .await?)
}

/// Takes out of these studies what nothing stands behind any more.
pub(super) async fn tidy(
    transaction: &mut Transaction<'_, Sqlite>,
    studies: &[i64],
) -> Result<(), ArchiveError> {
    for study in studies {
        for statement in [
            "DELETE FROM results WHERE study_series IN (SELECT id FROM study_series WHERE study = ?)
               AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.file = results.file)",
            "DELETE FROM study_series WHERE study = ?
               AND NOT EXISTS (SELECT 1 FROM instances WHERE study_series = study_series.id)
               AND NOT EXISTS (SELECT 1 FROM results WHERE results.study_series = study_series.id)",
            "DELETE FROM studies WHERE id = ?
               AND NOT EXISTS (SELECT 1 FROM study_series WHERE study = studies.id)",
        ] {
            sqlx::query(statement)
                .bind(study)
                .execute(&mut **transaction)
                .await?;
        }
    }
    Ok(())
}

/// Catalogues what came before there was a catalogue, a little at a time.
pub(super) async fn catch_up(pool: SqlitePool, files: Files) {
    let mut done = 0;
    loop {
        match catch_up_some(&pool, &files).await {
            Ok(0) => break,
            Ok(some) => done += some,
            Err(error) => {
                tracing::error!(%error, "the catalogue is not complete; the next start goes on with it");
                return;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    if done > 0 {
        tracing::info!(files = done, "catalogued what earlier versions had kept");
    }
}

async fn catch_up_some(pool: &SqlitePool, files: &Files) -> Result<usize, ArchiveError> {
    let limit = i64::try_from(CHUNK).unwrap_or(i64::MAX);
    let instances: Vec<(i64, String, String)> = sqlx::query_as(
        "SELECT series, sop_instance_uid, file FROM instances WHERE study_series IS NULL LIMIT ?",
    )
    .bind(limit)
    .fetch_all(pool)
    .await?;
    let results: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT file FROM deliveries WHERE file <> ''
           AND NOT EXISTS (SELECT 1 FROM results WHERE results.file = deliveries.file) LIMIT ?",
    )
    .bind(if instances.is_empty() { limit } else { 0 })
    .fetch_all(pool)
    .await?;
    let paths: Vec<PathBuf> = instances
        .iter()
        .map(|(_, _, file)| file)
        .chain(&results)
        .map(|file| files.instance(file))
        .collect();
    let read = super::blocking(move || Ok(paths.iter().map(|path| read_file(path)).collect()));
    let read: Vec<Option<CataloguedFile>> = read.await?;
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    for ((series, uid, file), read) in instances.iter().zip(&read) {
        catalogue_instance(&mut transaction, *series, uid, file, read.as_ref()).await?;
    }
    let mut added = 0;
    for (file, read) in results.iter().zip(&read[instances.len()..]) {
        if let Some(read) = read {
            add_result(&mut transaction, file, read, super::jobs::now()).await?;
            added += 1;
        }
    }
    transaction.commit().await?;
    // A result that cannot be read would be looked at for ever.
    Ok(instances.len() + added)
}

async fn catalogue_instance(
    transaction: &mut Transaction<'_, Sqlite>,
    series: i64,
    uid: &str,
    file: &str,
    read: Option<&CataloguedFile>,
) -> Result<(), ArchiveError> {
    let empty = Header::new();
    let header = read.map_or(&empty, |read| &read.header);
    let shelf = match (
        header.get(&tags::STUDY_INSTANCE_UID),
        header.get(&tags::SERIES_INSTANCE_UID),
    ) {
        (Some(study), Some(series)) => shelve(transaction, study, series, header).await?,
        _ => NOWHERE,
    };
    let columns = INSTANCE.map(|(_, name)| format!("{name} = ?")).join(", ");
    // One that was sent again meanwhile is in the catalogue already.
    let statement = format!(
        "UPDATE instances SET study_series = ?, {columns}
         WHERE series = ? AND sop_instance_uid = ? AND file = ? AND study_series IS NULL"
    );
    let mut query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(shelf);
    for (tag, _) in INSTANCE {
        query = query.bind(header.get(&tag));
    }
    query
        .bind(series)
        .bind(uid)
        .bind(file)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Whether all that is held is in the catalogue.
pub(super) async fn is_complete(pool: &SqlitePool) -> Result<bool, ArchiveError> {
    let missing: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM instances WHERE study_series IS NULL)")
            .fetch_one(pool)
            .await?;
    Ok(!missing)
}
