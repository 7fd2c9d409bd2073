//! Storage commitment: looks whether what was asked for is safe, and reports it.

use super::{Rooms, pace};
use crate::archive::{ArchiveError, Commitment, Held};
use crate::deliver::{RetryPolicy, report_commitment};
use crate::dimse::Committed;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Failure Reason (0008,1197): No such object instance, Class / Instance conflict (PS3.3 section C.14.1.1).
const NO_SUCH_INSTANCE: u16 = 0x0112;
const CLASS_CONFLICT: u16 = 0x0119;

pub(super) async fn run(rooms: Arc<Rooms>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let done = match rooms.archive.due_commitment().await {
            Ok(Some(commitment)) => tokio::select! {
                done = report(&rooms, &commitment) => done,
                () = shutdown.cancelled() => return,
            },
            Ok(None) => {
                pace::change(&rooms.archive, &shutdown).await;
                continue;
            }
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::error!(%error, "storage commitment could not be reported; trying again");
            pace::sleep(Duration::from_secs(1), &shutdown).await;
        }
    }
}

async fn report(rooms: &Rooms, commitment: &Commitment) -> Result<(), ArchiveError> {
    let (config, request) = (rooms.config(), &commitment.request);
    let peer = config
        .peers
        .iter()
        .find(|peer| peer.ae_title == request.calling_ae);
    let Some(peer) = peer else {
        tracing::warn!(
            ae_title = request.calling_ae,
            "asked for storage commitment, and is no [[peer]] any more"
        );
        return rooms.archive.commitment_ended(commitment.id).await;
    };
    let held = rooms.archive.held(&request.instances).await?;
    let instances: Vec<Committed> = request
        .instances
        .iter()
        .zip(held)
        .map(|((class, instance), held)| Committed {
            sop_class: class.clone(),
            sop_instance: instance.clone(),
            failure: match held {
                Held::Safe => None,
                Held::Absent => Some(NO_SUCH_INSTANCE),
                Held::OtherClass => Some(CLASS_CONFLICT),
            },
        })
        .collect();
    let failed = instances.iter().filter(|one| one.failure.is_some()).count();
    let reported = report_commitment(
        peer,
        &config.node.ae_title,
        &request.transaction_uid,
        &instances,
        &config.delivery,
    )
    .await;
    match reported {
        Ok(()) => {
            tracing::info!(
                peer = peer.name,
                instances = instances.len(),
                failed,
                "storage commitment reported"
            );
            rooms.archive.commitment_ended(commitment.id).await
        }
        Err(error) => {
            let policy = RetryPolicy::from(&config.delivery);
            let pause = policy.next_pause(commitment.attempts);
            let Some(pause) = pause.filter(|_| error.is_transient()) else {
                tracing::warn!(peer = peer.name, %error, "gave up reporting storage commitment");
                return rooms.archive.commitment_ended(commitment.id).await;
            };
            tracing::warn!(peer = peer.name, %error, ?pause, "storage commitment not reported yet; trying again");
            rooms.archive.report_later(commitment.id, pause).await
        }
    }
}
