//! `irisnode train`: Train the network on procedural episodes.

/// Train the network on procedural episodes.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> miette::Result<()> {
    miette::bail!("not built yet")
}
