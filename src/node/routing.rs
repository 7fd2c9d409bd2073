//! complete → routed: which rules match, what they want, and where it goes.

use super::plan::{PlannedRule, segmentation, strategy, volume};
use super::{Rooms, pace, step};
use crate::archive::{ArchiveError, Job, JobState};
use crate::assemble::read_attributes;
use crate::route::{SeriesContext, decide, destinations};
use dicom_object::InMemDicomObject;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What becomes of a job.
enum Outcome {
    Routed {
        plan: Vec<PlannedRule>,
        priority: i32,
    },
    Skipped(String),
    Failed(String),
}

pub(super) async fn run(rooms: Arc<Rooms>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let step = match rooms.archive.next_job(JobState::Complete).await {
            Ok(Some(job)) => do_job(&rooms, job).await,
            Ok(None) => {
                pace::change(&rooms.archive, &shutdown).await;
                continue;
            }
            Err(error) => Err(error),
        };
        if let Err(error) = step {
            tracing::error!(%error, "a job could not be routed; trying again");
            pace::change(&rooms.archive, &shutdown).await;
        }
    }
}

async fn do_job(rooms: &Arc<Rooms>, job: Job) -> Result<(), ArchiveError> {
    let (id, at_work) = (job.id, Arc::clone(rooms));
    match step::guarded(async move { route(&at_work, &job).await }).await {
        Some(done) => done,
        None => {
            let reason = "matching the series with the rules failed; the log says where";
            rooms.archive.failed(id, reason).await
        }
    }
}

async fn route(rooms: &Rooms, job: &Job) -> Result<(), ArchiveError> {
    let files = rooms.archive.instances(job.series).await?;
    let outcome = match first_attributes(files).await {
        Ok(attributes) => choose(rooms, job, &attributes),
        Err(reason) => Outcome::Failed(reason),
    };
    match outcome {
        Outcome::Routed { plan, priority } => {
            let rules: Vec<&str> = plan.iter().map(|rule| rule.rule.as_str()).collect();
            tracing::info!(job = job.id, rules = rules.join(", "), "routed");
            let plan = serde_json::to_string(&plan).unwrap_or_default();
            rooms.archive.routed(job.id, &plan, priority).await
        }
        Outcome::Skipped(reason) => {
            tracing::info!(job = job.id, reason, "skipped");
            rooms.archive.skipped(job.id, &reason).await
        }
        Outcome::Failed(reason) => {
            tracing::warn!(job = job.id, reason, "failed");
            rooms.archive.failed(job.id, &reason).await
        }
    }
}

fn choose(rooms: &Rooms, job: &Job, attributes: &InMemDicomObject) -> Outcome {
    let series = SeriesContext {
        attributes,
        calling_ae: &job.calling_ae,
        called_ae: &job.called_ae,
    };
    let decisions = decide(&rooms.config.rules, &series);
    if decisions.matched.is_empty() {
        return Outcome::Skipped("no rule matched; `irisnode explain` shows why".into());
    }
    let mut plan = Vec::new();
    for rule in &decisions.matched {
        let (peers, obstacle) = match destinations(rule, &rooms.config.peers, &job.calling_ae) {
            Ok(peers) => (peers, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        plan.push(PlannedRule {
            rule: rule.name.clone(),
            tasks: rule.tasks.clone(),
            strategy: strategy(rule.strategy),
            volume: volume(&rule.volume),
            segmentation: segmentation(rule.segmentation),
            report: rule.report,
            hold_below: rule.hold_below,
            destinations: peers.iter().map(|peer| peer.name.clone()).collect(),
            obstacle,
        });
    }
    if plan.iter().all(|rule| rule.obstacle.is_some()) {
        let reasons = plan.into_iter().filter_map(|rule| rule.obstacle);
        return Outcome::Failed(reasons.collect::<Vec<_>>().join("; "));
    }
    let priority = decisions
        .matched
        .iter()
        .map(|rule| rule.priority)
        .max()
        .unwrap_or(0);
    Outcome::Routed { plan, priority }
}

/// The data set of one instance, pixel data left where it is.
async fn first_attributes(files: Vec<PathBuf>) -> Result<InMemDicomObject, String> {
    let first = files
        .into_iter()
        .next()
        .ok_or("the series has no instances")?;
    tokio::task::spawn_blocking(move || {
        read_attributes(&first)
            .map_err(|_| "an instance of the series cannot be read back from disk".to_owned())
    })
    .await
    .unwrap_or_else(|_| Err("reading an instance of the series failed".into()))
}
