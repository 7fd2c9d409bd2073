//! Questions in SQL, with names of ours and values of strangers bound.

use super::columns::{Column, INSTANCE, SERIES, STUDY};
use super::search::{Level, Match, Search};
use dicom_core::Tag;
use dicom_dictionary_std::tags;

/// A result that may be shown: one that is sent, was sent, or is kept to be fetched.
pub(super) const SHOWN: &str = "EXISTS (SELECT 1 FROM deliveries
    WHERE deliveries.file = results.file AND deliveries.state IN ('waiting', 'stored', 'delivered', 'failed', 'kept'))
  AND NOT EXISTS (SELECT 1 FROM results AS newer
    WHERE newer.sop_instance_uid = results.sop_instance_uid AND newer.study_series = results.study_series
      AND (newer.made_at, newer.file) > (results.made_at, results.file)
      AND EXISTS (SELECT 1 FROM deliveries
        WHERE deliveries.file = newer.file AND deliveries.state IN ('waiting', 'stored', 'delivered', 'failed', 'kept')))";

/// The newest of the receptions of an instance, from several senders perhaps.
pub(super) const NEWEST: &str = "NOT EXISTS (SELECT 1 FROM instances AS newer
    WHERE newer.sop_instance_uid = instances.sop_instance_uid AND newer.study_series = instances.study_series
      AND (newer.received_at, newer.series) > (instances.received_at, instances.series))";

/// A series of which anything may be shown.
const SERIES_SHOWN: &str =
    "(EXISTS (SELECT 1 FROM instances WHERE instances.study_series = study_series.id)
    OR EXISTS (SELECT 1 FROM results WHERE results.study_series = study_series.id AND ";

/// UIDs, which have columns of their own.
pub(super) const UIDS: [(Level, Tag, &str); 4] = [
    (Level::Study, tags::STUDY_INSTANCE_UID, "studies.study_uid"),
    (
        Level::Series,
        tags::SERIES_INSTANCE_UID,
        "study_series.series_uid",
    ),
    (
        Level::Instance,
        tags::SOP_INSTANCE_UID,
        "one.sop_instance_uid",
    ),
    (Level::Instance, tags::SOP_CLASS_UID, "one.sop_class_uid"),
];

/// The levels and the tables of their attributes.
pub(super) const TABLES: [(Level, &str, &[Column]); 3] = [
    (Level::Study, "studies", &STUDY),
    (Level::Series, "study_series", &SERIES),
    (Level::Instance, "one", &INSTANCE),
];

/// Every attribute of a level and those above, and its expression.
pub(super) fn attributes(level: Level) -> impl Iterator<Item = (Tag, String)> {
    let uids = UIDS.iter().filter(move |(of, _, _)| *of <= level);
    let uids = uids.map(|(_, tag, column)| (*tag, (*column).to_owned()));
    let tables = TABLES.iter().filter(move |(of, _, _)| *of <= level);
    let others = tables.flat_map(|(_, table, columns)| {
        let named = move |(tag, name): &Column| (*tag, format!("{table}.{name}"));
        columns.iter().map(named)
    });
    uids.chain(others)
}

pub(super) fn expression(level: Level, tag: Tag) -> Option<String> {
    if tag == tags::MODALITIES_IN_STUDY {
        return Some(String::new());
    }
    attributes(level)
        .find(|(of, _)| *of == tag)
        .map(|(_, expression)| expression)
}

/// A statement and what is bound in it.
#[derive(Default)]
pub(super) struct Sql {
    pub(super) text: String,
    pub(super) bound: Vec<String>,
}

impl Sql {
    fn matching(&mut self, expression: &str, what: &Match) {
        let start = self.bound.len();
        let condition = match what {
            Match::OneOf(values) => {
                self.bound.extend(values.iter().cloned());
                format!(
                    "{expression} IN ({})",
                    vec!["?"; values.len().max(1)].join(", ")
                )
            }
            Match::Wildcard(pattern) => {
                // Brackets mean something to GLOB and nothing to DICOM.
                self.bound.push(pattern.replace('[', "[[]"));
                format!("{expression} GLOB ?")
            }
            Match::Name(pattern) => {
                self.bound.push(like(pattern));
                format!("{expression} LIKE ? ESCAPE '\\'")
            }
            Match::Range(from, to) => {
                let mut both = Vec::new();
                if let Some(from) = from {
                    self.bound.push(from.clone());
                    both.push(format!("{expression} >= ?"));
                }
                if let Some(to) = to {
                    // 12:00 as an end includes 12:00:59.
                    self.bound.push(format!("{to}~"));
                    both.push(format!("{expression} <= ?"));
                }
                both.push(format!("{expression} <> ''"));
                both.join(" AND ")
            }
            Match::Number(number) => {
                self.bound.push(number.to_string());
                format!("CAST({expression} AS INTEGER) = CAST(? AS INTEGER)")
            }
        };
        if matches!(what, Match::OneOf(values) if values.is_empty()) {
            self.bound.truncate(start);
            self.text += " AND FALSE";
            return;
        }
        self.text += " AND ";
        self.text += &condition;
    }
}

/// A DICOM wildcard for LIKE.
fn like(pattern: &str) -> String {
    let mut like = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        match c {
            '*' => like.push('%'),
            '?' => like.push('_'),
            '%' | '_' | '\\' => like.extend(['\\', c]),
            other => like.push(other),
        }
    }
    like
}

/// The conditions of a question, and what they bind.
fn conditions(search: &Search) -> Sql {
    let mut sql = Sql::default();
    for (tag, what) in &search.matches {
        if *tag == tags::MODALITIES_IN_STUDY {
            sql.text +=
                " AND EXISTS (SELECT 1 FROM study_series AS other WHERE other.study = studies.id";
            sql.matching("other.modality", what);
            sql.text += ")";
        } else if let Some(expression) = expression(search.level, *tag) {
            sql.matching(&expression, what);
        }
    }
    sql
}

fn counted(study_series: &str) -> String {
    format!(
        "((SELECT count(DISTINCT sop_instance_uid) FROM instances WHERE instances.study_series {study_series})
        + (SELECT count(*) FROM results WHERE results.study_series {study_series} AND {SHOWN}))"
    )
}

/// What a question asks of each thing found besides its attributes, by the attribute that says it.
pub(super) fn counts(level: Level) -> Vec<(Tag, String)> {
    let of_study = "IN (SELECT id FROM study_series AS other WHERE other.study = studies.id)";
    match level {
        Level::Study => vec![
            (
                tags::NUMBER_OF_STUDY_RELATED_SERIES,
                format!("(SELECT count(*) FROM study_series WHERE study = studies.id AND {SERIES_SHOWN}{SHOWN})))"),
            ),
            (
                tags::NUMBER_OF_STUDY_RELATED_INSTANCES,
                counted(of_study),
            ),
            (
                tags::MODALITIES_IN_STUDY,
                format!(
                    "(SELECT group_concat(modality, '\\') FROM (SELECT DISTINCT modality FROM study_series
                     WHERE study = studies.id AND modality <> '' AND {SERIES_SHOWN}{SHOWN})) ORDER BY modality))"
                ),
            ),
        ],
        Level::Series => vec![(
            tags::NUMBER_OF_SERIES_RELATED_INSTANCES,
            counted("= study_series.id"),
        )],
        Level::Instance => Vec::new(),
    }
}

/// The name of an attribute's column in an answer.
pub(super) fn alias(tag: Tag) -> String {
    format!("a{:04x}{:04x}", tag.group(), tag.element())
}

pub(super) fn statement(search: &Search) -> Sql {
    let columns: Vec<(Tag, String)> = attributes(search.level)
        .chain(counts(search.level))
        .collect();
    let list: Vec<String> = columns
        .iter()
        .map(|(tag, expression)| format!("{expression} AS {}", alias(*tag)))
        .collect();
    let list = list.join(", ");
    let Sql { text, bound } = conditions(search);
    match search.level {
        Level::Study => Sql {
            text: format!("SELECT {list} FROM studies WHERE TRUE{text} ORDER BY studies.id DESC"),
            bound,
        },
        Level::Series => Sql {
            text: format!(
                "SELECT {list} FROM study_series JOIN studies ON studies.id = study_series.study
                 WHERE {SERIES_SHOWN}{SHOWN})){text} ORDER BY study_series.id"
            ),
            bound,
        },
        // Not sorted: so many need not be read before the first is known.
        Level::Instance => {
            let of = |table: &str, which: &str| {
                format!(
                    "SELECT {} FROM studies JOIN study_series ON study_series.study = studies.id
                     JOIN {table} ON {table}.study_series = study_series.id WHERE {which}{}",
                    list.replace("one.", &format!("{table}.")),
                    text.replace("one.", &format!("{table}."))
                )
            };
            let (instances, results) = (of("instances", NEWEST), of("results", SHOWN));
            Sql {
                text: format!("{instances} UNION ALL {results}"),
                bound: [bound.clone(), bound].concat(),
            }
        }
    }
}
