//! `irisnode check`: Check a configuration and point at what is wrong.

/// Check a configuration and point at what is wrong.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> miette::Result<()> {
    miette::bail!("not built yet")
}
