//! `irisnode jobs`: what became of each series, and what becomes of a result that is held for review.

use super::config_arg::ConfigArg;
use super::peer_args::runtime;
use super::table::table;
use crate::archive::{Archive, JobSummary};
use chrono::{DateTime, Local};
use miette::{IntoDiagnostic, miette};
use std::path::Path;

/// Show what became of each series: its state, and the reason when it got no result; release or discard what a
/// rule holds for review.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  irisnode jobs --config irisnode.toml
  irisnode jobs --config irisnode.toml --most 500 --json
  irisnode jobs release 12 --config irisnode.toml
  irisnode jobs discard 12 --reason \"the liver is cut off\" --config irisnode.toml")]
pub struct Args {
    #[command(subcommand)]
    decision: Option<Decision>,
    #[command(flatten)]
    config: ConfigArg,
    /// How many, the newest first.
    #[arg(long, value_name = "N", default_value_t = 50)]
    most: i64,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What becomes of results held for review.
#[derive(Debug, clap::Subcommand)]
enum Decision {
    /// Send what a job holds for review.
    #[command(after_help = "Examples:
  irisnode jobs release 12 --config irisnode.toml
  irisnode jobs release 12 --rule \"abdominal CT\"

A node that runs sends it at once; else the next one that is started does.")]
    Release(HeldArgs),
    /// Never send what a job holds for review; its file stays, and the reason.
    #[command(after_help = "Examples:
  irisnode jobs discard 12 --reason \"the liver is cut off\" --config irisnode.toml")]
    Discard {
        #[command(flatten)]
        held: HeldArgs,
        /// Why, for the record; no patient's name.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// Held results.
#[derive(Debug, clap::Args)]
struct HeldArgs {
    /// Number of the job, as `irisnode jobs` shows it.
    #[arg(value_name = "ID")]
    job: i64,
    /// Only the result of this rule [default: of every rule].
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let config = args.config.read()?.into_config();
    if let Some(decision) = args.decision {
        return runtime()?.block_on(decide(&config.node.data_dir, decision));
    }
    let jobs = runtime()?
        .block_on(async {
            Archive::open_index(&config.node.data_dir)
                .await?
                .jobs(args.most)
                .await
        })
        .into_diagnostic()?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&jobs).into_diagnostic()?);
    } else if jobs.is_empty() {
        println!("no series has arrived yet");
    } else {
        print!(
            "{}",
            table(
                &[
                    "job",
                    "moved",
                    "from",
                    "modality",
                    "instances",
                    "sent",
                    "state",
                    "reason"
                ],
                &rows(&jobs)
            )
        );
    }
    Ok(())
}

async fn decide(data: &Path, decision: Decision) -> miette::Result<()> {
    let archive = Archive::open_index(data).await.into_diagnostic()?;
    let (held, count, done) = match &decision {
        Decision::Release(held) => {
            let count = archive.release(held.job, held.rule.as_deref()).await;
            (held, count, "released: sent")
        }
        Decision::Discard { held, reason } => {
            let count = archive
                .discard(held.job, held.rule.as_deref(), reason)
                .await;
            (held, count, "discarded: not sent")
        }
    };
    let of_rule = match &held.rule {
        Some(rule) => format!(" of rule `{rule}`"),
        None => String::new(),
    };
    match count.into_diagnostic()? {
        0 => Err(miette!(
            help = "`irisnode jobs` shows which jobs hold a result",
            "job {} holds no result{of_rule} for review",
            held.job
        )),
        1 => {
            println!(
                "1 result of job {}{of_rule} is {done} to its destination.",
                held.job
            );
            Ok(())
        }
        count => {
            println!(
                "{count} results of job {}{of_rule} are {done} to their destinations.",
                held.job
            );
            Ok(())
        }
    }
}

fn rows(jobs: &[JobSummary]) -> Vec<Vec<String>> {
    jobs.iter()
        .map(|job| {
            let moved = DateTime::from_timestamp_millis(job.updated_at)
                .map(|time| time.with_timezone(&Local).format("%F %T").to_string());
            vec![
                job.id.to_string(),
                moved.unwrap_or_default(),
                job.calling_ae.clone(),
                job.modality.clone(),
                job.instances.to_string(),
                match job.held {
                    0 => format!("{}/{}", job.delivered, job.results),
                    held => format!("{}/{}, {held} held", job.delivered, job.results),
                },
                job.state.clone(),
                [&job.reason, &job.note]
                    .into_iter()
                    .flatten()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join("; "),
            ]
        })
        .collect()
}
