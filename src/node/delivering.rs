//! segmented → delivered: results go to their destinations, again and again until acknowledged or refused for good.
//!
//! Each destination has a lane of its own, so that one that is down or slow holds up no other.

use super::{Rooms, confirming, lanes, pace, step};
use crate::archive::{Archive, ArchiveError, Delivery};
use crate::config::Config;
use crate::deliver::{RetryPolicy, store};
use crate::telemetry::Step;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// How long a delivery under way may go on after shutdown was asked for; one that is cut off is made again at the next start.
const GRACE: Duration = Duration::from_secs(10);

pub(super) async fn run(rooms: Arc<Rooms>, shutdown: CancellationToken) {
    let due = |archive: Arc<Archive>| async move { archive.due_destinations().await };
    lanes::run(rooms, shutdown, due, lane).await;
}

/// Delivers what is due to one destination, one result after the other.
async fn lane(rooms: Arc<Rooms>, destination: String, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let delivered = match rooms.archive.due_delivery(&destination).await {
            Ok(Some(delivery)) => tokio::select! {
                delivered = deliver(&rooms, delivery) => delivered,
                () = pace::end_of_grace(GRACE, &shutdown) => return,
            },
            Ok(None) => return,
            Err(error) => Err(error),
        };
        if let Err(error) = delivered {
            // The delivery is still due: the lane is opened again for it.
            tracing::error!(destination, %error, "the outcome of a delivery could not be recorded");
            return;
        }
    }
}

async fn deliver(rooms: &Arc<Rooms>, delivery: Delivery) -> Result<(), ArchiveError> {
    let (at_work, sent) = (Arc::clone(rooms), delivery.clone());
    let done = match step::guarded(async move { attempt(&at_work, &sent).await }).await {
        Some(done) => done,
        None => {
            let reason = "sending the result failed; the log says where";
            let pause = rooms.config().delivery.longest_pause;
            rooms.archive.deliver_later(&delivery, reason, pause).await
        }
    };
    rooms.tell_end(delivery.job).await;
    done
}

async fn attempt(rooms: &Rooms, delivery: &Delivery) -> Result<(), ArchiveError> {
    let config = rooms.config();
    let mut peers = config.peers.iter();
    let Some(peer) = peers.find(|peer| peer.name == delivery.destination) else {
        // Whoever edits the configuration may have mistyped the name: no result is given up for that at once.
        let reason = format!(
            "there is no [[peer]] named `{}` any more",
            delivery.destination
        );
        return postpone(rooms, &config, delivery, &reason).await;
    };
    let file = [PathBuf::from(&delivery.file)];
    let start = SystemTime::now();
    let outcomes = store(peer, &config.node.ae_title, &file, &config.delivery, |_| {}).await;
    let result = outcomes.into_iter().next().map(|outcome| outcome.result);
    let job = delivery.job;
    let reason = match &result {
        Some(Err(error)) => Some(error.to_string()),
        Some(Ok(_)) | None => None,
    };
    let step = Step::since("deliver", start)
        .with("irisnode.destination", delivery.destination.clone())
        .with("irisnode.attempt", delivery.attempts + 1);
    rooms.tell_step(job, step.failed(reason.as_deref())).await;
    match result {
        Some(Ok(_)) => {
            count(delivery, "delivered");
            tracing::info!(job, destination = delivery.destination, "delivered");
            match peer.storage_commitment {
                true => {
                    let reason = confirming::to_be_asked(&peer.name);
                    rooms.archive.stored(delivery, &reason).await
                }
                false => rooms.archive.delivered(delivery).await,
            }
        }
        Some(Err(error)) if error.is_transient() => {
            count(delivery, "postponed");
            postpone(rooms, &config, delivery, &error.to_string()).await
        }
        Some(Err(error)) => {
            count(delivery, "refused");
            tracing::warn!(job, destination = delivery.destination, %error, "refused for good");
            rooms
                .archive
                .undeliverable(delivery, &error.to_string())
                .await
        }
        None => {
            let reason = "the result could not be sent";
            rooms
                .archive
                .deliver_later(delivery, reason, config.delivery.longest_pause)
                .await
        }
    }
}

/// Tries again after a pause that grows, until patience ends.
async fn postpone(
    rooms: &Rooms,
    config: &Config,
    delivery: &Delivery,
    reason: &str,
) -> Result<(), ArchiveError> {
    let (job, destination) = (delivery.job, &delivery.destination);
    let policy = RetryPolicy::from(&config.delivery);
    let Some(pause) = policy.next_pause(delivery.attempts) else {
        tracing::warn!(job, destination, reason, "gave up delivering");
        return rooms.archive.undeliverable(delivery, reason).await;
    };
    // Jitter: results that wait for one peer must not all come back at once.
    let pause = pause.mul_f64(rand::random_range(0.75..1.25));
    tracing::warn!(
        job,
        destination,
        reason,
        ?pause,
        "not delivered yet; trying again"
    );
    rooms.archive.deliver_later(delivery, reason, pause).await
}

/// An attempt to send, for the metrics.
fn count(delivery: &Delivery, outcome: &'static str) {
    let destination = delivery.destination.clone();
    metrics::counter!("irisnode_deliveries_total", "destination" => destination, "outcome" => outcome)
        .increment(1);
}
