//! `irisnode serve`: Run the node.

use super::config_arg::ConfigArg;
use super::service_manager;
use crate::node::{self, Orders};
use crate::receive::MOST_HALF_OPEN;
use miette::IntoDiagnostic;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Run the node: receive, segment, deliver.
///
/// Stops in good order on Ctrl-C or SIGTERM; what is not finished goes on at the next start. Follows changes of its
/// configuration, rules and peers, by itself in a moment, or at once on SIGHUP.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  irisnode serve --config irisnode.toml
  IRISNODE_LOG=debug irisnode serve --config irisnode.toml --log json")]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// How the log is written.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log: LogFormat,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let file = args.config.read_complete()?;
    start_log(args.log);
    keep_panics_quiet();
    if let Some(warnings) = file.warnings() {
        for line in warnings.lines() {
            tracing::warn!("{line}");
        }
    }
    let node = &file.config().node;
    let (ae_title, associations) = (node.ae_title.clone(), node.max_associations);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Each connection has a thread; the rest is for files and decoding.
        .max_blocking_threads(associations + MOST_HALF_OPEN + 64)
        .build()
        .into_diagnostic()?;
    let ended = runtime.block_on(async {
        let orders = Orders::default();
        let (stop, reload) = (orders.shutdown.clone(), Arc::clone(&orders.reload));
        let (mut interrupt, mut terminate, mut hang_up) = (
            signal(SignalKind::interrupt()).into_diagnostic()?,
            signal(SignalKind::terminate()).into_diagnostic()?,
            signal(SignalKind::hangup()).into_diagnostic()?,
        );
        tokio::spawn(async move {
            while hang_up.recv().await.is_some() {
                tracing::info!("asked to read the configuration again");
                reload.notify_one();
            }
        });
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("stopping: finishing what is under way");
            service_manager::stopping();
            stop.cancel();
        });
        node::run(file, orders, |address| {
            tracing::info!(%address, ae_title, "listening");
            service_manager::ready(&format!("{ae_title} listens on {address}"));
        })
        .await
        .into_diagnostic()?;
        tracing::info!("stopped");
        STOPPED.store(true, Ordering::Relaxed);
        Ok(())
    });
    // A decoder or the network in the middle of a series is not waited for: its job goes on at the next start.
    runtime.shutdown_background();
    ended
}

fn start_log(format: LogFormat) {
    // libraries below us warn about ordinary peers' ordinary mistakes
    let filter = EnvFilter::try_from_env("IRISNODE_LOG").unwrap_or_else(|_| {
        EnvFilter::new("info,sqlx=warn,tower_sessions=warn,jpeg2k=warn,openjp2=warn")
    });
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second initialisation is impossible here: this is the only one.
    match format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Set when the node has stopped and the process is about to end. A thread that is left in the middle of the network then
/// loses libtorch under its feet, and what it says of that is no news.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// The message of a panic may quote what was being read, a patient's name too: the log tells where it was, and no more.
fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|panic| {
        if STOPPED.load(Ordering::Relaxed) {
            return;
        }
        let place = panic.location().map(ToString::to_string);
        let place = place.unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("?").to_owned();
        tracing::error!(place, thread, "a panic; what it was about is left out");
    }));
}
