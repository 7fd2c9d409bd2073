//! What other rules would have done with the series that came.

use super::decision::{Decision, decision, first_attributes};
use super::plan::PlannedRule;
use super::rule_tasks::taught_tasks;
use crate::archive::{Archive, ArchiveError, Arrived};
use crate::config::Config;

/// A series, what was done with it, and what would be.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The series and its latest job.
    pub arrived: Arrived,
    /// The rules it was done by then; none where nothing was done.
    pub then: Vec<PlannedRule>,
    /// What the configuration's rules say.
    pub now: Decision,
}

impl Replayed {
    /// Whether other rules are done, or the same ones otherwise.
    pub fn differs(&self) -> bool {
        self.then != self.now.plan()
    }
}

/// Asks the rules of a configuration about the series that came from `since` on and before `until` (milliseconds since
/// 1970). Nothing is changed. What was sent to teach is left out: rules are not asked about it.
///
/// # Errors
/// When the index or the tasks cannot be read; a series that cannot be read is a [`Decision::Failed`].
pub async fn replay(
    archive: &Archive,
    config: &Config,
    since: i64,
    until: i64,
) -> Result<Vec<Replayed>, ReplayError> {
    let taught = taught_tasks(config).await.map_err(ReplayError::Tasks)?;
    let mut replayed = Vec::new();
    for arrived in archive.arrived(since, until).await? {
        let job = &arrived.job;
        if config.teach.ae_title.as_ref() == Some(&job.called_ae) {
            continue;
        }
        let files = archive.instances(job.series).await?;
        let now = match first_attributes(files).await {
            Ok(attributes) => {
                let titles = (job.calling_ae.as_str(), job.called_ae.as_str());
                decision(config, &taught, titles, &attributes)
            }
            Err(reason) => Decision::Failed(reason),
        };
        let then = job.plan.as_deref();
        let then = then.and_then(|plan| serde_json::from_str(plan).ok());
        replayed.push(Replayed {
            then: then.unwrap_or_default(),
            now,
            arrived,
        });
    }
    Ok(replayed)
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The index.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The tasks that were taught.
    #[error("the tasks cannot be read: {0}")]
    Tasks(String),
}
