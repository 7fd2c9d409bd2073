//! A lane of work for each destination, so that one that is down or slow holds up no other.

use super::{Rooms, pace};
use crate::archive::{Archive, ArchiveError};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// Opens a lane for each destination that something is `due` to, and again when that has ended and something is due
/// still; until the node shuts down and the lanes have ended.
pub(super) async fn run<D, L>(
    rooms: Arc<Rooms>,
    shutdown: CancellationToken,
    due: impl Fn(Arc<Archive>) -> D,
    lane: impl Fn(Arc<Rooms>, String, CancellationToken) -> L,
) where
    D: Future<Output = Result<Vec<String>, ArchiveError>>,
    L: Future<Output = ()> + Send + 'static,
{
    let mut lanes = JoinSet::new();
    let mut busy: HashMap<Id, String> = HashMap::new();
    while !shutdown.is_cancelled() {
        while let Some(ended) = lanes.try_join_next_with_id() {
            busy.remove(&ended.map_or_else(|error| error.id(), |(id, ())| id));
        }
        let due = match due(Arc::clone(&rooms.archive)).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the index cannot be read; trying again");
                Vec::new()
            }
        };
        for destination in due {
            if !busy.values().any(|name| *name == destination) {
                let lane = lane(Arc::clone(&rooms), destination.clone(), shutdown.clone());
                busy.insert(lanes.spawn(lane).id(), destination);
            }
        }
        pace::change(&rooms.archive, &shutdown).await;
    }
    while lanes.join_next().await.is_some() {}
}
