//! `irisnode jobs`: what became of each series, and what a person decides about it.

use super::config_arg::ConfigArg;
use super::peer_args::runtime;
use super::table::table;
use crate::archive::{
    Archive, DeliveryRecord, JobState, JobSummary, Listing, Refused, with_segments,
};
use chrono::{DateTime, Local};
use miette::{IntoDiagnostic, miette};
use std::path::Path;

/// Show what became of each series: its state, and the reason when it got no result; have a job done again, call it
/// off, release or discard what a rule holds for review.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  irisnode jobs --config irisnode.toml
  irisnode jobs --config irisnode.toml --state failed
  irisnode jobs --config irisnode.toml --most 500 --json
  irisnode jobs show 12 --config irisnode.toml
  irisnode jobs retry 12 --config irisnode.toml
  irisnode jobs cancel 12 --reason \"sent by mistake\" --config irisnode.toml
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
    /// Only those in this state.
    #[arg(long, value_name = "STATE", value_enum)]
    state: Option<JobState>,
    /// Only those older than the job of this number.
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What a person wants of a job.
#[derive(Debug, clap::Subcommand)]
enum Decision {
    /// Show the jobs, the newest first (as without a subcommand).
    List,
    /// Show one job: each result, where it goes, what became of it, and what was found.
    #[command(after_help = "Examples:\n  irisnode jobs show 12 --config irisnode.toml")]
    Show(JobArg),
    /// Have a job that failed, was skipped or was discarded done again.
    #[command(after_help = "Examples:
  irisnode jobs retry 12 --config irisnode.toml

Results that could not be delivered are sent again; where there are none, the series is matched with the rules and
segmented anew.")]
    Retry(JobArg),
    /// Call off a job that has not ended: what is not sent yet is never sent.
    #[command(after_help = "Examples:
  irisnode jobs cancel 12 --reason \"sent by mistake\" --config irisnode.toml")]
    Cancel {
        #[command(flatten)]
        job: JobArg,
        /// Why, for the record; no patient's name.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
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

/// A job.
#[derive(Debug, clap::Args)]
struct JobArg {
    /// Number of the job, as `irisnode jobs` shows it.
    #[arg(value_name = "ID")]
    job: i64,
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
    let node = args.config.read_node()?;
    let data = &node.data_dir;
    match args.decision {
        None | Some(Decision::List) => {}
        Some(Decision::Show(one)) => return runtime()?.block_on(show(data, one.job, args.json)),
        Some(Decision::Retry(one)) => {
            return runtime()?.block_on(async {
                let archive = Archive::open_index(data).await.into_diagnostic()?;
                let retried = archive.retry(one.job).await.into_diagnostic()?;
                explain(one.job, retried)?;
                println!("Job {} is done again.", one.job);
                Ok(())
            });
        }
        Some(Decision::Cancel { job: one, reason }) => {
            return runtime()?.block_on(async {
                let archive = Archive::open_index(data).await.into_diagnostic()?;
                let cancelled = archive.cancel(one.job, &reason).await.into_diagnostic()?;
                explain(one.job, cancelled)?;
                println!("Job {} is cancelled.", one.job);
                Ok(())
            });
        }
        Some(Decision::Release(held)) => {
            return runtime()?.block_on(decide(data, Review::Release(held)));
        }
        Some(Decision::Discard { held, reason }) => {
            return runtime()?.block_on(decide(data, Review::Discard { held, reason }));
        }
    }
    let listing = Listing {
        most: args.most,
        before: args.before,
        state: args.state,
    };
    let jobs = runtime()?
        .block_on(async { Archive::open_index(data).await?.jobs(listing).await })
        .into_diagnostic()?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&jobs).into_diagnostic()?);
    } else if jobs.is_empty() && (args.before, args.state) != (None, None) {
        println!("there is no such job");
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

fn explain(job: i64, done: Result<(), Refused>) -> miette::Result<()> {
    done.map_err(|refused| match refused {
        Refused::NoSuchJob => miette!(help = "`irisnode jobs` shows them", "there is no job {job}"),
        Refused::State(state) => miette!("job {job} is {state}: there is nothing to do about it"),
        Refused::NotTheLatest(latest) => miette!(
            help = format!("irisnode jobs show {latest}"),
            "job {latest} does the series of job {job}"
        ),
    })
}

async fn show(data: &Path, job: i64, json: bool) -> miette::Result<()> {
    let archive = Archive::open_index(data).await.into_diagnostic()?;
    let Some((summary, _)) = archive.job(job).await.into_diagnostic()? else {
        return explain(job, Err(Refused::NoSuchJob));
    };
    let deliveries = archive.deliveries(job).await.into_diagnostic()?;
    if json {
        let all = serde_json::json!({ "job": summary, "results": deliveries });
        println!("{}", serde_json::to_string_pretty(&all).into_diagnostic()?);
        return Ok(());
    }
    println!(
        "Job {job}: {}, {} instances of {} from {}",
        summary.state, summary.instances, summary.modality, summary.calling_ae
    );
    if let Some(reason) = &summary.reason {
        println!("{reason}");
    }
    let found = found(&deliveries);
    let rows: Vec<Vec<String>> = deliveries
        .into_iter()
        .map(|one| {
            let (tries, outcome) = (one.attempts.to_string(), one.outcome());
            vec![
                one.rule,
                one.destination,
                outcome,
                tries,
                one.reason.unwrap_or_default(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        print!(
            "{}",
            table(&["rule", "to", "state", "attempts", "reason"], &rows)
        );
    }
    if !found.is_empty() {
        print!(
            "{}",
            table(&["rule", "segment", "volume", "confidence"], &found)
        );
    }
    Ok(())
}

/// The segments of each result, once however many destinations it has.
fn found(deliveries: &[DeliveryRecord]) -> Vec<Vec<String>> {
    with_segments(deliveries)
        .into_iter()
        .flat_map(|(one, segments)| {
            segments.into_iter().map(|segment| {
                let (volume, confidence) = match segment.ml > 0.0 {
                    true => (
                        format!("{:.1} ml", segment.ml),
                        format!("{:.2}", segment.confidence),
                    ),
                    false => ("not found".to_owned(), String::new()),
                };
                vec![one.rule.clone(), segment.label, volume, confidence]
            })
        })
        .collect()
}

/// What becomes of results held for review.
enum Review {
    Release(HeldArgs),
    Discard { held: HeldArgs, reason: String },
}

async fn decide(data: &Path, decision: Review) -> miette::Result<()> {
    let archive = Archive::open_index(data).await.into_diagnostic()?;
    let (held, count, done) = match &decision {
        Review::Release(held) => {
            let count = archive.release(held.job, held.rule.as_deref()).await;
            (held, count, "released: sent")
        }
        Review::Discard { held, reason } => {
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
