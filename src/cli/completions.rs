//! `irisnode completions`: completions for a shell.

use std::io::Write;

use clap::CommandFactory;
use miette::IntoDiagnostic;

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  irisnode completions bash > /etc/bash_completion.d/irisnode
  irisnode completions zsh > ~/.zfunc/_irisnode
  irisnode completions fish > ~/.config/fish/completions/irisnode.fish")]
pub struct Args {
    /// Which shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Runs the subcommand.
pub fn run(args: &Args) -> miette::Result<()> {
    // Into memory first: clap_complete panics where standard output is closed.
    let mut text = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut super::Cli::command(),
        "irisnode",
        &mut text,
    );
    std::io::stdout().write_all(&text).into_diagnostic()
}
