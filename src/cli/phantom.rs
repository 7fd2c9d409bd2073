//! `irisnode phantom`: Make procedural labelled volumes as NIfTI or DICOM.

/// Make procedural labelled volumes as NIfTI or DICOM.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> miette::Result<()> {
    miette::bail!("not built yet")
}
