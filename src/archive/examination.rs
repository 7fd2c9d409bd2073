//! The archive held against itself: every file against its seal, every file against the index; a damaged index is
//! made anew from the files.

use super::files::Files;
use super::indexing::{Again, index};
use super::{ArchiveError, NewInstance, recovery, schema};
use sqlx::SqlitePool;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Files indexed in one transaction.
const CHUNK: usize = 1000;

/// What was found, and done about it.
#[derive(Debug, Default)]
pub struct Examination {
    /// Instance files that are whole.
    pub whole: usize,
    /// Rows that were missing and are there now.
    pub indexed: i64,
    /// Where the damaged index lies now, when it was made anew.
    pub old_index: Option<PathBuf>,
    /// Instance files that do not fit their seal, or have none.
    pub damaged: Vec<PathBuf>,
    /// Instance files that the index knows and that are not there.
    pub missing: Vec<PathBuf>,
}

/// Examines the archive in a folder that no node works in, and repairs what can be repaired.
///
/// Series whose jobs the old index took with it are done again; their results have the same UIDs as before.
pub async fn examine(folder: &Path) -> Result<Examination, ArchiveError> {
    let files = Files::open(folder)?;
    let file = folder.join("index.sqlite");
    let mut examination = Examination::default();
    let pool = match sound(&file).await? {
        Some(pool) => pool,
        None => {
            examination.old_index = Some(set_aside(&file)?);
            schema::open(&file).await?
        }
    };
    let before = rows(&pool).await?;
    recovery::empty_spool(&pool, &files).await?;
    let paths = paths(&pool, &files, &mut examination).await?;
    for chunk in paths.chunks(CHUNK) {
        let chunk = chunk.to_vec();
        let (instances, damaged) = super::blocking(move || read(chunk)).await?;
        examination.whole += instances.len();
        examination.damaged.extend(damaged);
        index(&pool, &files, &instances.into(), Again::UnlessIndexed).await?;
    }
    examination.indexed = rows(&pool).await? - before;
    pool.close().await;
    Ok(examination)
}

/// The index, when SQLite finds no fault with it.
async fn sound(file: &Path) -> Result<Option<SqlitePool>, ArchiveError> {
    let pool = match schema::open(file).await {
        Ok(pool) => pool,
        Err(ArchiveError::DamagedIndex) => return Ok(None),
        Err(error) => return Err(error),
    };
    let verdict = sqlx::query_scalar::<_, String>("PRAGMA integrity_check(1)")
        .fetch_one(&pool)
        .await;
    if verdict.is_ok_and(|verdict| verdict == "ok") {
        return Ok(Some(pool));
    }
    pool.close().await;
    Ok(None)
}

/// Renames the index and what SQLite keeps beside it; nothing is deleted.
fn set_aside(file: &Path) -> Result<PathBuf, ArchiveError> {
    let stamp = chrono::Utc::now().format("%Y%m%dT%H%M%S");
    let with = |end: &str| PathBuf::from(format!("{}{end}", file.display()));
    for beside in ["", "-wal", "-shm"] {
        let (from, to) = (with(beside), with(&format!(".damaged-{stamp}{beside}")));
        match std::fs::rename(&from, &to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(ArchiveError::file("cannot set aside", from)(error));
            }
            _ => {}
        }
    }
    Ok(with(&format!(".damaged-{stamp}")))
}

async fn rows(pool: &SqlitePool) -> Result<i64, ArchiveError> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM instances")
        .fetch_one(pool)
        .await?)
}

/// The files there are; those that rows name and that are not there are noted.
async fn paths(
    pool: &SqlitePool,
    files: &Files,
    examination: &mut Examination,
) -> Result<Vec<PathBuf>, ArchiveError> {
    let folder = files.instance("");
    let there: Vec<PathBuf> = walkdir::WalkDir::new(&folder)
        .sort_by_file_name()
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    let known: HashSet<&PathBuf> = there.iter().collect();
    let named: Vec<String> = sqlx::query_scalar("SELECT file FROM instances")
        .fetch_all(pool)
        .await?;
    let named = named.iter().map(|name| files.instance(name));
    examination.missing = named.filter(|path| !known.contains(path)).collect();
    Ok(there)
}

fn read(paths: Vec<PathBuf>) -> Result<(Vec<NewInstance>, Vec<PathBuf>), ArchiveError> {
    let (mut whole, mut damaged) = (Vec::new(), Vec::new());
    for path in paths {
        match recovery::instance(&path).map_err(ArchiveError::file("cannot read", &path))? {
            Some(instance) => whole.push(instance),
            None => damaged.push(path),
        }
    }
    Ok((whole, damaged))
}
