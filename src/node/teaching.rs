//! What is sent to the teaching AE title: images are kept, labels become proposals that wait for a person.
//!
//! ```text
//! complete ─ labels ─▶ received ─ images fetched where needed ─▶ proposed
//! ```

use super::fetching::{Fetched, fetch};
use super::{Rooms, pace, step};
use crate::archive::{ArchiveError, Job, Proposal, ProposedPart};
use crate::config::Config;
use crate::encode::{DrawnOn, LABEL_CLASSES, drawn_on};
use crate::tasks::{Rehearsal, TaskError, TaskLibrary};
use crate::teach::{Finding, Images, LeftOut, Material, Part, assign, find_images, folds, judge};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Labels that took the node down this often are set aside.
const MOST_ATTEMPTS: i64 = 3;
/// Until images that are arriving are looked for again.
const ARRIVING: Duration = Duration::from_secs(1);
/// Pause after the node's own trouble, such as a full disk.
const TROUBLE: Duration = Duration::from_secs(30);

/// What came of a look at some labels.
enum Outcome {
    /// They are understood.
    Proposed(Vec<ProposedPart>),
    /// The images are not there yet.
    Waits {
        is_fetching: bool,
        reason: String,
        wait: Duration,
    },
    /// They cannot be used; a sentence why.
    Failed(String),
}

/// Why a look came to nothing.
enum Obstacle {
    Failed(String),
    Archive(ArchiveError),
}

impl From<ArchiveError> for Obstacle {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

/// A series that was sent to the teaching AE title is complete.
pub(super) async fn take(rooms: &Rooms, config: &Config, job: &Job) -> Result<(), ArchiveError> {
    let instances = rooms.archive.instance_classes(job.series).await?;
    let all = instances.len();
    let labels: Vec<String> = instances
        .into_iter()
        .filter(|(_, class)| LABEL_CLASSES.contains(&class.as_str()))
        .map(|(instance, _)| instance)
        .collect();
    let (labels, reason) = if labels.is_empty() {
        (
            labels,
            "kept for labels that refer to it; nothing is segmented that is sent to teach"
                .to_owned(),
        )
    } else if !may_teach(config, &job.calling_ae) {
        let reason = format!(
            "labels from {}, which is not named in `from` of [teach]: kept, and nothing is proposed",
            job.calling_ae
        );
        (Vec::new(), reason)
    } else {
        (
            labels,
            "labels that teach: `irisnode teach list` shows what they propose".to_owned(),
        )
    };
    tracing::info!(
        job = job.id,
        instances = all,
        labels = labels.len(),
        "sent to teach"
    );
    rooms
        .archive
        .taught(job.id, job.series, &labels, &reason)
        .await
}

/// Whether labels of a sender make proposals: of a peer that may teach, or dropped on the page by an admin.
fn may_teach(config: &Config, ae_title: &str) -> bool {
    let mut peers = config.peers.iter();
    ae_title == config.node.ae_title
        || peers.any(|peer| peer.ae_title == ae_title && config.teach.may_teach(&peer.name))
}

pub(super) async fn run(rooms: Arc<Rooms>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let looked = match rooms.archive.due_proposal().await {
            Ok(Some(proposal)) => {
                let id = proposal.id;
                tokio::select! {
                    looked = attempt(&rooms, proposal) => looked,
                    () = shutdown.cancelled() => {
                        let reason = "the node was stopped while it looked at these labels";
                        let _ = rooms.archive.proposal_waits(id, false, reason, Duration::ZERO).await;
                        return;
                    }
                }
            }
            Ok(None) => {
                pace::change(&rooms.archive, &shutdown).await;
                continue;
            }
            Err(error) => Err(error),
        };
        if let Err(error) = looked {
            tracing::error!(%error, "labels that teach could not be looked at; trying again");
            pace::change(&rooms.archive, &shutdown).await;
        }
    }
}

/// Looks at labels unless they have taken the process down too often already.
async fn attempt(rooms: &Arc<Rooms>, proposal: Proposal) -> Result<(), ArchiveError> {
    let id = proposal.id;
    if proposal.attempts >= MOST_ATTEMPTS {
        let reason = format!(
            "the node ended {} times while it looked at these labels, so they are set aside; `irisnode teach retry {id}` tries once more",
            proposal.attempts
        );
        tracing::error!(proposal = id, reason, "failed");
        return rooms.archive.proposal_failed(id, &reason).await;
    }
    rooms.archive.trying_proposal(id).await?;
    let at_work = Arc::clone(rooms);
    let outcome = match step::guarded(async move { look(&at_work, &proposal).await }).await {
        None => Outcome::Failed("looking at the labels failed; the log says where".to_owned()),
        Some(Ok(outcome)) => outcome,
        Some(Err(Obstacle::Failed(reason))) => Outcome::Failed(reason),
        Some(Err(Obstacle::Archive(error))) => {
            tracing::error!(proposal = id, %error, pause = ?TROUBLE, "labels not looked at; trying again");
            Outcome::Waits {
                is_fetching: false,
                reason: error.to_string(),
                wait: TROUBLE,
            }
        }
    };
    match outcome {
        Outcome::Proposed(parts) => {
            tracing::info!(proposal = id, parts = parts.len(), "proposed");
            rooms.archive.proposed(id, &parts).await
        }
        Outcome::Waits {
            is_fetching,
            reason,
            wait,
        } => {
            rooms
                .archive
                .proposal_waits(id, is_fetching, &reason, wait)
                .await
        }
        Outcome::Failed(reason) => {
            // The reason may quote what a person called a structure: it is for `teach list`, not for the log.
            tracing::warn!(
                proposal = id,
                "labels cannot be used; `irisnode teach show` says why"
            );
            rooms.archive.proposal_failed(id, &reason).await
        }
    }
}

async fn look(rooms: &Rooms, proposal: &Proposal) -> Result<Outcome, Obstacle> {
    let labels = rooms
        .archive
        .instance(proposal.series, &proposal.sop_instance_uid)
        .await?;
    let labels =
        labels.ok_or_else(|| Obstacle::Failed("the labels are not held any more".into()))?;
    let path = labels.clone();
    let drawn_on = files(move || drawn_on(&path).map_err(|error| error.to_string())).await?;
    rooms
        .archive
        .drawn_on(proposal.id, &drawn_on.series_uid)
        .await?;
    // What is acknowledged and has no row yet is held too.
    rooms.archive.flush().await?;
    let images = match find_images(&rooms.archive, &drawn_on).await? {
        Images::Held(images) => images,
        Images::Arriving => {
            return Ok(Outcome::Waits {
                is_fetching: proposal.state == "fetching",
                reason: "the images are arriving".into(),
                wait: ARRIVING,
            });
        }
        missing @ (Images::Part { .. } | Images::Absent) => {
            return Ok(match fetch(rooms, proposal, &drawn_on, &missing).await {
                Fetched::Coming { reason, wait } => Outcome::Waits {
                    is_fetching: true,
                    reason,
                    wait,
                },
                Fetched::Later { reason, wait } => Outcome::Waits {
                    is_fetching: false,
                    reason,
                    wait,
                },
                Fetched::No(reason) => Outcome::Failed(reason),
            });
        }
    };
    propose(rooms, proposal, labels, images, drawn_on).await
}

/// Reads labels and images, and finds what each structure would do.
async fn propose(
    rooms: &Rooms,
    proposal: &Proposal,
    labels: PathBuf,
    images: Vec<PathBuf>,
    drawn_on: DrawnOn,
) -> Result<Outcome, Obstacle> {
    let wanted = Finding::numbers_of(proposal);
    let task_dir = rooms.config().node.task_dir.clone();
    let (material, parts) = files(move || {
        let read = Material::read(&labels, &images, &drawn_on, &wanted);
        let material = read.map_err(|error| error.to_string())?;
        let tasks = TaskLibrary::open(task_dir).and_then(|library| library.list());
        let tasks = tasks.map_err(|error| error.to_string())?;
        let parts = assign(&material.segments, &tasks);
        Ok((material, parts))
    })
    .await?;
    let mut proposed = Vec::with_capacity(parts.len());
    for part in parts {
        let numbers: Vec<u16> = part
            .structures
            .iter()
            .flat_map(|s| s.values.clone())
            .collect();
        let mut finding = Finding::of(&part, &material);
        let settled = if part.is_further {
            judged(rooms, &part, &material, &mut finding).await?
        } else {
            None
        };
        proposed.push(ProposedPart {
            segments: serde_json::to_string(&numbers).unwrap_or_default(),
            finding: finding.to_text(),
            task: part.task,
            settled,
        });
    }
    Ok(Outcome::Proposed(proposed))
}

/// Finds each reference of a task, the proposed one among them, by the others. `Some` says why there is nothing to
/// decide: the task has this very reference.
async fn judged(
    rooms: &Rooms,
    part: &Part,
    material: &Material,
    finding: &mut Finding,
) -> Result<Option<String>, Obstacle> {
    let (selections, reference) = material.clone().reference(&part.structures);
    let task = part.task.clone();
    let rehearsed = rooms
        .network
        .run(
            move |iris, library| match library.rehearse(&task, &selections, reference, iris) {
                Ok(rehearsal) => Ok(Some(rehearsal)),
                Err(TaskError::ReferenceTwice { .. }) => Ok(None),
                Err(error) => Err(error.to_string()),
            },
        )
        .await;
    let Some(mut rehearsal) = rehearsed.map_err(of_network)? else {
        return Ok(Some(format!("`{}` has this very reference", part.task)));
    };
    finding.references = rehearsal.references();
    let names = rehearsal.segment_labels();
    let all = folds(rehearsal.references());
    if all.len() < rehearsal.references() {
        finding.notes.push(format!(
            "{} of the {} references were left out in turn",
            all.len(),
            rehearsal.references()
        ));
    }
    // One at a time, so that series which wait for the network come in between.
    for left_out in all {
        let judging = rooms.network.run(move |iris, _| {
            let scores = scores(&rehearsal, left_out, iris)?;
            Ok((rehearsal, scores))
        });
        let scores;
        (rehearsal, scores) = judging.await.map_err(of_network)?;
        if scores.is_empty() {
            continue;
        }
        let name = |number: u16| {
            names
                .get(usize::from(number) - 1)
                .cloned()
                .unwrap_or_default()
        };
        finding.left_out.push(LeftOut {
            reference: left_out + 1,
            dice: scores
                .into_iter()
                .map(|(n, dice)| (name(n), dice))
                .collect(),
        });
    }
    Ok(None)
}

fn scores(
    rehearsal: &Rehearsal,
    left_out: usize,
    iris: &crate::iris::Iris,
) -> Result<Vec<(u16, f64)>, String> {
    match rehearsal
        .without(left_out)
        .map_err(|error| error.to_string())?
    {
        Some(fold) => judge(fold, iris).map_err(|error| error.to_string()),
        None => Ok(Vec::new()),
    }
}

fn of_network(error: super::network_thread::NetworkError) -> Obstacle {
    Obstacle::Failed(error.to_string())
}

/// Runs file work off the async threads; its error is a sentence.
async fn files<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, Obstacle> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err("reading labels and images failed; the log says where".into()))
        .map_err(Obstacle::Failed)
}
