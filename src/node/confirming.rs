//! stored → delivered: a destination that stored results is asked whether it commits to keeping them (storage commitment),
//! and what it reports is acted on: what it does not keep is sent again.
//!
//! Each destination has a lane of its own, as for sending. A report may come while it is asked, or on an association of
//! its own (`receive/`); either way it is in the index before it is answered, and looked at here.

use super::{Rooms, lanes, pace};
use crate::archive::{Archive, ArchiveError, CommitmentOutcome, StoredResult};
use crate::config::{Config, Peer};
use crate::deliver::{CommitmentFailure, RetryPolicy, instance_of, request_commitment};
use crate::dimse::{CommitmentReport, Status};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Results asked about in one transaction.
const MOST: u32 = 500;
/// How long a peer may still be asked after shutdown was asked for; it is asked anew at the next start.
const GRACE: Duration = Duration::from_secs(5);

pub(super) async fn run(rooms: Arc<Rooms>, shutdown: CancellationToken) {
    let due = |archive: Arc<Archive>| async move { archive.due_confirmations().await };
    lanes::run(rooms, shutdown, due, lane).await;
}

/// What the record of a result says until its destination has reported.
pub(super) fn to_be_asked(destination: &str) -> String {
    format!("`{destination}` stored the result; waiting for its storage commitment")
}

/// Sees to what is due at one destination.
async fn lane(rooms: Arc<Rooms>, destination: String, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let done = match rooms.archive.due_stored(&destination, MOST).await {
            Ok(due) if due.is_empty() => return,
            Ok(due) => tokio::select! {
                done = see_to(&rooms, &destination, due) => done,
                () = pace::end_of_grace(GRACE, &shutdown) => return,
            },
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            // It is still due: the lane is opened again for it.
            tracing::error!(destination, %error, "what a destination commits to could not be recorded");
            return;
        }
    }
}

async fn see_to(
    rooms: &Rooms,
    destination: &str,
    due: Vec<StoredResult>,
) -> Result<(), ArchiveError> {
    let at = At {
        archive: &rooms.archive,
        config: &rooms.config(),
        destination,
    };
    let mut peers = at.config.peers.iter();
    let peer = peers.find(|peer| peer.name == destination);
    let mut to_ask = Vec::new();
    let jobs: BTreeSet<i64> = due.iter().map(|result| result.job).collect();
    for result in due {
        match (result.reported, peer) {
            (Some(reported), _) => at.decide(&result, reported).await?,
            // The configuration asks for commitments no more.
            (None, Some(peer)) if !peer.storage_commitment => {
                at.archive.settled(&result, false).await?;
            }
            (None, _) if result.asked_at.is_some() => at.give_up(&result).await?,
            (None, Some(_)) => to_ask.push(result),
            (None, None) => {
                let reason = format!("there is no [[peer]] named `{destination}` any more");
                at.postpone(&result, &reason, true).await?;
            }
        }
    }
    let asked = match peer {
        Some(peer) if !to_ask.is_empty() => at.ask(peer, to_ask).await,
        _ => Ok(()),
    };
    for job in jobs {
        rooms.tell_end(job).await;
    }
    asked
}

/// A destination, and what is at hand to see to its results.
struct At<'r> {
    archive: &'r Archive,
    config: &'r Config,
    /// Name of the peer.
    destination: &'r str,
}

impl At<'_> {
    /// Asks about results, all in one transaction.
    async fn ask(&self, peer: &Peer, results: Vec<StoredResult>) -> Result<(), ArchiveError> {
        let (mut asked, mut instances) = (Vec::new(), Vec::new());
        for result in results {
            match instance_of(Path::new(&result.file)) {
                Ok(instance) => {
                    instances.push(instance);
                    asked.push(result);
                }
                Err(error) => self.not_committed(&result, &error.to_string()).await?,
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        // A UID of a random UUID (PS3.5 annex B.2): a transaction is never asked for twice.
        let transaction_uid = format!("2.25.{}", uuid::Uuid::new_v4().as_u128());
        let ae_title = peer.ae_title.as_str();
        self.archive
            .asking(&transaction_uid, ae_title, &asked)
            .await?;
        let requested = request_commitment(
            peer,
            &self.config.node.ae_title,
            &transaction_uid,
            &instances,
            &self.config.delivery,
            async |report| self.note(peer, report).await,
        )
        .await;
        match requested {
            Ok(()) => {
                let instances = instances.len();
                tracing::info!(
                    peer = self.destination,
                    instances,
                    "asked for storage commitment"
                );
                let within = self.config.delivery.commitment_within;
                self.archive.asked(&transaction_uid, within).await
            }
            Err(error) => {
                for result in &asked {
                    self.postpone(result, &error.to_string(), error.is_transient())
                        .await?;
                }
                Ok(())
            }
        }
    }

    /// A report that came on the association by which the peer was asked; gives the status to answer.
    async fn note(&self, peer: &Peer, report: CommitmentReport) -> Status {
        let instances = report.instances.into_iter();
        let outcome = CommitmentOutcome {
            transaction_uid: report.transaction_uid,
            reporting_ae: peer.ae_title.clone(),
            instances: instances
                .map(|one| (one.sop_instance, one.failure))
                .collect(),
        };
        match self.archive.commitment_reported(&outcome).await {
            Ok(true) => Status::Success,
            Ok(false) => Status::InvalidArgument,
            Err(error) => {
                tracing::error!(peer = self.destination, %error, "a report on storage commitment could not be recorded");
                Status::ProcessingFailure
            }
        }
    }

    /// It could not be asked: now, or at all.
    async fn postpone(
        &self,
        result: &StoredResult,
        why: &str,
        may_pass: bool,
    ) -> Result<(), ArchiveError> {
        let policy = RetryPolicy::from(&self.config.delivery);
        let pause = policy.next_pause(result.refusals);
        let Some(pause) = pause.filter(|_| may_pass) else {
            return self.not_committed(result, why).await;
        };
        self.count("postponed");
        tracing::warn!(
            job = result.job,
            peer = self.destination,
            why,
            ?pause,
            "not asked for storage commitment yet; trying again"
        );
        let reason = format!("{}: {why}", to_be_asked(self.destination));
        self.archive.ask_later(result, &reason, pause).await
    }

    /// It has reported on a result.
    async fn decide(&self, result: &StoredResult, reported: u16) -> Result<(), ArchiveError> {
        let job = result.job;
        if reported == 0 {
            self.count("committed");
            tracing::info!(job, peer = self.destination, "committed to");
            return self.archive.settled(result, true).await;
        }
        let failure = CommitmentFailure(reported);
        let policy = RetryPolicy::from(&self.config.delivery);
        let pause = policy.next_pause(result.refusals);
        let Some(pause) = pause.filter(|_| failure.is_transient()) else {
            return self
                .not_committed(result, &format!("it reports {failure}"))
                .await;
        };
        self.count("sent_again");
        tracing::warn!(job, peer = self.destination, %failure, ?pause, "not committed to; sending it again");
        let reason = format!(
            "`{}` stored the result, but does not commit to it ({failure}); it is sent again",
            self.destination
        );
        self.archive.send_again(result, &reason, pause).await
    }

    /// It has reported nothing, and had time enough.
    async fn give_up(&self, result: &StoredResult) -> Result<(), ArchiveError> {
        let within = humantime::format_duration(self.config.delivery.commitment_within);
        let why = format!("it was asked, and reported nothing within {within}");
        self.not_committed(result, &why).await
    }

    /// The result is there, and nobody says that it will stay there: that is for a person to see to.
    async fn not_committed(&self, result: &StoredResult, why: &str) -> Result<(), ArchiveError> {
        self.count("refused");
        let job = result.job;
        tracing::warn!(job, peer = self.destination, why, "not committed to");
        let reason = format!(
            "`{}` stored the result, but does not commit to it: {why}; the result is kept here, and `irisnode jobs retry {job}` sends it again",
            self.destination
        );
        self.archive.not_committed(result, &reason).await
    }

    /// What became of a request for commitment, for the metrics.
    fn count(&self, outcome: &'static str) {
        let destination = self.destination.to_owned();
        metrics::counter!("irisnode_commitments_total", "destination" => destination, "outcome" => outcome)
            .increment(1);
    }
}
