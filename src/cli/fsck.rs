//! `irisnode fsck`: hold the archive against itself, and repair its index.

use super::config_arg::ConfigArg;
use super::peer_args::runtime;
use crate::archive::examine;
use miette::{IntoDiagnostic, miette};

/// Examine what the node keeps: every instance file against its seal, and against the index.
///
/// The node must not run. A damaged index is set aside and made anew from the files; series whose jobs it held are
/// done again at the next start, with the same UIDs as before.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  irisnode fsck --config irisnode.toml

Ends with an error when a file is damaged or missing: let its sender send it again.")]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let node = args.config.read_node()?;
    let found = runtime()?
        .block_on(examine(&node.data_dir))
        .into_diagnostic()?;
    println!("{} instances are whole.", found.whole);
    if let Some(old) = &found.old_index {
        println!(
            "The index was damaged and is made anew; the old one is {}.",
            old.display()
        );
    }
    if found.indexed > 0 {
        println!(
            "{} of them were not in the index, and are now.",
            found.indexed
        );
    }
    for path in &found.damaged {
        println!("damaged: {}", path.display());
    }
    for path in &found.missing {
        println!("missing: {}", path.display());
    }
    match found.damaged.len() + found.missing.len() {
        0 => Ok(()),
        count => Err(miette!(
            help = "let their sender send them again",
            "{count} instances are damaged or missing"
        )),
    }
}
