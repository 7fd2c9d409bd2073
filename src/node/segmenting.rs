//! routed → segmented: the series is read onto the network's grid, the network segments it, the result is encoded and kept.

use super::encoding::{encode_report, encode_result};
use super::memory::{Fit, is_want_of_memory, may_be_want_of_memory};
use super::network_thread::{Answer, NetworkError};
use super::plan::PlannedRule;
use super::reading::{SeriesInput, read_input};
use super::reading_ahead::SlicesAhead;
use super::review::doubt;
use super::{Rooms, pace, step};
use crate::archive::{
    ArchiveError, Found, Job, JobState, NewResult, ResultFile, RuleWithoutResult,
};
use crate::assemble::VolumeChoice;
use crate::encode::{EncodeError, Provenance, ReportInstance, SegInstance, SegmentationType};
use crate::iris::{IrisConfig, give_back_memory};
use crate::segment::ResultSegment;
use crate::telemetry::Step;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio_util::sync::CancellationToken;

/// A series that took the node down this often is set aside, or it would do so for ever.
const MOST_ATTEMPTS: i64 = 3;
/// Pause after memory could not be had: others may give theirs back.
const SHORTAGE: Duration = Duration::from_secs(10);
/// Pause after the node's own trouble, such as a full disk: segmenting is dear, so it is not tried all the time.
const TROUBLE: Duration = Duration::from_secs(30);

/// How long segmenting under way may go on after shutdown was asked for.
const GRACE: Duration = Duration::from_secs(3);

/// With nothing to do for so long, memory that the last job took is given back: the next one is quicker where it finds it.
const REST: Duration = Duration::from_secs(60);

/// Why a job makes no results.
enum Obstacle {
    /// The sentence for the job's record.
    Failed(String),
    /// Nothing was found: an answer, not a failure.
    NothingFound(String),
    /// There was not enough memory; the job is tried again, though not for ever. With what is known of it.
    NoMemory(String),
    /// The node's own trouble; the job is tried again.
    Archive(ArchiveError),
    /// The network is gone, and no job can be done before the node is started again.
    NetworkGone,
}

impl Obstacle {
    /// What a trace says of it, where it is a failure.
    fn failure(&self) -> Option<&str> {
        match self {
            Self::Failed(reason) => Some(reason),
            Self::NothingFound(_) => None,
            Self::Archive(_) => Some("the archive failed; tried again"),
            Self::NoMemory(_) => Some("there was not enough memory"),
            Self::NetworkGone => Some("the network's thread has ended"),
        }
    }
}

impl From<ArchiveError> for Obstacle {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

pub(super) async fn run(rooms: Arc<Rooms>, shutdown: CancellationToken) {
    let mut worked_at = None;
    while !shutdown.is_cancelled() {
        let step = match rooms.archive.next_job(JobState::Routed).await {
            Ok(Some(job)) => {
                let id = job.id;
                tokio::select! {
                    done = attempt(&rooms, job) => {
                        worked_at = Some(Instant::now());
                        done
                    }
                    () = pace::end_of_grace(GRACE, &shutdown) => {
                        tracing::info!(job = id, "not finished; it goes on at the next start");
                        let reason = "the node was stopped while it worked on this series";
                        let _ = rooms.archive.try_later(id, reason, Duration::ZERO).await;
                        return;
                    }
                }
            }
            Ok(None) => {
                if worked_at.is_some_and(|at| at.elapsed() >= REST) {
                    worked_at = None;
                    make_room().await;
                }
                pace::change(&rooms.archive, &shutdown).await;
                continue;
            }
            Err(error) => Err(error),
        };
        if let Err(error) = step {
            tracing::error!(%error, "the archive failed; trying again");
            pace::change(&rooms.archive, &shutdown).await;
        }
    }
}

/// Does a job unless it has taken the process down too often already.
async fn attempt(rooms: &Arc<Rooms>, job: Job) -> Result<(), ArchiveError> {
    let id = job.id;
    if job.attempts >= MOST_ATTEMPTS {
        let known = rooms.archive.job(id).await?.and_then(|(job, _)| job.reason);
        // What was noted of the try that the node did not survive.
        let known = known.unwrap_or_else(|| {
            "the system's log tells whether it was for want of memory".to_owned()
        });
        let reason = format!(
            "the node ended {} times while it worked on this series ({known}), so it is set aside; `irisnode jobs retry {id}`, or the series sent again, tries once more",
            job.attempts
        );
        tracing::error!(job = id, reason, "failed");
        return rooms.archive.failed(id, &reason).await;
    }
    rooms.archive.trying(id).await?;
    let at_work = Arc::clone(rooms);
    let done = match step::guarded(async move { do_job(&at_work, &job).await }).await {
        Some(done) => done,
        None => {
            let reason = "segmenting the series failed; the log says where";
            rooms.archive.failed(id, reason).await
        }
    };
    rooms.tell_end(id).await;
    done
}

async fn do_job(rooms: &Rooms, job: &Job) -> Result<(), ArchiveError> {
    let (start, began) = (Instant::now(), SystemTime::now());
    let mut parts = Vec::new();
    let results = results(rooms, job, &mut parts).await;
    let step = Step::since("segment", began).of_parts(parts);
    rooms
        .tell_step(
            job.id,
            step.failed(results.as_ref().err().and_then(Obstacle::failure)),
        )
        .await;
    let trouble = match results {
        Ok(Results {
            made,
            without,
            network,
        }) => {
            for rule in &without {
                tracing::warn!(
                    job = job.id,
                    rule = rule.rule,
                    reason = rule.reason,
                    "a rule has no result"
                );
            }
            let took = rooms.archive.segmented(job.id, &made, &without).await?;
            metrics::histogram!("irisnode_segmenting_seconds").record(start.elapsed());
            metrics::histogram!("irisnode_network_seconds").record(network);
            tracing::info!(job = job.id, results = made.len(), superseded = !took, elapsed = ?start.elapsed(), ?network, "segmented");
            return Ok(());
        }
        Err(Obstacle::Failed(reason)) => {
            tracing::warn!(job = job.id, reason, "failed");
            return rooms.archive.failed(job.id, &reason).await;
        }
        Err(Obstacle::NothingFound(reason)) => {
            tracing::info!(job = job.id, reason, "nothing to send");
            return rooms.archive.skipped(job.id, &reason).await;
        }
        Err(Obstacle::NoMemory(known)) => return no_memory(rooms, job, &known).await,
        Err(Obstacle::Archive(error)) => error.to_string(),
        Err(Obstacle::NetworkGone) => {
            "the network's thread has ended; restart irisnode to go on".to_owned()
        }
    };
    tracing::error!(job = job.id, reason = trouble, pause = ?TROUBLE, "not segmented; trying again");
    rooms.archive.try_later(job.id, &trouble, TROUBLE).await
}

/// Gives memory that earlier jobs left back to the system.
async fn make_room() {
    // It cannot fail but where the node ends.
    let _ = tokio::task::spawn_blocking(give_back_memory).await;
}

/// A job for which there was not enough memory: tried again, and set aside when that does not help.
async fn no_memory(rooms: &Rooms, job: &Job, known: &str) -> Result<(), ArchiveError> {
    // Others, here and elsewhere on the machine, need it now.
    make_room().await;
    let (id, tries) = (job.id, job.attempts + 1);
    let reason = format!("there is not enough memory for this series: {known}");
    if tries < MOST_ATTEMPTS {
        tracing::warn!(job = id, reason, pause = ?SHORTAGE, "not segmented; trying again");
        return rooms.archive.try_again(id, &reason, SHORTAGE).await;
    }
    let reason = format!(
        "{reason}; it was tried {tries} times; give irisnode more memory, then `irisnode jobs retry {id}` tries again"
    );
    tracing::error!(job = id, reason, "failed");
    rooms.archive.failed(id, &reason).await
}

/// What a job's rules made.
#[derive(Default)]
struct Results {
    made: Vec<NewResult>,
    /// Rules that could not be done.
    without: Vec<RuleWithoutResult>,
    /// How long the network itself ran.
    network: Duration,
}

/// Does what the plan says, rule by rule: what a rule's result says must not depend on which other
/// rules happened to match, and a rule that cannot be done must not cost the others theirs.
///
/// `parts` hears how long each part of it took.
async fn results(rooms: &Rooms, job: &Job, parts: &mut Vec<Step>) -> Result<Results, Obstacle> {
    let plan: Vec<PlannedRule> = job
        .plan
        .as_deref()
        .and_then(|plan| serde_json::from_str(plan).ok())
        .ok_or_else(|| {
            Obstacle::Failed(
                "the job's record of what to do is damaged; send the series again".into(),
            )
        })?;
    let files = rooms.archive.instances(job.series).await?;
    let mut ahead = rooms.ahead.take(&files);
    let mut inputs: Vec<(VolumeChoice, Result<Arc<SeriesInput>, String>)> = Vec::new();
    let mut notes: Vec<String> = Vec::new();
    let mut results = Results::default();
    let mut nothing = Vec::new();
    for rule in plan {
        // Most jobs have one choice of volume; it is read once for all rules that choose it.
        let at = match inputs.iter().position(|(choice, _)| *choice == rule.volume) {
            Some(at) => at,
            None => {
                let began = SystemTime::now();
                let network = rooms.network.architecture();
                let input = read(&files, &rule.volume, network, std::mem::take(&mut ahead)).await;
                let reason = input.as_ref().err().map(String::as_str);
                let read_ahead = input.as_ref().map_or(0, |input| input.read_ahead);
                let step = Step::since("assemble", began)
                    .with("irisnode.slices_read_ahead", read_ahead as i64);
                parts.push(step.failed(reason));
                if let Ok(input) = &input {
                    notes.extend(input.series.notes.iter().cloned());
                }
                inputs.push((rule.volume.clone(), input));
                inputs.len() - 1
            }
        };
        let made = match &inputs[at].1 {
            Ok(input) => one_rule(rooms, job, &rule, input, parts).await,
            Err(reason) if is_want_of_memory(reason) => Err(Obstacle::NoMemory(reason.clone())),
            Err(reason) => Err(Obstacle::Failed(reason.clone())),
        };
        match made {
            Ok((made, network)) => {
                results.made.extend(made);
                results.network += network;
            }
            Err(Obstacle::Failed(reason)) => results.without.push(RuleWithoutResult {
                rule: rule.rule,
                reason,
            }),
            Err(Obstacle::NothingFound(reason)) => nothing.push(reason),
            Err(trouble) => return Err(trouble),
        }
    }
    if !notes.is_empty() {
        let note = notes.join("; ");
        tracing::info!(job = job.id, note, "series read");
        rooms.archive.note(job.id, &note).await?;
    }
    if !results.made.is_empty() {
        return Ok(results);
    }
    if results.without.is_empty() {
        return Err(Obstacle::NothingFound(nothing.join("; ")));
    }
    let mut reasons: Vec<String> = Vec::new();
    for rule in results.without {
        // Where the series is at fault, it is so for every rule.
        if !reasons.contains(&rule.reason) {
            reasons.push(rule.reason);
        }
    }
    Err(Obstacle::Failed(reasons.join("; ")))
}

/// A rule's result for each of its destinations, and how long the network ran for it.
async fn one_rule(
    rooms: &Rooms,
    job: &Job,
    rule: &PlannedRule,
    input: &Arc<SeriesInput>,
    parts: &mut Vec<Step>,
) -> Result<(Vec<NewResult>, Duration), Obstacle> {
    if let Some(obstacle) = &rule.obstacle {
        return Err(Obstacle::Failed(obstacle.clone()));
    }
    let measured = || Fit::of(&input.series.geometry, rooms.network.architecture());
    let mut fit = measured();
    if fit.is_short() {
        // What earlier jobs left counts as used, though this one may have it.
        make_room().await;
        fit = measured();
    }
    if fit.is_short() {
        tracing::warn!(job = job.id, %fit, "there may not be enough memory");
        rooms.archive.working(job.id, &fit.to_string()).await?;
    }
    let part = |name, began| Step::since(name, began).with("irisnode.rule", rule.rule.clone());
    let began = SystemTime::now();
    let answer = rooms
        .network
        .segment(
            Arc::clone(input),
            rule.tasks.clone(),
            rule.strategy,
            rule.segmentation == SegmentationType::Fractional,
        )
        .await
        .map_err(|error| match error {
            NetworkError::Refused(reason) if fit.is_short() && may_be_want_of_memory(&reason) => {
                Obstacle::NoMemory(fit.to_string())
            }
            NetworkError::Refused(reason) => Obstacle::Failed(reason),
            NetworkError::NoMemory => Obstacle::NoMemory(fit.to_string()),
            NetworkError::Gone => Obstacle::NetworkGone,
        });
    let reason = answer.as_ref().err().and_then(Obstacle::failure);
    parts.push(
        part("network", began)
            .with("irisnode.tasks", rule.tasks.join(", "))
            .failed(reason),
    );
    let answer = answer?;
    let network = answer.network;
    let found: Vec<Found> = answer.segmented.segments.iter().map(found).collect();
    let held = rule
        .hold_below
        .and_then(|least| doubt(&rule.rule, &answer.segmented.segments, least));
    let began = SystemTime::now();
    let encoded = encode(rooms, answer, Arc::clone(input), rule).await;
    let reason = encoded.as_ref().err().and_then(Obstacle::failure);
    parts.push(part("encode", began).failed(reason));
    let (file, (seg, report)) = encoded?;
    if seg.segmentation_type != rule.segmentation {
        tracing::warn!(rule = rule.rule, asked = %rule.segmentation, written = %seg.segmentation_type, "segments overlap, which a label map cannot hold");
    }
    if let Some(reason) = &held {
        tracing::info!(rule = rule.rule, reason, "held for review");
    }
    let mut files = vec![(file, seg.sop_instance_uid, Some(found))];
    if let Some(report) = report {
        let write = move |out: &mut ResultFile| out.write_all(&report.bytes);
        let kept = rooms.archive.keep_result(write).await?;
        // What fails here is the disk, and that is the outer error.
        let (file, ()) = kept.map_err(|e| Obstacle::Failed(e.to_string()))?;
        files.push((file, report.sop_instance_uid, None));
    }
    let made = rule.destinations.iter().flat_map(|destination| {
        files
            .iter()
            .map(|(file, sop_instance_uid, found)| NewResult {
                rule: rule.rule.clone(),
                destination: destination.clone(),
                file: file.clone(),
                sop_instance_uid: sop_instance_uid.clone(),
                held: held.clone(),
                found: found.clone(),
            })
    });
    Ok((made.collect(), network))
}

/// A segment for the job's record.
fn found(segment: &ResultSegment) -> Found {
    Found {
        label: segment.description.label.clone(),
        color: segment.description.color,
        ml: segment.volume_ml,
        confidence: segment.confidence,
    }
}

/// Reads the volume of some files that is chosen onto the grid of such a network; the error is a sentence.
async fn read(
    files: &[PathBuf],
    choice: &VolumeChoice,
    network: &IrisConfig,
    ahead: SlicesAhead,
) -> Result<Arc<SeriesInput>, String> {
    let (files, choice, spacing) = (files.to_vec(), choice.clone(), network.spacing_mm);
    tokio::task::spawn_blocking(move || read_input(&files, &choice, spacing, ahead))
        .await
        .map_err(|_| "assembling the series failed".to_owned())?
        .map(Arc::new)
        .map_err(|error| error.to_string())
}

/// A result and, where the rule wants one, the report on it.
type Encoded = (SegInstance, Option<ReportInstance>);

/// The file of the DICOM-SEG, what is in it, and the report on it.
async fn encode(
    rooms: &Rooms,
    answer: Answer,
    input: Arc<SeriesInput>,
    rule: &PlannedRule,
) -> Result<(PathBuf, Encoded), Obstacle> {
    let (name, kind, report) = (rule.rule.clone(), rule.segmentation, rule.report);
    let write = move |out: &mut ResultFile| {
        let source = &input.series.source;
        let provenance = Provenance {
            series_description: format!("irisnode: {name}"),
            rule: name,
            tasks: answer.segmented.tasks.clone(),
            weights_hash: answer.weights_hash,
        };
        let seg = encode_result(out, &answer.segmented, source, &provenance, kind)?;
        let report = report
            .then(|| encode_report(&answer.segmented, &seg, source, &provenance))
            .transpose()?;
        Ok::<Encoded, EncodeError>((seg, report))
    };
    match rooms.archive.keep_result(write).await? {
        Ok(kept) => Ok(kept),
        Err(nothing @ EncodeError::NothingFound { .. }) => {
            Err(Obstacle::NothingFound(nothing.to_string()))
        }
        Err(error) => Err(Obstacle::Failed(error.to_string())),
    }
}
