//! People are told what needs them, again and again until they have been, and never so often that they stop reading.
//!
//! What is to be told lies in the archive. Each target has a lane of its own, so that one that is dead holds up no
//! other, and none holds up the road.

use super::lanes::Lanes;
use super::plan::PlannedRule;
use super::{Rooms, pace, step};
use crate::archive::{Archive, ArchiveError, Notice, Standing};
use crate::config::{Config, Event, Notify};
use crate::deliver::RetryPolicy;
use crate::notify::{Message, Told, tell};
use chrono::{DateTime, Local, Utc};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often is looked whether there is something to tell.
const PERIOD: Duration = Duration::from_secs(1);
/// What follows upon the first thing within this time goes into the same message.
const GATHERED: Duration = Duration::from_secs(2);
/// How often readiness is looked at, and what was told is forgotten.
const READINESS: Duration = Duration::from_secs(5);
/// What nobody could be told for this long is dropped.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

pub(super) async fn run(rooms: Arc<Rooms>, shutdown: CancellationToken) {
    let mut lanes = Lanes::default();
    let mut readiness = Readiness::default();
    while pace::sleep(PERIOD, &shutdown).await {
        let config = rooms.config();
        if let Err(error) = keep_targets(&rooms.archive, &config).await {
            tracing::error!(%error, "who is to be told cannot be recorded; trying again");
            continue;
        }
        readiness.look(&rooms).await;
        for target in &config.notify {
            lanes.open(&target.name, || lane(Arc::clone(&rooms), target.clone()));
        }
    }
    // A message under way is told again at the next start, unless it was taken.
}

/// Those that the configuration names are told of what happens from now on: to be called before anything can happen.
pub(super) async fn keep_targets(archive: &Archive, config: &Config) -> Result<(), ArchiveError> {
    let names = config.notify.iter().map(|target| target.name.as_str());
    archive.keep_targets(&names.collect::<Vec<_>>()).await
}

/// Tells one target what is due, if anything is.
async fn lane(rooms: Arc<Rooms>, target: Notify) {
    let name = target.name.clone();
    let told = step::guarded(async move { attempt(&rooms, &target).await }).await;
    if let Some(Err(error)) = told {
        tracing::error!(notify = name, %error, "what somebody has been told cannot be recorded; it may be told twice");
    }
}

async fn attempt(rooms: &Rooms, target: &Notify) -> Result<(), ArchiveError> {
    let (archive, name) = (&rooms.archive, &target.name);
    let Some((standing, notices)) = archive.untold(name).await? else {
        return Ok(());
    };
    let Some(last) = notices.last() else {
        return Ok(());
    };
    let told: Vec<Told> = notices
        .iter()
        .filter_map(in_words)
        .filter(|one| target.on.contains(&one.event))
        .collect();
    let Some(first) = told.first() else {
        return archive.told(name, last.id, false).await;
    };
    if Utc::now().timestamp_millis() < due(&standing, first, target) {
        return Ok(());
    }
    let message = Message {
        node: rooms.config().node.ae_title.clone(),
        told,
    };
    let outcome = tell(target, &message).await;
    let word = if outcome.is_ok() { "told" } else { "postponed" };
    metrics::counter!("irisnode_notifications_total", "target" => name.clone(), "outcome" => word)
        .increment(1);
    match outcome {
        Ok(()) => {
            tracing::info!(notify = name, about = message.told.len(), "told");
            archive.told(name, last.id, true).await
        }
        Err(reason) => {
            let pause = patience()
                .next_pause(standing.attempts)
                .unwrap_or(patience().longest);
            tracing::warn!(notify = name, reason, ?pause, "not told yet; trying again");
            archive.tell_later(name, pause).await
        }
    }
}

/// When a target may be told next, milliseconds since 1970.
fn due(standing: &Standing, first: &Told, target: &Notify) -> i64 {
    let gap = Duration::from_secs(3600) / target.at_most.max(1);
    let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let gathered = first
        .at
        .timestamp_millis()
        .saturating_add(milliseconds(GATHERED));
    let spaced = standing.last_at.saturating_add(milliseconds(gap));
    gathered.max(spaced).max(standing.next_at)
}

fn patience() -> RetryPolicy {
    RetryPolicy {
        first: Duration::from_secs(5),
        longest: Duration::from_secs(15 * 60),
        total: LONGEST,
    }
}

/// A notice as it is told; nothing for one of a later irisnode.
fn in_words(notice: &Notice) -> Option<Told> {
    let event = Event::ALL
        .into_iter()
        .find(|event| event.name() == notice.event)?;
    let plan = notice.plan.as_deref().filter(|_| notice.rule.is_none());
    let plan: Option<Vec<PlannedRule>> = plan.and_then(|plan| serde_json::from_str(plan).ok());
    let planned = plan.unwrap_or_default().into_iter().map(|rule| rule.rule);
    let at = DateTime::from_timestamp_millis(notice.at).unwrap_or_default();
    Some(Told {
        event,
        at: at.with_timezone(&Local),
        job: notice.job,
        proposal: notice.proposal,
        rules: notice.rule.clone().into_iter().chain(planned).collect(),
        destination: notice.destination.clone(),
        state: notice.state.clone(),
        reason: notice.reason.clone(),
    })
}

/// Whether instances are taken, as it was last seen.
#[derive(Default)]
struct Readiness {
    looked: Option<Instant>,
    is_refusing: bool,
}

impl Readiness {
    /// Notes a change.
    async fn look(&mut self, rooms: &Rooms) {
        if self.looked.is_some_and(|at| at.elapsed() < READINESS) {
            return;
        }
        self.looked = Some(Instant::now());
        let archive = &rooms.archive;
        let obstacle = archive.obstacle(rooms.config().node.min_free_bytes).await;
        let noted = match (&obstacle, self.is_refusing) {
            (Some(reason), false) => archive.note_readiness(reason).await,
            (None, true) => archive.note_readiness("instances are taken again").await,
            _ => archive.forget_told(LONGEST).await,
        };
        match noted {
            Ok(()) => self.is_refusing = obstacle.is_some(),
            // Where the index cannot be written, /readyz and the log are left to say so.
            Err(error) => tracing::warn!(%error, "notices cannot be written; trying again"),
        }
    }
}
