//! `irisnode check`: Check a configuration and point at what is wrong.

use crate::config::{Condition, Config, ConfigFile, Peer, Rule, size_in_words};
use std::fmt;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  irisnode check
  irisnode check --config /etc/irisnode/irisnode.toml

Every problem is shown in one run, each with its line and what to do. The
exit code is 0 when a node can start with this configuration (warnings may
remain) and 1 otherwise. Nothing is written and no port is opened.";

/// Check a configuration and point at what is wrong.
///
/// Checks every key, name and condition, and that the weights and the tasks
/// that rules name are there; then says in words what the node will do.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The configuration.
    #[arg(
        long,
        short,
        value_name = "FILE",
        env = "IRISNODE_CONFIG",
        default_value = "irisnode.toml"
    )]
    config: PathBuf,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let file = ConfigFile::read_complete(&args.config)?;
    if let Some(warnings) = file.warnings() {
        eprintln!("{:?}", miette::Report::new(warnings));
    }
    println!(
        "{} is valid.\n\n{}",
        args.config.display(),
        Summary(file.config())
    );
    Ok(())
}

/// A configuration in words.
struct Summary<'c>(&'c Config);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config {
            node,
            delivery,
            peers,
            rules,
        } = self.0;
        let callers = if node.accept_unknown_callers {
            "anyone may send"
        } else {
            "only its peers may send"
        };
        writeln!(
            f,
            "node      {} on {}; {callers}",
            node.ae_title, node.listen
        )?;
        writeln!(f, "data      {}", node.data_dir.display())?;
        writeln!(
            f,
            "          refuses instances when less than {} is free",
            size_in_words(node.min_free_bytes)
        )?;
        writeln!(f, "tasks     {}", node.task_dir.display())?;
        writeln!(f, "weights   {}", node.weights.display())?;
        writeln!(f, "device    {}", node.device)?;
        writeln!(
            f,
            "series    complete after {} without a new instance",
            humantime::format_duration(node.quiet_time)
        )?;
        writeln!(
            f,
            "delivery  retried after {}, then ever more seldom, for {}",
            humantime::format_duration(delivery.first_retry),
            humantime::format_duration(delivery.give_up_after)
        )?;
        writeln!(f, "\npeers")?;
        let name_width = peers
            .iter()
            .map(|peer| peer.name.chars().count())
            .max()
            .unwrap_or(0);
        for Peer {
            name,
            ae_title,
            host,
            port,
        } in peers
        {
            writeln!(f, "  {name:name_width$}  {ae_title} at {host}:{port}")?;
        }
        if peers.is_empty() {
            writeln!(f, "  none")?;
        }
        writeln!(f, "\nrules, in the order they run")?;
        let mut ordered: Vec<&Rule> = rules.iter().collect();
        ordered.sort_by_key(|rule| std::cmp::Reverse(rule.priority));
        for rule in ordered {
            write_rule(f, rule)?;
        }
        if rules.is_empty() {
            writeln!(f, "  none: series are kept, none is segmented")?;
        }
        Ok(())
    }
}

fn write_rule(f: &mut fmt::Formatter<'_>, rule: &Rule) -> fmt::Result {
    writeln!(f, "  {} (priority {})", rule.name, rule.priority)?;
    match &rule.when {
        Condition::All(parts) if !parts.is_empty() => {
            for (i, part) in parts.iter().enumerate() {
                let (first, word) = if i == 0 { ("when", "") } else { ("", "and ") };
                match part {
                    Condition::Any(_) => writeln!(f, "    {first:4}  {word}({part})")?,
                    part => writeln!(f, "    {first:4}  {word}{part}")?,
                }
            }
        }
        when => writeln!(f, "    when  {when}")?,
    }
    writeln!(f, "    run   {}", rule.tasks.join(", "))?;
    match rule.destinations.as_slice() {
        [] => writeln!(f, "    send  to the peer the series came from"),
        destinations => writeln!(f, "    send  to {}", destinations.join(", ")),
    }
}
