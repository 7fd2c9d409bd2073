//! The command line: one file per subcommand, no logic of its own.

mod check;
mod echo;
mod evaluate;
mod explain;
mod peer_args;
mod phantom;
mod segment;
mod send;
mod serve;
mod task;
mod train;

/// A DICOM node that gives any PACS automatic 3D segmentation by example.
#[derive(Debug, clap::Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Serve(serve::Args),
    Check(check::Args),
    Explain(explain::Args),
    Task(task::Args),
    Segment(segment::Args),
    Send(send::Args),
    Echo(echo::Args),
    Train(train::Args),
    Evaluate(evaluate::Args),
    Phantom(phantom::Args),
}

impl Cli {
    /// Runs the chosen subcommand.
    pub fn run(self) -> miette::Result<()> {
        match self.command {
            Command::Serve(args) => serve::run(args),
            Command::Check(args) => check::run(args),
            Command::Explain(args) => explain::run(args),
            Command::Task(args) => task::run(args),
            Command::Segment(args) => segment::run(args),
            Command::Send(args) => send::run(args),
            Command::Echo(args) => echo::run(args),
            Command::Train(args) => train::run(args),
            Command::Evaluate(args) => evaluate::run(args),
            Command::Phantom(args) => phantom::run(args),
        }
    }
}
