//! `irisnode teach`: what labels sent over DICOM propose, and what a person decides.

use super::config_arg::ConfigArg;
use super::peer_args::runtime;
use super::table::table;
use crate::archive::{Archive, Proposal, Undecidable};
use crate::config::Config;
use crate::tasks::TaskLibrary;
use crate::teach::{Approved, Finding, TeachError, approve, material_of, picture};
use chrono::{DateTime, Local};
use miette::{IntoDiagnostic, WrapErr, miette};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  irisnode teach list --config irisnode.toml
  irisnode teach show 3 --picture three.png
  irisnode teach approve 3
  irisnode teach approve 4 --task abdomen
  irisnode teach reject 5 --reason \"the spleen is cut off\"

A DICOM-SEG or an RTSTRUCT that is sent to the AE title of [teach] becomes a proposal for each structure: a new task, or
a further reference of the task that knows the structure. Nothing is used before it is approved.";

/// Show what labels sent over DICOM would teach; approve or reject it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    decision: Decision,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, clap::Subcommand)]
enum Decision {
    /// List proposals: those that wait for a decision, and labels that cannot be used, with the reason.
    #[command(after_help = "Examples:
  irisnode teach list --config irisnode.toml
  irisnode teach list --all --json")]
    List {
        /// Those that are decided too.
        #[arg(long)]
        all: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one proposal: its segments with their volumes, and how well the task's references are found by each other.
    #[command(after_help = "Examples:
  irisnode teach show 3 --config irisnode.toml
  irisnode teach show 3 --picture three.png

The picture shows the patient's images: keep it where only those may see it who may see the images.")]
    Show {
        #[command(flatten)]
        one: ProposalArg,
        /// Draw image and labels.
        #[arg(long, value_name = "FILE.png")]
        picture: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Approve a proposal: the task is made, or gets the further reference, and a running node uses it at once.
    #[command(after_help = "Examples:
  irisnode teach approve 3 --config irisnode.toml
  irisnode teach approve 3 --task spleen-mr")]
    Approve {
        #[command(flatten)]
        one: ProposalArg,
        /// Name of the task, instead of the proposed one; one that exists gets a further reference.
        #[arg(long, value_name = "NAME")]
        task: Option<String>,
    },
    /// Reject a proposal; the labels are kept, and the reason.
    #[command(after_help = "Examples:
  irisnode teach reject 5 --reason \"the spleen is cut off\" --config irisnode.toml")]
    Reject {
        #[command(flatten)]
        one: ProposalArg,
        /// Why, for the record; no patient's name.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Have labels that could not be used, or were rejected, looked at again.
    #[command(after_help = "Examples:
  irisnode teach retry 5 --config irisnode.toml")]
    Retry(ProposalArg),
}

/// A proposal.
#[derive(Debug, clap::Args)]
struct ProposalArg {
    /// Number of the proposal, as `irisnode teach list` shows it.
    #[arg(value_name = "ID")]
    proposal: i64,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let config = args.config.read()?.into_config();
    runtime()?.block_on(async {
        let archive = Archive::open_index(&config.node.data_dir)
            .await
            .into_diagnostic()?;
        match args.decision {
            Decision::List { all, json } => list(&archive, &config, all, json).await,
            Decision::Show { one, picture, json } => {
                show(&archive, one.proposal, picture.as_deref(), json).await
            }
            Decision::Approve { one, task } => {
                let library = TaskLibrary::open(&config.node.task_dir).into_diagnostic()?;
                let approved = approve(&archive, &library, one.proposal, task.as_deref())
                    .await
                    .map_err(with_advice)?;
                print!("{}", said(&approved, &config));
                Ok(())
            }
            Decision::Reject { one, reason } => {
                let id = one.proposal;
                let done = archive.rejected(id, &reason).await.into_diagnostic()?;
                explain(id, done)?;
                println!("Proposal {id} is rejected; the labels are kept.");
                Ok(())
            }
            Decision::Retry(one) => {
                let id = one.proposal;
                let done = archive.retry_proposal(id).await.into_diagnostic()?;
                explain(id, done)?;
                println!("Proposal {id} is looked at again by the node.");
                Ok(())
            }
        }
    })
}

fn with_advice(error: TeachError) -> miette::Report {
    match error {
        TeachError::NoSuchProposal(id) => no_such(id),
        TeachError::NotProposed { id, state } => miette!(
            help = format!("irisnode teach show {id}"),
            "proposal {id} is {state}: there is nothing to approve"
        ),
        error => miette!("{error}"),
    }
}

fn no_such(id: i64) -> miette::Report {
    miette!(
        help = "`irisnode teach list --all` shows them",
        "there is no proposal {id}"
    )
}

fn explain(id: i64, done: Result<(), Undecidable>) -> miette::Result<()> {
    done.map_err(|refused| match refused {
        Undecidable::NoSuchProposal => no_such(id),
        Undecidable::State(state) => {
            miette!("proposal {id} is {state}: there is nothing to do about it")
        }
    })
}

/// What an approval did, and what runs the task from now on.
fn said(approved: &Approved, config: &Config) -> String {
    let task = &approved.task;
    let mut text = match (approved.references, approved.joined) {
        (1, _) => format!("Task `{task}` is made.\n"),
        (number, false) => format!("Task `{task}` has {number} references now.\n"),
        (number, true) => format!(
            "Task `{task}` is there by now and knows the structure: this is its reference {number}.\n"
        ),
    };
    let is_taught = TaskLibrary::open(&config.node.task_dir)
        .and_then(|library| library.show(task))
        .is_ok_and(|task| task.taught);
    let rules = config
        .rules
        .iter()
        .filter(|rule| rule.runs(task, is_taught));
    let rules: Vec<String> = rules.map(|rule| format!("`{}`", rule.name)).collect();
    text += &match rules.as_slice() {
        [] => format!(
            "No rule runs it yet. Add it to the tasks of a rule:                         tasks = [..., \"{task}\"]\n\
             Or let a rule run whatever is taught for a series' modality: tasks = [..., \"*taught\"]\n"
        ),
        [one] => format!("Rule {one} runs it from the next series on.\n"),
        several => format!(
            "Rules {} run it from the next series on.\n",
            several.join(", ")
        ),
    };
    text
}

async fn list(archive: &Archive, config: &Config, all: bool, json: bool) -> miette::Result<()> {
    let proposals = archive.proposals().await.into_diagnostic()?;
    let hidden = proposals.iter().filter(|one| one.is_decided()).count();
    let shown: Vec<&Proposal> = proposals
        .iter()
        .filter(|proposal| all || !proposal.is_decided())
        .collect();
    if json {
        let all: Vec<serde_json::Value> = shown.iter().map(|one| document(one)).collect();
        println!("{}", serde_json::to_string_pretty(&all).into_diagnostic()?);
        return Ok(());
    }
    if shown.is_empty() {
        println!("no labels wait for a decision");
    } else {
        let rows: Vec<Vec<String>> = shown.iter().map(|one| row(one)).collect();
        let heading = [
            "proposal", "came", "from", "state", "proposes", "segments", "Dice", "reason",
        ];
        print!("{}", table(&heading, &rows));
    }
    if hidden > 0 && !all {
        println!("{hidden} decided ones: --all shows them");
    }
    if config.teach.ae_title.is_none() {
        println!("[teach] has no ae_title in the configuration: no labels can be sent to teach");
    }
    Ok(())
}

fn row(proposal: &Proposal) -> Vec<String> {
    let came = DateTime::from_timestamp_millis(proposal.created_at)
        .map(|time| time.with_timezone(&Local).format("%F %T").to_string());
    let finding = Finding::kept_with(proposal);
    let of = |words: &dyn Fn(&Finding) -> String| finding.as_ref().map_or_else(String::new, words);
    let task = proposal.task.as_deref().unwrap_or_default();
    vec![
        proposal.id.to_string(),
        came.unwrap_or_default(),
        proposal.calling_ae.clone(),
        proposal.state.clone(),
        of(&|finding| finding.in_words(task)),
        of(&|finding| {
            let segments = finding.segments.iter();
            segments
                .map(|segment| format!("{} {:.1} ml", segment.label, segment.ml))
                .collect::<Vec<_>>()
                .join(", ")
        }),
        of(&|finding| {
            finding
                .mean_dice()
                .map_or_else(|| "-".into(), |dice| format!("{dice:.2}"))
        }),
        proposal.reason.clone().unwrap_or_default(),
    ]
}

async fn show(archive: &Archive, id: i64, to: Option<&Path>, json: bool) -> miette::Result<()> {
    let found = archive.proposal(id).await.into_diagnostic()?;
    let proposal = found.ok_or_else(|| no_such(id))?;
    let finding = Finding::kept_with(&proposal);
    if json {
        let text = serde_json::to_string_pretty(&document(&proposal)).into_diagnostic()?;
        println!("{text}");
    } else {
        print!("{}", described(&proposal, finding.as_ref()));
    }
    let Some(to) = to else {
        return Ok(());
    };
    let finding =
        finding.ok_or_else(|| miette!("there is nothing to draw of proposal {id} yet"))?;
    let material = material_of(archive, &proposal).await.map_err(with_advice)?;
    picture(&material, &finding)
        .ok_or_else(|| miette!("there is nothing to draw of proposal {id}"))?
        .save_with_format(to, image::ImageFormat::Png)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} cannot be written", to.display()))?;
    eprintln!("The picture is {}.", to.display());
    Ok(())
}

fn described(proposal: &Proposal, finding: Option<&Finding>) -> String {
    let mut text = format!(
        "Proposal {}: {}, labels from {}\n",
        proposal.id, proposal.state, proposal.calling_ae
    );
    if let Some(reason) = &proposal.reason {
        text += &format!("{reason}\n");
    }
    let Some(finding) = finding else {
        return text;
    };
    let task = proposal.task.as_deref().unwrap_or_default();
    let [columns, rows, slices] = finding.size;
    let [x, y, z] = finding.spacing;
    text += &format!(
        "{}: {}\n{}, {columns} x {rows} x {slices} voxels of {x:.2} x {y:.2} x {z:.2} mm\n",
        finding.in_words(task),
        finding.why,
        finding.modality,
    );
    for note in &finding.notes {
        text += &format!("{note}\n");
    }
    let segments: Vec<Vec<String>> = finding
        .segments
        .iter()
        .map(|segment| {
            let code = &segment.code;
            vec![
                segment.label.clone(),
                format!("{} ({}, {})", code.meaning, code.scheme, code.value),
                segment.voxels.to_string(),
                format!("{:.1}", segment.ml),
            ]
        })
        .collect();
    text += &table(&["segment", "code", "voxels", "ml"], &segments);
    if finding.left_out.is_empty() {
        if finding.references < 2 {
            text += "How well it does is known once it has a second reference.\n";
        }
        return text;
    }
    text += "\neach reference, found by the others\n";
    let rows: Vec<Vec<String>> = finding
        .left_out
        .iter()
        .flat_map(|one| {
            one.dice.iter().map(|(segment, dice)| {
                let number = match one.reference == finding.references {
                    true => format!("{} (this one)", one.reference),
                    false => one.reference.to_string(),
                };
                vec![number, segment.clone(), format!("{dice:.3}")]
            })
        })
        .collect();
    text + &table(&["reference", "segment", "Dice"], &rows)
}

fn document(proposal: &Proposal) -> serde_json::Value {
    let finding = Finding::kept_with(proposal);
    serde_json::json!({
        "id": proposal.id,
        "state": proposal.state,
        "reason": proposal.reason,
        "from": proposal.calling_ae,
        "task": proposal.task,
        "mean_dice": finding.as_ref().and_then(Finding::mean_dice),
        "finding": finding,
        "came": proposal.created_at,
        "moved": proposal.updated_at,
    })
}
