//! `irisnode explain`: Show, for a series on disk, why each rule matched or did not.

use super::check::strategy;
use super::config_arg::ConfigArg;
use std::path::PathBuf;

use miette::IntoDiagnostic;
use serde_json::{Value, json};

use super::images::{missing, no_dicom};
use super::mark::Mark;
use super::peer_args::ae_title;
use crate::assemble::{SeriesFiles, group_by_series, read_attributes};
use crate::config::{ALL_TAUGHT, Config, Rule};
use crate::route::{
    Explanation, KnownTitles, Reason, RuleExplanation, SeriesContext, Verdict, destinations,
    explain,
};
use crate::tasks::TaskLibrary;

const EXAMPLES: &str = "\
Examples:
  irisnode explain series/ --config irisnode.toml
  irisnode explain export/ --config irisnode.toml --calling-ae ORTHANC
  irisnode explain series/ --config irisnode.toml --json

For each series in the folder: each rule in the order they run, each of its
conditions with the value that the series has, and what the node would do.
Only values that a rule asks for are shown; they may identify a patient.";

/// Show, for a series on disk, why each rule matched or did not.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A folder of DICOM series, or a DICOM file.
    #[arg(value_name = "DIR|FILE")]
    path: PathBuf,
    #[command(flatten)]
    config: ConfigArg,
    /// AE title of the sender, for rules that look at it and for results that go back to it.
    #[arg(long, value_name = "AE", value_parser = ae_title)]
    calling_ae: Option<String>,
    /// AE title that the sender calls.
    #[arg(long, value_name = "AE", value_parser = ae_title)]
    called_ae: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    // Tasks and weights may be absent: what is asked is whether rules match.
    let file = args.config.read()?;
    if let Some(warnings) = file.warnings() {
        eprintln!("{:?}", miette::Report::new(warnings));
    }
    let config = file.into_config();
    missing(&args.path)?;
    let groups = group_by_series(std::slice::from_ref(&args.path)).into_diagnostic()?;
    if groups.series.is_empty() {
        return Err(no_dicom(&args.path, groups.left_out.len()));
    }
    let mut documents = Vec::new();
    for (at, series) in groups.series.iter().enumerate() {
        let Some(first) = series.files.first() else {
            continue;
        };
        let attributes = read_attributes(first).into_diagnostic()?;
        let context = SeriesContext {
            attributes: &attributes,
            calling_ae: args.calling_ae.as_deref().unwrap_or_default(),
            called_ae: args.called_ae.as_deref().unwrap_or_default(),
        };
        let explained = Explained {
            rules: explain(&config.rules, &context),
            config: &config,
            calling_ae: args.calling_ae.as_deref(),
            known: KnownTitles {
                calling: args.calling_ae.is_some(),
                called: args.called_ae.is_some(),
            },
        };
        if args.json {
            documents.push(explained.document(series));
        } else {
            if at > 0 {
                println!();
            }
            print!("{}", explained.text(series));
        }
    }
    if args.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&documents).into_diagnostic()?
        );
    }
    Ok(())
}

/// The rules as one series meets them.
struct Explained<'c> {
    rules: Vec<RuleExplanation<'c>>,
    config: &'c Config,
    calling_ae: Option<&'c str>,
    known: KnownTitles,
}

impl Explained<'_> {
    fn text(&self, series: &SeriesFiles) -> String {
        let mut text = format!(
            "{} series {}, {}\n",
            or(&series.modality, "a"),
            or(&series.series_instance_uid, "without a Series Instance UID"),
            match series.files.len() {
                1 => "1 instance".to_owned(),
                count => format!("{count} instances"),
            }
        );
        if self.rules.is_empty() {
            text +=
                "\nthe configuration has no rule: the series is kept, and nothing is segmented\n";
            return text;
        }
        for RuleExplanation { rule, explanation } in &self.rules {
            let verdict = explanation.verdict(self.known);
            let word = match verdict {
                Verdict::Yes => "matches",
                Verdict::No => "does not match",
                Verdict::Unknown => "matches if the AE titles of the association fit",
            };
            text += &format!("\n{} rule `{}` {word}\n", mark(verdict), rule.name);
            match &explanation.reason {
                Reason::All(parts) if parts.is_empty() => {
                    text += "    it asks for nothing: every series matches\n";
                }
                // A rule is a list of what must hold: one level less to read.
                Reason::All(parts) => {
                    for part in parts {
                        self.branch(part, 1, &mut text);
                    }
                }
                _ => self.branch(explanation, 1, &mut text),
            }
        }
        text += "\nwhat would happen\n";
        let mut idle = true;
        for RuleExplanation { rule, explanation } in &self.rules {
            let condition = match explanation.verdict(self.known) {
                Verdict::No => continue,
                Verdict::Yes => "",
                Verdict::Unknown => "if the AE titles fit, ",
            };
            idle = false;
            text += &format!(
                "  {condition}run {}{}, send the result {}{} (rule `{}`)\n",
                self.tasks(rule, &series.modality),
                strategy(rule),
                match self.receivers(rule) {
                    Ok(names) => format!("to {names}"),
                    Err(reason) => format!("nowhere: {reason}"),
                },
                match rule.hold_below {
                    Some(least) => format!(", or hold it below a confidence of {least}"),
                    None => String::new(),
                },
                rule.name
            );
            for task in self.absent_tasks(rule) {
                text += &format!(
                    "  {} there is no task `{task}` yet: teach it with `irisnode task add {task}`\n",
                    Mark::Bad
                );
            }
        }
        if idle {
            text += "  nothing: no rule matches; the series is kept, and not segmented\n";
        }
        if !self.known.calling || !self.known.called {
            let asks = self.rules.iter().any(|rule| {
                rule.rule.destinations.is_empty()
                    || rule.explanation.verdict(self.known) == Verdict::Unknown
            });
            if asks {
                text +=
                    "  (--calling-ae and --called-ae say by which association the series comes)\n";
            }
        }
        text
    }

    fn branch(&self, explanation: &Explanation<'_>, depth: usize, text: &mut String) {
        let verdict = explanation.verdict(self.known);
        let indent = "    ".repeat(depth);
        let mark = mark(verdict);
        let (words, parts): (&str, &[Explanation<'_>]) = match &explanation.reason {
            Reason::All(parts) => ("all of these", parts),
            Reason::Any(parts) => ("any of these", parts),
            Reason::Not(part) => ("not this", std::slice::from_ref(&**part)),
            Reason::Test {
                subject,
                test,
                seen,
            } => {
                let seen = match verdict {
                    Verdict::Unknown => "not known without the association".to_owned(),
                    _ => format!("it is {}", seen.reveal()),
                };
                *text += &format!("{indent}{mark} {subject} {test}: {seen}\n");
                return;
            }
        };
        *text += &format!("{indent}{mark} {words}\n");
        for part in parts {
            self.branch(part, depth + 1, text);
        }
    }

    /// Names of the peers that get the results of a rule; the error is a sentence.
    fn receivers(&self, rule: &Rule) -> Result<String, String> {
        match self.calling_ae {
            None if rule.destinations.is_empty() => Ok("the peer it came from".to_owned()),
            calling => destinations(rule, &self.config.peers, calling.unwrap_or_default())
                .map(|peers| {
                    let names: Vec<&str> = peers.iter().map(|peer| peer.name.as_str()).collect();
                    names.join(", ")
                })
                .map_err(|error| error.to_string()),
        }
    }

    /// The tasks that a rule names, and which ones of that modality were taught where it says so.
    fn tasks(&self, rule: &Rule, modality: &str) -> String {
        let named = rule.tasks.join(", ");
        if !rule.wants_taught() {
            return named;
        }
        let taught = TaskLibrary::open(&self.config.node.task_dir).and_then(|all| all.taught());
        let taught = taught.unwrap_or_default();
        let fitting = taught.iter().filter(|task| task.is_of_modality(modality));
        let names: Vec<&str> = fitting.map(|task| task.name.as_str()).collect();
        match names.as_slice() {
            [] => format!("{named} (no task of {modality} was taught over DICOM yet)"),
            names => format!("{named} ({})", names.join(", ")),
        }
    }

    fn absent_tasks<'r>(&self, rule: &'r Rule) -> Vec<&'r str> {
        let library = TaskLibrary::open(&self.config.node.task_dir);
        let is_there = |name: &str| library.as_ref().is_ok_and(|l| l.show(name).is_ok());
        let names = rule.tasks.iter().map(String::as_str);
        let named = names.filter(|name| *name != ALL_TAUGHT);
        named.filter(|name| !is_there(name)).collect()
    }

    fn document(&self, series: &SeriesFiles) -> Value {
        let rules: Vec<Value> = self
            .rules
            .iter()
            .map(|RuleExplanation { rule, explanation }| {
                let receivers = self.receivers(rule);
                json!({
                    "rule": rule.name,
                    "priority": rule.priority,
                    "matches": explanation.verdict(self.known),
                    "condition": self.branch_document(explanation),
                    "tasks": rule.tasks,
                    "strategy": rule.strategy.name(),
                    "volume": rule.volume.to_string(),
                    "segmentation": rule.segmentation.name(),
                    "report": rule.report,
                    "hold_below": rule.hold_below,
                    "absent_tasks": self.absent_tasks(rule),
                    "destinations": receivers.as_ref().ok(),
                    "problem": receivers.as_ref().err(),
                })
            })
            .collect();
        json!({
            "series_instance_uid": series.series_instance_uid,
            "modality": series.modality,
            "instances": series.files.len(),
            "rules": rules,
        })
    }

    fn branch_document(&self, explanation: &Explanation<'_>) -> Value {
        let holds = explanation.verdict(self.known);
        let each = |parts: &[Explanation<'_>]| -> Vec<Value> {
            parts
                .iter()
                .map(|part| self.branch_document(part))
                .collect()
        };
        match &explanation.reason {
            Reason::All(parts) => json!({ "holds": holds, "all": each(parts) }),
            Reason::Any(parts) => json!({ "holds": holds, "any": each(parts) }),
            Reason::Not(part) => json!({ "holds": holds, "not": self.branch_document(part) }),
            Reason::Test {
                subject,
                test,
                seen,
            } => json!({
                "holds": holds,
                "subject": subject.to_string(),
                "test": test.to_string(),
                "seen": (holds != Verdict::Unknown).then(|| seen.reveal()),
            }),
        }
    }
}

fn mark(verdict: Verdict) -> Mark {
    match verdict {
        Verdict::Yes => Mark::Good,
        Verdict::No => Mark::Bad,
        Verdict::Unknown => Mark::Open,
    }
}

fn or<'t>(text: &'t str, otherwise: &'t str) -> &'t str {
    if text.is_empty() { otherwise } else { text }
}
