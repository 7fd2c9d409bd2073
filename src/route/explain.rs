//! Why each rule matched or did not: every condition, with what was seen.

use super::decide::in_running_order;
use super::matching;
use super::seen::Seen;
use super::series_context::SeriesContext;
use crate::config::{Condition, Rule, Subject, Test};

/// One rule and why it matched or did not.
#[derive(Debug, Clone)]
pub struct RuleExplanation<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// Why.
    pub explanation: Explanation<'r>,
}

/// Whether a condition holds, and why. Every part is looked at, also where an earlier one decided already.
#[derive(Debug, Clone)]
pub struct Explanation<'r> {
    /// Whether the condition holds.
    pub holds: bool,
    /// Why.
    pub reason: Reason<'r>,
}

/// Why a condition holds or does not, shaped as the condition is.
#[derive(Debug, Clone)]
pub enum Reason<'r> {
    /// Every part had to hold.
    All(Vec<Explanation<'r>>),
    /// One part had to hold.
    Any(Vec<Explanation<'r>>),
    /// The part had not to hold.
    Not(Box<Explanation<'r>>),
    /// A test.
    Test {
        /// What was looked at.
        subject: &'r Subject,
        /// What it had to be.
        test: &'r Test,
        /// What it was.
        seen: Seen,
    },
}

/// Explains each rule, in the order rules run.
pub fn explain<'r>(rules: &'r [Rule], series: &SeriesContext<'_>) -> Vec<RuleExplanation<'r>> {
    let explained = |rule: &'r Rule| RuleExplanation {
        rule,
        explanation: explain_condition(&rule.when, series),
    };
    in_running_order(rules).into_iter().map(explained).collect()
}

fn explain_condition<'r>(condition: &'r Condition, series: &SeriesContext<'_>) -> Explanation<'r> {
    let each = |parts: &'r [Condition]| -> Vec<Explanation<'r>> {
        parts
            .iter()
            .map(|part| explain_condition(part, series))
            .collect()
    };
    match condition {
        Condition::All(parts) => {
            let parts = each(parts);
            Explanation {
                holds: parts.iter().all(|part| part.holds),
                reason: Reason::All(parts),
            }
        }
        Condition::Any(parts) => {
            let parts = each(parts);
            Explanation {
                holds: parts.iter().any(|part| part.holds),
                reason: Reason::Any(parts),
            }
        }
        Condition::Not(part) => {
            let part = explain_condition(part, series);
            Explanation {
                holds: !part.holds,
                reason: Reason::Not(Box::new(part)),
            }
        }
        Condition::Test { subject, test } => {
            let seen = Seen::of(subject, series);
            Explanation {
                holds: matching::holds(test, &seen),
                reason: Reason::Test {
                    subject,
                    test,
                    seen,
                },
            }
        }
    }
}
