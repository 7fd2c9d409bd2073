//! received → complete by count: a peer that says how many instances a series has spares its series the quiet time.

use super::{Rooms, pace};
use crate::archive::ArrivingSeries;
use crate::config::{Delivery, Peer};
use crate::deliver::count_instances;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often is looked; what it adds to the turnaround.
const PERIOD: Duration = Duration::from_millis(100);
/// The same while no peer is to be asked.
const IDLE: Duration = Duration::from_secs(1);
/// A peer is asked once the associations that brought a series have ended, or, while one is open, when nothing of the
/// series has come for this long: not between two slices.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest wait for its answer; the quiet time goes on meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

pub(super) async fn run(rooms: Arc<Rooms>, shutdown: CancellationToken) {
    let mut asking = JoinSet::new();
    // Job, and the number of instances it was asked about at: asked again when there are more.
    let mut asked: HashMap<i64, u64> = HashMap::new();
    let mut period = PERIOD;
    while next_look(&rooms, period, &shutdown).await {
        while asking.try_join_next().is_some() {}
        let config = rooms.config();
        let asks = config.peers.iter().any(|peer| peer.expected_count);
        period = if asks { PERIOD } else { IDLE };
        if !asks {
            continue;
        }
        let arriving = match rooms.archive.arriving().await {
            Ok(arriving) => arriving,
            Err(error) => {
                tracing::error!(%error, "the index cannot be read; trying again");
                continue;
            }
        };
        asked.retain(|job, _| arriving.iter().any(|series| series.job == *job));
        for series in arriving {
            let peer = config
                .peers
                .iter()
                .find(|peer| peer.expected_count && peer.ae_title == series.calling_ae);
            let pauses = !series.is_open || series.quiet >= PAUSE;
            let Some(peer) = peer.filter(|_| pauses) else {
                continue;
            };
            if asked.insert(series.job, series.instances) != Some(series.instances) {
                asking.spawn(ask(Arc::clone(&rooms), peer.clone(), series));
            }
        }
    }
}

/// Waits for the end of an association, at most for a while; `false` when the node shuts down.
async fn next_look(rooms: &Rooms, period: Duration, shutdown: &CancellationToken) -> bool {
    tokio::select! {
        () = rooms.archive.association_ended() => true,
        goes_on = pace::sleep(period, shutdown) => goes_on,
    }
}

async fn ask(rooms: Arc<Rooms>, peer: Peer, series: ArrivingSeries) {
    let config = rooms.config();
    let impatient = Delivery {
        connect_timeout: config.delivery.connect_timeout.min(LONGEST_WAIT),
        response_timeout: config.delivery.response_timeout.min(LONGEST_WAIT),
        ..config.delivery.clone()
    };
    let (study, uid) = (&series.study_uid, &series.series_uid);
    let job = series.job;
    match count_instances(&peer, &config.node.ae_title, study, uid, &impatient).await {
        Ok(Some(expected)) if expected > 0 && series.instances >= expected => {
            match rooms.archive.is_all_there(&series).await {
                Ok(true) => tracing::info!(
                    job,
                    instances = series.instances,
                    "series complete, all are there"
                ),
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(job, %error, "the index cannot be written; the quiet time decides")
                }
            }
        }
        Ok(expected) => tracing::debug!(
            job,
            ?expected,
            instances = series.instances,
            "not all are there"
        ),
        Err(error) => {
            tracing::warn!(job, %error, "how many instances there are is not known; the quiet time decides")
        }
    }
}
