//! complete → routed: which rules match, what they want, and where it goes.

use super::plan::{PlannedRule, segmentation, strategy, volume};
use super::rule_tasks::{rule_tasks, wants_taught};
use super::{Rooms, pace, step, teaching};
use crate::archive::{ArchiveError, Job, JobState};
use crate::assemble::read_attributes;
use crate::route::{SeriesContext, decide, destinations};
use crate::tasks::{Task, TaskLibrary};
use dicom_dictionary_std::tags;
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
    rooms.archive.images_came(job.series).await?;
    if rooms.config.teach.ae_title.as_ref() == Some(&job.called_ae) {
        return teaching::take(rooms, job).await;
    }
    let files = rooms.archive.instances(job.series).await?;
    let taught = taught_tasks(rooms).await;
    let outcome = match (first_attributes(files).await, taught) {
        (Ok(attributes), Ok(taught)) => choose(rooms, job, &attributes, &taught),
        (Err(reason), _) | (_, Err(reason)) => Outcome::Failed(reason),
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

/// The tasks that were taught over DICOM, where a rule wants them. The library is read anew for each series: a task that
/// was approved a moment ago is used.
async fn taught_tasks(rooms: &Rooms) -> Result<Vec<Task>, String> {
    let mut rules = rooms.config.rules.iter();
    if !rules.any(wants_taught) {
        return Ok(Vec::new());
    }
    let folder = rooms.config.node.task_dir.clone();
    tokio::task::spawn_blocking(move || TaskLibrary::open(folder)?.taught())
        .await
        .map_err(|_| "reading the tasks failed; the log says where".to_owned())?
        .map_err(|error| error.to_string())
}

fn choose(rooms: &Rooms, job: &Job, attributes: &InMemDicomObject, taught: &[Task]) -> Outcome {
    let series = SeriesContext {
        attributes,
        calling_ae: &job.calling_ae,
        called_ae: &job.called_ae,
    };
    let decisions = decide(&rooms.config.rules, &series);
    if decisions.matched.is_empty() {
        return Outcome::Skipped("no rule matched; `irisnode explain` shows why".into());
    }
    let modality = attributes
        .get(tags::MODALITY)
        .and_then(|modality| modality.to_str().ok())
        .map(|modality| modality.trim().to_owned())
        .unwrap_or_default();
    let mut plan = Vec::new();
    for rule in &decisions.matched {
        let tasks = rule_tasks(rule, taught, &modality);
        if tasks.is_empty() {
            continue;
        }
        let (peers, obstacle) = match destinations(rule, &rooms.config.peers, &job.calling_ae) {
            Ok(peers) => (peers, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        plan.push(PlannedRule {
            rule: rule.name.clone(),
            tasks,
            strategy: strategy(rule.strategy),
            volume: volume(&rule.volume),
            segmentation: segmentation(rule.segmentation),
            report: rule.report,
            hold_below: rule.hold_below,
            destinations: peers.iter().map(|peer| peer.name.clone()).collect(),
            obstacle,
        });
    }
    if plan.is_empty() {
        return Outcome::Skipped(format!(
            "rules matched, and no task of modality {modality} was taught yet"
        ));
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
