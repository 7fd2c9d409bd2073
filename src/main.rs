//! The `irisnode` program: parses the command line and hands over to [`irisnode::cli`].

use clap::Parser;

fn main() -> miette::Result<()> {
    irisnode::iris::keep_freed_memory();
    irisnode::cli::Cli::parse().run()
}
