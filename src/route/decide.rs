//! Which rules match: the node's question, answered without keeping a value.

use super::matching;
use super::seen::Seen;
use super::series_context::SeriesContext;
use crate::config::{Condition, Rule};

/// Which rules match a series. It holds nothing of the series: its parts may be logged.
#[derive(Debug, Clone)]
pub struct Decisions<'r> {
    /// Rules that match, in the order they run: by priority, highest first, then as in the file.
    pub matched: Vec<&'r Rule>,
    /// Rules that do not, in the same order.
    pub not_matched: Vec<&'r Rule>,
}

/// Decides for each rule whether it matches. All that match run.
pub fn decide<'r>(rules: &'r [Rule], series: &SeriesContext<'_>) -> Decisions<'r> {
    let (matched, not_matched) = in_running_order(rules)
        .into_iter()
        .partition(|rule| holds(&rule.when, series));
    Decisions {
        matched,
        not_matched,
    }
}

/// By priority, highest first; rules of one priority keep the order of the file.
pub(super) fn in_running_order(rules: &[Rule]) -> Vec<&Rule> {
    let mut ordered: Vec<&Rule> = rules.iter().collect();
    ordered.sort_by_key(|rule| std::cmp::Reverse(rule.priority));
    ordered
}

fn holds(condition: &Condition, series: &SeriesContext<'_>) -> bool {
    match condition {
        Condition::All(parts) => parts.iter().all(|part| holds(part, series)),
        Condition::Any(parts) => parts.iter().any(|part| holds(part, series)),
        Condition::Not(part) => !holds(part, series),
        Condition::Test { subject, test } => matching::holds(test, &Seen::of(subject, series)),
    }
}
