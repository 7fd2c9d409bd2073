//! A lane of work for each destination, so that one that is down or slow holds up no other.

use super::{Rooms, pace};
use crate::archive::{Archive, ArchiveError};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// Lanes at work, by name; those that are still at work when this is dropped are called off.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    at_work: JoinSet<()>,
    names: HashMap<Id, String>,
}

impl Lanes {
    /// Opens a lane unless one of that name is at work; `lane` makes it.
    pub(super) fn open<L>(&mut self, name: &str, lane: impl FnOnce() -> L)
    where
        L: Future<Output = ()> + Send + 'static,
    {
        while let Some(ended) = self.at_work.try_join_next_with_id() {
            let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
            self.names.remove(&id);
        }
        if !self.names.values().any(|at_work| at_work == name) {
            let id = self.at_work.spawn(lane()).id();
            self.names.insert(id, name.to_owned());
        }
    }

    /// Waits until all have ended.
    async fn ended(mut self) {
        while self.at_work.join_next().await.is_some() {}
    }
}

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
    let mut lanes = Lanes::default();
    while !shutdown.is_cancelled() {
        let due = match due(Arc::clone(&rooms.archive)).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the index cannot be read; trying again");
                Vec::new()
            }
        };
        for destination in due {
            let name = destination.clone();
            lanes.open(&name, || {
                lane(Arc::clone(&rooms), destination, shutdown.clone())
            });
        }
        pace::change(&rooms.archive, &shutdown).await;
    }
    lanes.ended().await;
}
