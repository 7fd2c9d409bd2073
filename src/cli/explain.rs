//! `irisnode explain`: Show, for a series on disk, why each rule matched or did not.

/// Show, for a series on disk, why each rule matched or did not.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> miette::Result<()> {
    miette::bail!("not built yet")
}
