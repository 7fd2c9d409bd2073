//! What routing decided for a job, as it is kept in the job table.

use serde::{Deserialize, Serialize};

/// A rule that matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlannedRule {
    /// Its name.
    pub(super) rule: String,
    /// Names of the tasks to run.
    pub(super) tasks: Vec<String>,
    /// Names of the peers that get the result.
    pub(super) destinations: Vec<String>,
    /// Why it cannot be done, if so: other rules are done all the same.
    #[serde(default)]
    pub(super) obstacle: Option<String>,
}
