//! `irisnode task`: Add, list, show and remove tasks.

/// Add, list, show and remove tasks.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> miette::Result<()> {
    miette::bail!("not built yet")
}
