//! `irisnode send`: Send DICOM files to a peer by C-STORE.

/// Send DICOM files to a peer by C-STORE.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> miette::Result<()> {
    miette::bail!("not built yet")
}
