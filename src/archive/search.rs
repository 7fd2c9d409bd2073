//! Looking for studies, series and instances (QIDO-RS, PS3.18 section 10.6), and for the files of those that are named.
//!
//! Held and discarded results are not found: nobody has released them. What a destination refused is.

use super::question::{
    NEWEST, SHOWN, Sql, TABLES, UIDS, alias, attributes, counts, expression, statement,
};
use super::{Archive, ArchiveError, catalogue};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use sqlx::Row;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Studies.
    Study,
    /// Series.
    Series,
    /// Instances.
    Instance,
}

/// What an attribute must be (PS3.4 section C.2.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// One of these values; as they are written, or in any case of letters.
    OneOf(Vec<String>),
    /// A text with `*` for any characters and `?` for one.
    Wildcard(String),
    /// As [`Match::Wildcard`], in any case of letters: names of persons.
    Name(String),
    /// From one value to another, both included.
    Range(Option<String>, Option<String>),
    /// This whole number.
    Number(i64),
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// What is looked for.
    pub level: Level,
    /// What attributes must be; those that are not catalogued must not be among them ([`Search::can_match`]).
    pub matches: Vec<(Tag, Match)>,
    /// So many are passed over.
    pub offset: u32,
    /// So many are given at most.
    pub limit: u32,
}

/// Attributes of something that was found, as texts; several values stand with `\` between them.
pub type Attributes = BTreeMap<Tag, String>;

/// An instance and its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredInstance {
    /// Study Instance UID.
    pub study_uid: String,
    /// Series Instance UID.
    pub series_uid: String,
    /// SOP Instance UID.
    pub sop_instance_uid: String,
    /// SOP Class UID.
    pub sop_class_uid: String,
    /// Transfer syntax that it is kept in.
    pub transfer_syntax: String,
    /// Its file.
    pub file: PathBuf,
}

impl Search {
    /// Every attribute that can be asked for, and the level it is of.
    pub fn attributes() -> Vec<(Tag, Level)> {
        let uids = UIDS.iter().map(|(level, tag, _)| (*tag, *level));
        let others = TABLES
            .iter()
            .flat_map(|(level, _, columns)| columns.iter().map(move |(tag, _)| (*tag, *level)));
        let mut all: Vec<(Tag, Level)> = uids.chain(others).collect();
        all.push((tags::MODALITIES_IN_STUDY, Level::Study));
        all.sort_by_key(|(tag, level)| (*level, *tag));
        all
    }

    /// Whether an attribute can be asked for.
    pub fn can_match(level: Level, tag: Tag) -> bool {
        expression(level, tag).is_some()
    }
}

impl Archive {
    /// What answers a question, with the attributes of its level and those above. Of what is held everything acknowledged is
    /// looked at.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn search(&self, search: &Search) -> Result<Vec<Attributes>, ArchiveError> {
        self.flush().await?;
        let Sql { text, bound } = statement(search);
        // Names of tables and columns are ours; what strangers say is bound.
        let statement = format!("{text} LIMIT {} OFFSET {}", search.limit, search.offset);
        let mut query = sqlx::query(sqlx::AssertSqlSafe(statement));
        for value in &bound {
            query = query.bind(value);
        }
        let rows = query.fetch_all(&self.pool).await?;
        let wanted: Vec<Tag> = attributes(search.level)
            .chain(counts(search.level))
            .map(|(tag, _)| tag)
            .collect();
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let value = |tag: &Tag| {
                let name = alias(*tag);
                let text: Result<Option<String>, _> = row.try_get(name.as_str());
                // Counts are numbers.
                let text = text.or_else(|_| {
                    let number: Option<i64> = row.try_get(name.as_str())?;
                    Ok::<_, sqlx::Error>(number.map(|number| number.to_string()))
                });
                Some((*tag, text.ok()??))
            };
            wanted.iter().filter_map(value).collect()
        };
        Ok(rows.iter().map(read).collect())
    }

    /// The instances of a study, of one of its series, or one of them, with their files; in the order of their series and
    /// numbers.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn instances_of(
        &self,
        study: &str,
        series: Option<&str>,
        instance: Option<&str>,
    ) -> Result<Vec<StoredInstance>, ArchiveError> {
        self.flush().await?;
        self.stored_some(study, series, instance, i64::MAX).await
    }

    async fn stored_some(
        &self,
        study: &str,
        series: Option<&str>,
        instance: Option<&str>,
        most: i64,
    ) -> Result<Vec<StoredInstance>, ArchiveError> {
        let mut bound = vec![study];
        let mut also = String::new();
        if let Some(series) = series {
            also += " AND study_series.series_uid = ?";
            bound.push(series);
        }
        if let Some(instance) = instance {
            also += " AND one.sop_instance_uid = ?";
            bound.push(instance);
        }
        let of = |table: &str, which: &str| {
            format!(
                "SELECT study_uid, series_uid, {table}.sop_instance_uid, {table}.sop_class_uid,
                        {table}.transfer_syntax, {table}.file, CAST(series_number AS INTEGER) AS of_series,
                        study_series.id AS series_id, CAST({table}.instance_number AS INTEGER) AS number
                 FROM studies JOIN study_series ON study_series.study = studies.id
                 JOIN {table} ON {table}.study_series = study_series.id
                 WHERE studies.study_uid = ?{} AND {which}",
                also.replace("one.", &format!("{table}."))
            )
        };
        let statement = format!(
            "{} UNION ALL {} ORDER BY of_series, series_id, number, sop_instance_uid",
            of("instances", NEWEST),
            of("results", SHOWN)
        );
        let mut query = sqlx::query_as::<_, (String, String, String, String, String, String)>(
            sqlx::AssertSqlSafe(format!(
                "SELECT study_uid, series_uid, sop_instance_uid, sop_class_uid, transfer_syntax, file FROM ({statement}) LIMIT {most}"
            )),
        );
        for value in bound.iter().chain(&bound) {
            query = query.bind(*value);
        }
        let rows = query.fetch_all(&self.pool).await?;
        let stored = |(study_uid, series_uid, sop_instance_uid, sop_class_uid, syntax, file): (
            String,
            String,
            String,
            String,
            String,
            String,
        )| StoredInstance {
            study_uid,
            series_uid,
            sop_instance_uid,
            sop_class_uid,
            transfer_syntax: syntax,
            file: self.files.instance(&file),
        };
        Ok(rows.into_iter().map(stored).collect())
    }

    /// Any instance of what is named, the first that comes.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn any_of(
        &self,
        study: &str,
        series: Option<&str>,
        instance: Option<&str>,
    ) -> Result<Option<StoredInstance>, ArchiveError> {
        let found = self.stored_some(study, series, instance, 1).await?;
        Ok(found.into_iter().next())
    }

    /// Whether all that is held can be found: after an upgrade what earlier versions kept is catalogued in a while.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn is_catalogued(&self) -> Result<bool, ArchiveError> {
        catalogue::is_complete(&self.pool).await
    }
}
