//! `irisnode notify`: Try whether people would be told.

use super::config_arg::ConfigArg;
use super::mark::Mark;
use super::peer_args::runtime;
use crate::config::{Notify, NotifyBy};
use crate::http_client::host;
use crate::notify::{Message, tell};
use miette::miette;

const EXAMPLES: &str = "\
Examples:
  irisnode notify test --config irisnode.toml
  irisnode notify test \"pacs team\"

Sends a message that says it is a test. The exit code is 0 when everyone took it.";

/// Try whether the people that [[notify]] names would be told.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Send each a test message.
    #[command(after_help = EXAMPLES)]
    Test {
        /// Only this one, by its name.
        name: Option<String>,
    },
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let config = args.config.read()?.into_config();
    let Command::Test { name } = args.command;
    let chosen = |target: &&Notify| name.as_ref().is_none_or(|name| target.name == *name);
    let targets: Vec<&Notify> = config.notify.iter().filter(chosen).collect();
    if targets.is_empty() {
        return Err(match name {
            Some(name) => miette!("there is no [[notify]] named `{name}` in the configuration"),
            None => miette!(
                help = "add one to the configuration: plugin-config/irisnode.toml shows how",
                "there is no [[notify]]: nobody is told anything"
            ),
        });
    }
    let message = Message {
        node: config.node.ae_title.clone(),
        told: Vec::new(),
    };
    let runtime = runtime()?;
    let mut failed = 0;
    for target in targets {
        let place = match &target.by {
            NotifyBy::Webhook(webhook) => host(&webhook.url),
            NotifyBy::Email(email) => format!("{} by {}", email.to.join(", "), email.host),
        };
        match runtime.block_on(tell(target, &message)) {
            Ok(()) => println!("{} {}: {place} took it", Mark::Good, target.name),
            Err(reason) => {
                failed += 1;
                println!("{} {}: {reason}", Mark::Bad, target.name);
            }
        }
    }
    match failed {
        0 => Ok(()),
        1 => Err(miette!("one of [[notify]] cannot be told")),
        failed => Err(miette!("{failed} of [[notify]] cannot be told")),
    }
}
