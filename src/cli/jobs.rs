//! `irisnode jobs`: what became of each series.

use super::config_arg::ConfigArg;
use super::peer_args::runtime;
use super::table::table;
use crate::archive::{Archive, JobSummary};
use chrono::{DateTime, Local};
use miette::IntoDiagnostic;

/// Show what became of each series: its state, and the reason when it got no result.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  irisnode jobs --config irisnode.toml
  irisnode jobs --config irisnode.toml --most 500 --json")]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// How many, the newest first.
    #[arg(long, value_name = "N", default_value_t = 50)]
    most: i64,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let config = args.config.read()?.into_config();
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
                format!("{}/{}", job.delivered, job.results),
                job.state.clone(),
                job.reason.clone().unwrap_or_default(),
            ]
        })
        .collect()
}
