//! What the series of the jobs that are listed are called, read from a file of each once.

use crate::archive::{Archive, JobSummary};
use crate::assemble::read_attributes;
use dicom_dictionary_std::tags;
use std::collections::HashMap;
use std::path::Path;
use tokio::sync::Mutex;

/// Series Descriptions (0008,103E) by job; empty where a series has none.
#[derive(Debug, Default)]
pub(super) struct Described(Mutex<HashMap<i64, String>>);

impl Described {
    /// Those of the jobs listed; of others nothing is kept.
    pub(super) async fn of(&self, archive: &Archive, jobs: &[JobSummary]) -> HashMap<i64, String> {
        let mut known = self.0.lock().await;
        let mut listed = HashMap::new();
        for job in jobs {
            let description = match known.remove(&job.id) {
                Some(description) => Some(description),
                None => read(archive, job.id).await,
            };
            listed.extend(description.map(|description| (job.id, description)));
        }
        *known = listed.clone();
        listed
    }
}

/// Nothing where the file cannot be read now: it is tried again.
async fn read(archive: &Archive, job: i64) -> Option<String> {
    let Some(file) = archive.instance_of(job).await.ok()? else {
        return Some(String::new());
    };
    let read = tokio::task::spawn_blocking(move || description(&file));
    read.await.ok()?
}

fn description(file: &Path) -> Option<String> {
    let attributes = read_attributes(file).ok()?;
    let description = attributes.get(tags::SERIES_DESCRIPTION);
    let text = description.and_then(|element| element.to_str().ok());
    Some(text.unwrap_or_default().trim().to_owned())
}
