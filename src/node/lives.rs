//! What the loops tell of a job's steps, where the configuration names a collector; else nothing is even asked for.

use super::Rooms;
use crate::archive::JobTimes;
use crate::telemetry::{Life, Step, Traces};
use std::time::{Duration, SystemTime};

/// Where a job came to rest.
const ENDED: [&str; 4] = ["delivered", "failed", "skipped", "discarded"];

impl Rooms {
    /// How a job stands, where somebody wants to know.
    async fn times(&self, job: i64) -> Option<(&Traces, JobTimes, Life)> {
        let traces = self.traces.as_deref()?;
        let times = self.archive.job_times(job).await.ok()??;
        let life = Life::of(&self.config().node.ae_title, job, times.created_at);
        Some((traces, times, life))
    }

    /// Tells how the series of a job came, and became complete. To be called before the job moves on.
    pub(super) async fn tell_arrival(&self, job: i64) {
        let Some((traces, times, life)) = self.times(job).await else {
            return;
        };
        // A job that is done again has no arrival of its own.
        if times.last_at < times.created_at {
            return;
        }
        let (first, last) = (at(times.created_at), at(times.last_at));
        let receive = Step::between("receive", first, last)
            .with("irisnode.instances", times.instances)
            .with("dicom.calling_ae", times.calling_ae);
        traces.tell(&life, receive);
        traces.tell(&life, Step::between("complete", last, at(times.updated_at)));
    }

    /// Tells of a step of a job.
    pub(super) async fn tell_step(&self, job: i64, step: Step) {
        if let Some((traces, _, life)) = self.times(job).await {
            traces.tell(&life, step.with("irisnode.job", job));
        }
    }

    /// Tells of the whole life of a job that has come to rest.
    pub(super) async fn tell_end(&self, job: i64) {
        let Some((traces, times, life)) = self.times(job).await else {
            return;
        };
        if !ENDED.contains(&times.state.as_str()) {
            return;
        }
        let reason = times.reason.as_deref().unwrap_or_default();
        let whole = Step::between("series", at(times.created_at), at(times.updated_at))
            .with("irisnode.job", job)
            .with("irisnode.state", times.state.clone())
            .with("irisnode.instances", times.instances)
            .with("dicom.modality", times.modality)
            .with("dicom.calling_ae", times.calling_ae)
            .failed((times.state == "failed").then_some(reason));
        traces.tell_whole(&life, whole);
    }
}

fn at(milliseconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds.max(0).unsigned_abs())
}
