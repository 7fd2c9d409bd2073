//! `irisnode man`: manual pages.

use std::path::PathBuf;

use clap::CommandFactory;
use miette::{IntoDiagnostic, WrapErr};

/// Write manual pages: one for irisnode and one for each of its commands.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  irisnode man --out /usr/local/share/man/man1
  irisnode man --out man && man man/irisnode-serve.1")]
pub struct Args {
    /// Folder for the pages; made if need be.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> miette::Result<()> {
    let wrong = || format!("the pages cannot be written to {}", args.out.display());
    std::fs::create_dir_all(&args.out)
        .into_diagnostic()
        .wrap_err_with(wrong)?;
    clap_mangen::generate_to(super::Cli::command(), &args.out)
        .into_diagnostic()
        .wrap_err_with(wrong)
}
