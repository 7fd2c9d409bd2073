//! Waiting, cut short by shutdown.

use crate::archive::Archive;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Longest time between looks at the job table when nothing announces a change.
const IDLE: Duration = Duration::from_millis(500);

/// Sleeps; `false` when the node shuts down.
pub(super) async fn sleep(time: Duration, shutdown: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => true,
        () = shutdown.cancelled() => false,
    }
}

/// Waits until the archive changes or a while has passed; `false` when the node shuts down.
pub(super) async fn change(archive: &Archive, shutdown: &CancellationToken) -> bool {
    tokio::select! {
        () = archive.changed() => true,
        () = tokio::time::sleep(IDLE) => true,
        () = shutdown.cancelled() => false,
    }
}

/// Waits for the node to shut down, and `grace` longer: as long as what is under way may still go on.
pub(super) async fn end_of_grace(grace: Duration, shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(grace).await;
}
