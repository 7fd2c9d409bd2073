//! complete → routed: which rules match, what they want, and where it goes.

use super::decision::{Decision, decision_on};
use super::{Rooms, pace, step, teaching};
use crate::archive::{ArchiveError, Job, JobState};
use crate::telemetry::Step;
use std::sync::Arc;
use std::time::SystemTime;
use tokio_util::sync::CancellationToken;

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
    let done = match step::guarded(async move { route(&at_work, &job).await }).await {
        Some(done) => done,
        None => {
            let reason = "matching the series with the rules failed; the log says where";
            rooms.archive.failed(id, reason).await
        }
    };
    rooms.tell_end(id).await;
    done
}

async fn route(rooms: &Rooms, job: &Job) -> Result<(), ArchiveError> {
    let start = SystemTime::now();
    rooms.tell_arrival(job.id).await;
    rooms.archive.images_came(job.series).await?;
    let config = rooms.config();
    if config.teach.ae_title.as_ref() == Some(&job.called_ae) {
        return teaching::take(rooms, &config, job).await;
    }
    let files = rooms.archive.instances(job.series).await?;
    let titles = (job.calling_ae.as_str(), job.called_ae.as_str());
    let outcome = decision_on(&config, files, titles).await;
    let step = Step::since("route", start);
    let step = match &outcome {
        Decision::Routed { plan, .. } => {
            let rules: Vec<&str> = plan.iter().map(|rule| rule.rule.as_str()).collect();
            step.with("irisnode.rules", rules.join(", "))
        }
        Decision::Skipped(_) => step,
        Decision::Failed(reason) => step.failed(Some(reason)),
    };
    rooms.tell_step(job.id, step).await;
    match outcome {
        Decision::Routed { plan, priority } => {
            let rules: Vec<&str> = plan.iter().map(|rule| rule.rule.as_str()).collect();
            tracing::info!(job = job.id, rules = rules.join(", "), "routed");
            let plan = serde_json::to_string(&plan).unwrap_or_default();
            rooms.archive.routed(job.id, &plan, priority).await
        }
        Decision::Skipped(reason) => {
            tracing::info!(job = job.id, reason, "skipped");
            rooms.archive.skipped(job.id, &reason).await
        }
        Decision::Failed(reason) => {
            tracing::warn!(job = job.id, reason, "failed");
            rooms.archive.failed(job.id, &reason).await
        }
    }
}
