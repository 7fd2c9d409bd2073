//! `irisnode segment`: Segment a folder of DICOM or a NIfTI file.

/// Segment a folder of DICOM or a NIfTI file.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> miette::Result<()> {
    miette::bail!("not built yet")
}
