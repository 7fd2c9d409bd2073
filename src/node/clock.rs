//! Notices when the clock is set while the node runs: by NTP after a start with a wrong one, or by a person.

use super::{Rooms, pace};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio_util::sync::CancellationToken;

/// How often the clock on the wall is held against the one that nobody sets.
const LOOK: Duration = Duration::from_secs(5);
/// Less is a clock that is brought to the right time slowly.
const A_STEP: i64 = 2_000;

/// Until `shutdown`.
pub(super) async fn run(rooms: Arc<Rooms>, shutdown: CancellationToken) {
    let (mut wall, mut steady) = (SystemTime::now(), Instant::now());
    while pace::sleep(LOOK, &shutdown).await {
        let by = milliseconds_since(wall) - milliseconds(steady.elapsed());
        (wall, steady) = (SystemTime::now(), Instant::now());
        if by.abs() < A_STEP {
            continue;
        }
        tracing::warn!(
            seconds = by / 1000,
            "the clock was set; what waits goes on waiting as long as it would have"
        );
        if let Err(error) = rooms.archive.clock_was_set(by).await {
            tracing::error!(%error, "what waits could not be moved to the new time");
        }
    }
}

fn milliseconds_since(earlier: SystemTime) -> i64 {
    match SystemTime::now().duration_since(earlier) {
        Ok(passed) => milliseconds(passed),
        Err(back) => -milliseconds(back.duration()),
    }
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
