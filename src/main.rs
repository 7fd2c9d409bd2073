//! The `irisnode` program: parses the command line and hands over to [`irisnode::cli`].

use clap::Parser;

fn main() -> miette::Result<()> {
    irisnode::cli::Cli::parse().run()
}
