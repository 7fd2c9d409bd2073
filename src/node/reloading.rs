//! The file on disk becomes what runs: at once when a person asks for it (SIGHUP), else when it has changed and lies still.
//!
//! As a whole or not at all. A file with a problem, or with a change that only a start can take, is refused; what runs
//! goes on, and the log, the status page and the metrics say so.

use super::certificates::read_complete;
use crate::config::{Config, ConfigFile, Current, Keeper};
use crate::receive::Admission;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the file is looked at; and it must be the same for so long, or it is being written.
const LOOK: Duration = Duration::from_secs(1);
/// A file that was refused is read again after this long: what it names, a task perhaps, may be there by now.
const AGAIN: Duration = Duration::from_secs(10);

/// What tells a file from the one that lay there before: time of change, length, inode.
type Stamp = Option<(SystemTime, u64, u64)>;

/// Why a configuration is not taken.
#[derive(Debug, Clone, Copy)]
enum Refused {
    ForAMistake,
    UntilARestart,
}

/// Holds the file against what runs.
#[derive(Debug)]
pub(super) struct Reloading {
    pub(super) path: PathBuf,
    pub(super) keeper: Keeper,
    pub(super) current: Current,
    pub(super) admission: watch::Sender<Arc<Admission>>,
}

impl Reloading {
    /// Until `shutdown`.
    pub(super) async fn run(self, asked: Arc<Notify>, shutdown: CancellationToken) {
        // It was read before the first look: a change since then is noticed by what it says.
        let (mut stamp, mut is_new, mut read_at) = (None, true, Instant::now());
        loop {
            let by_signal = tokio::select! {
                () = asked.notified() => true,
                () = tokio::time::sleep(LOOK) => false,
                () = shutdown.cancelled() => return,
            };
            let now = self.stamp().await;
            is_new |= now != stamp;
            let lies_still = now == stamp;
            stamp = now;
            let is_due = is_new && lies_still;
            let again = !self.current.refused().is_empty() && read_at.elapsed() >= AGAIN;
            if by_signal || is_due || again {
                (is_new, read_at) = (false, Instant::now());
                self.reload(by_signal).await;
            }
        }
    }

    async fn stamp(&self) -> Stamp {
        let file = tokio::fs::metadata(&self.path).await.ok()?;
        Some((file.modified().ok()?, file.len(), file.ino()))
    }

    async fn reload(&self, by_signal: bool) {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || read_complete(&path)).await;
        match read {
            Ok(Ok(file)) => self.take(file, by_signal),
            Ok(Err(error)) => self.refuse(Refused::ForAMistake, error.lines(), by_signal),
            Err(_) => self.refuse(
                Refused::ForAMistake,
                vec!["reading the configuration failed".to_owned()],
                by_signal,
            ),
        }
    }

    fn take(&self, file: ConfigFile, by_signal: bool) {
        let difference = self.current.get().difference(file.config());
        if !difference.needs_restart.is_empty() {
            let changed = difference.needs_restart.join(", ");
            let why = format!(
                "{} needs a restart: it changes {changed}; until then irisnode runs by the configuration it had, and nothing of the new one is in force",
                self.path.display()
            );
            return self.refuse(Refused::UntilARestart, vec![why], by_signal);
        }
        let was_refused = !self.current.refused().is_empty();
        if difference.is_nothing() {
            self.keeper.refuse(Vec::new());
            if by_signal || was_refused {
                tracing::info!("the configuration says what runs: nothing changes");
            }
            return;
        }
        if let Some(warnings) = file.warnings() {
            for line in warnings.lines() {
                tracing::warn!("{line}");
            }
        }
        let config = file.into_config();
        // First who may call: what a new caller sends then meets the new rules, or at worst the old ones.
        self.admission.send_replace(Arc::new(admission(&config)));
        self.keeper.take(config);
        metrics::counter!("irisnode_config_reloads_total", "outcome" => "taken").increment(1);
        tracing::info!(changed = %difference, "the configuration has changed and is in force");
    }

    /// Says so once, and again when a person asks or the reasons are others.
    fn refuse(&self, refused: Refused, reasons: Vec<String>, by_signal: bool) {
        if *self.current.refused() == *reasons && !by_signal {
            return;
        }
        metrics::counter!("irisnode_config_reloads_total", "outcome" => "refused").increment(1);
        match refused {
            Refused::ForAMistake => {
                tracing::error!(
                    "the configuration has changed and is refused as a whole; the earlier one stays in force"
                );
                for reason in &reasons {
                    tracing::error!("{reason}");
                }
            }
            // Nothing is wrong with it.
            Refused::UntilARestart => {
                for reason in &reasons {
                    tracing::warn!("{reason}");
                }
            }
        }
        self.keeper.refuse(reasons);
    }
}

/// Who may call by a configuration.
pub(super) fn admission(config: &Config) -> Admission {
    use crate::receive::{Caller, TeachingTitle};
    let teach = &config.teach;
    // Those who teach, and those who send images that were asked for.
    let may_call = |name: &String| teach.may_teach(name) || teach.fetch_from.contains(name);
    let teachers = config.peers.iter().filter(|peer| may_call(&peer.name));
    let callers = config.peers.iter().map(|peer| Caller {
        ae_title: peer.ae_title.clone(),
        only_from: peer.only_from.clone(),
        only_with: peer.only_with.clone(),
    });
    Admission {
        callers: callers.collect(),
        accept_unknown: config.node.accept_unknown_callers,
        teaching: teach.ae_title.clone().map(|ae_title| TeachingTitle {
            ae_title,
            callers: teachers.map(|peer| peer.ae_title.clone()).collect(),
        }),
    }
}
