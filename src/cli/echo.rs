//! `irisnode echo`: Verify a peer by C-ECHO.

/// Verify a peer by C-ECHO.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> miette::Result<()> {
    miette::bail!("not built yet")
}
