//! What the service does, for the conformance statement: read from the tables that it works by.

use super::reception::FailureReason;
use super::search::MOST_RESULTS;
use crate::archive::{Level, Search};
use dicom_core::{DataDictionary, Tag};
use dicom_dictionary_std::StandardDataDictionary;

/// The facts of PS3.2 that the code decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Attributes that studies, series and instances are matched by, by keyword and tag.
    pub matched: Vec<(&'static str, Tag, Level)>,
    /// Most results of one answer.
    pub max_results: u32,
    /// Failure Reasons (0008,1197), and when each is given.
    pub failure_reasons: Vec<(u16, &'static str)>,
}

/// What this build does.
pub fn statement() -> Statement {
    let matched = Search::attributes().into_iter().filter_map(|(tag, level)| {
        let entry = StandardDataDictionary.by_tag(tag)?;
        Some((entry.alias, tag, level))
    });
    Statement {
        matched: matched.collect(),
        max_results: MOST_RESULTS,
        failure_reasons: FailureReason::ALL
            .iter()
            .map(|reason| (reason.code(), reason.meaning()))
            .collect(),
    }
}
