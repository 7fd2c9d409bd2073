//! `irisnode replay`: What new rules would have done with the series that came.

use super::config_arg::ConfigArg;
use super::moment::moment;
use super::peer_args::runtime;
use super::table::table;
use crate::archive::{Archive, Refused};
use crate::node::{Decision, Replayed, replay};
use chrono::{DateTime, Local, Utc};
use dialoguer::Confirm;
use miette::{IntoDiagnostic, miette};
use serde_json::{Value, json};
use std::io::IsTerminal;

const EXAMPLES: &str = "\
Examples:
  irisnode replay --config new.toml --since yesterday --dry-run
  irisnode replay --config new.toml --since 2026-11-20 --until \"2026-11-20 14:00\" --dry-run --json
  irisnode replay --config irisnode.toml --since 2h --yes

The rules of the configuration are asked about each series that the archive holds, as a node would ask them. With
--dry-run that is all, and a running node notices nothing. Without it, the series that would be done otherwise are done
again by the running node (or the next one that starts), by just these rules; results already sent stay where they are.";

/// Show what new rules would have done with the series that came, and have them done again.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Series that came since: yesterday, today, 2h, 3days, 2026-11-20, \"2026-11-20 14:00\".
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: DateTime<Local>,
    /// Series that came before [default: now].
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<DateTime<Local>>,
    /// Only show.
    #[arg(long)]
    dry_run: bool,
    /// Do again also what would be done as it was.
    #[arg(long, conflicts_with = "dry_run")]
    all: bool,
    /// Do it without asking.
    #[arg(long, short, conflicts_with = "dry_run")]
    yes: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<DateTime<Local>, String> {
    moment(text, Local::now())
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    if !args.dry_run && !args.yes && !std::io::stdin().is_terminal() {
        return Err(miette!(
            help = "add --dry-run to look, or --yes to have series done again",
            "there is no terminal to ask at"
        ));
    }
    // What rules name must be there: a series is not done again by a task that nobody taught.
    let config = match args.dry_run {
        true => args.config.read()?,
        false => args.config.read_complete()?,
    };
    let config = config.into_config();
    let until = args.until.unwrap_or_else(Local::now).timestamp_millis();
    runtime()?.block_on(async {
        let archive = Archive::open_index(&config.node.data_dir)
            .await
            .into_diagnostic()?;
        let replayed = replay(&archive, &config, args.since.timestamp_millis(), until)
            .await
            .into_diagnostic()?;
        if !args.json {
            print!("{}", text(&replayed, args.since));
        }
        let chosen: Vec<&Replayed> = replayed
            .iter()
            .filter(|one| (args.all || one.differs()) && !one.now.plan().is_empty())
            .collect();
        let mut again = Vec::new();
        if !args.dry_run && !chosen.is_empty() && (args.yes || confirmed(chosen.len())?) {
            for one in chosen {
                again.push((one.arrived.job.id, do_again(&archive, one).await?));
            }
        }
        if args.json {
            let document = document(&replayed, &again);
            println!(
                "{}",
                serde_json::to_string_pretty(&document).into_diagnostic()?
            );
        } else if !args.dry_run {
            print!("{}", in_words(&again));
        }
        Ok(())
    })
}

fn confirmed(series: usize) -> miette::Result<bool> {
    Confirm::new()
        .with_prompt(format!("Do {series} series again by these rules?"))
        .default(false)
        .interact()
        .into_diagnostic()
}

async fn do_again(archive: &Archive, one: &Replayed) -> miette::Result<Result<i64, Refused>> {
    let Decision::Routed { plan, priority } = &one.now else {
        return Ok(Err(Refused::State(one.arrived.state.clone())));
    };
    let plan = serde_json::to_string(plan).into_diagnostic()?;
    let job = one.arrived.job.id;
    archive.do_by(job, &plan, *priority).await.into_diagnostic()
}

/// A job, and the new one that does its series again, or why none does.
type Again = (i64, Result<i64, Refused>);

fn in_words(again: &[Again]) -> String {
    let mut text = String::new();
    for (job, new) in again {
        text += &match new {
            Ok(new) => format!("Job {new} does the series of job {job} again.\n"),
            Err(Refused::State(state)) => {
                format!("Job {job} is {state}: it is under way already.\n")
            }
            Err(_) => format!("Job {job} has got a later one meanwhile.\n"),
        };
    }
    if again.is_empty() {
        text += "Nothing is done again.\n";
    }
    text
}

fn text(replayed: &[Replayed], since: DateTime<Local>) -> String {
    let since = since.format("%F %H:%M");
    if replayed.is_empty() {
        return format!("no series has come since {since}\n");
    }
    let rows: Vec<Vec<String>> = replayed
        .iter()
        .map(|one| {
            let arrived = &one.arrived;
            vec![
                arrived.job.id.to_string(),
                clock(arrived.arrived_at).format("%F %T").to_string(),
                arrived.job.calling_ae.clone(),
                arrived.modality.clone(),
                arrived.instances.to_string(),
                format!("{} [{}]", rules(&one.then), arrived.state),
                match &one.now {
                    Decision::Routed { plan, .. } => rules(plan),
                    Decision::Skipped(reason) | Decision::Failed(reason) => {
                        format!("nothing: {reason}")
                    }
                },
                if one.differs() { "*" } else { "" }.to_owned(),
            ]
        })
        .collect();
    let heading = [
        "job",
        "came",
        "from",
        "modality",
        "instances",
        "done",
        "these rules",
        "differs",
    ];
    let differing = replayed.iter().filter(|one| one.differs());
    let idle = differing.clone().filter(|one| one.now.plan().is_empty());
    format!(
        "{}\n{} series since {since}: these rules do {} of them otherwise, {} of those not at all\n",
        table(&heading, &rows),
        replayed.len(),
        differing.count(),
        idle.count()
    )
}

fn rules(plan: &[crate::node::PlannedRule]) -> String {
    if plan.is_empty() {
        return "nothing".to_owned();
    }
    let rules: Vec<String> = plan.iter().map(ToString::to_string).collect();
    rules.join("; ")
}

fn clock(milliseconds: i64) -> DateTime<Local> {
    let time = DateTime::<Utc>::from_timestamp_millis(milliseconds).unwrap_or_default();
    time.with_timezone(&Local)
}

fn document(replayed: &[Replayed], again: &[Again]) -> Value {
    let one = |one: &Replayed| {
        let arrived = &one.arrived;
        let id = arrived.job.id;
        let new = again.iter().find(|(job, _)| *job == id);
        json!({
            "job": id,
            "came": clock(arrived.arrived_at).to_rfc3339(),
            "calling_ae": arrived.job.calling_ae,
            "modality": arrived.modality,
            "instances": arrived.instances,
            "state": arrived.state,
            "reason": arrived.reason,
            "done": one.then,
            "these_rules": one.now.plan(),
            "why_nothing": match &one.now {
                Decision::Routed { .. } => None,
                Decision::Skipped(reason) | Decision::Failed(reason) => Some(reason),
            },
            "differs": one.differs(),
            "done_again_by": new.and_then(|(_, new)| new.as_ref().ok()),
        })
    };
    replayed.iter().map(one).collect()
}
