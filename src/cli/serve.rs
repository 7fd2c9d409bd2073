//! `irisnode serve`: Run the node: receive, segment, deliver.

/// Run the node: receive, segment, deliver.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> miette::Result<()> {
    miette::bail!("not built yet")
}
