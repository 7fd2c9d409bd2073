//! `irisnode evaluate`: Measure Dice of the network and its baselines.

/// Measure Dice of the network and its baselines.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> miette::Result<()> {
    miette::bail!("not built yet")
}
