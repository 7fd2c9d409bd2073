//! segmented → delivered: results go to their destinations, again and again until acknowledged or refused for good.

use super::{Rooms, pace};
use crate::archive::{ArchiveError, Delivery};
use crate::deliver::{RetryPolicy, store};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Deliveries under way at once.
const AT_ONCE: i64 = 4;

pub(super) async fn run(rooms: Arc<Rooms>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let due = match rooms.archive.due_deliveries(AT_ONCE).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the index cannot be read; trying again");
                Vec::new()
            }
        };
        if due.is_empty() {
            pace::change(&rooms.archive, &shutdown).await;
            continue;
        }
        let mut under_way = JoinSet::new();
        for delivery in due {
            let rooms = Arc::clone(&rooms);
            under_way.spawn(async move {
                if let Err(error) = attempt(&rooms, &delivery).await {
                    tracing::error!(job = delivery.job, %error, "the outcome of a delivery could not be recorded");
                }
            });
        }
        while under_way.join_next().await.is_some() {}
    }
}

async fn attempt(rooms: &Rooms, delivery: &Delivery) -> Result<(), ArchiveError> {
    let config = &rooms.config;
    let Some(peer) = config
        .peers
        .iter()
        .find(|peer| peer.name == delivery.destination)
    else {
        let reason = format!(
            "there is no [[peer]] named `{}` any more",
            delivery.destination
        );
        return rooms.archive.undeliverable(delivery, &reason).await;
    };
    let file = [PathBuf::from(&delivery.file)];
    let outcomes = store(peer, &config.node.ae_title, &file, &config.delivery, |_| {}).await;
    let result = outcomes.into_iter().next().map(|outcome| outcome.result);
    let job = delivery.job;
    match result {
        Some(Ok(_)) => {
            tracing::info!(job, destination = delivery.destination, "delivered");
            rooms.archive.delivered(delivery).await
        }
        Some(Err(error)) if error.is_transient() => {
            let failures = u32::try_from(delivery.attempts)
                .unwrap_or(u32::MAX)
                .saturating_add(1);
            let policy = RetryPolicy::from(&config.delivery);
            let waited: Duration = (1..failures).map(|n| policy.pause_after(n)).sum();
            if waited >= config.delivery.give_up_after {
                tracing::warn!(job, destination = delivery.destination, %error, "gave up delivering");
                return rooms
                    .archive
                    .undeliverable(delivery, &error.to_string())
                    .await;
            }
            let pause = policy.pause_after(failures);
            tracing::warn!(job, destination = delivery.destination, %error, ?pause, "not delivered yet; trying again");
            rooms
                .archive
                .deliver_later(delivery, &error.to_string(), pause)
                .await
        }
        Some(Err(error)) => {
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
