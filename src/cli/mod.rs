//! The command line: one file per subcommand, no logic of its own.

mod check;
mod completions;
mod config_arg;
mod echo;
mod encode;
mod evaluate;
mod evaluation_report;
mod explain;
mod fsck;
mod images;
mod init;
mod jobs;
mod known;
mod library;
mod man;
mod mark;
mod moment;
mod notify;
mod overlay;
mod pairs;
mod peer_args;
mod phantom;
mod picture;
mod ports;
mod replay;
mod segment;
mod selection;
mod send;
mod serve;
mod service_manager;
mod table;
mod task;
mod teach;
mod train;
mod training_maps;
mod tune;
mod web;

const EXAMPLES: &str = "\
The road to a running node (plugin-config/irisnode.toml explains every option):
  irisnode init --out irisnode.toml
  irisnode task add abdomen --image ct-series/ --label seg.dcm --config irisnode.toml
  irisnode check --config irisnode.toml --connect
  irisnode explain other-series/ --config irisnode.toml
  irisnode serve --config irisnode.toml

Without a node:
  irisnode segment other-series/ --task abdomen --out result/ --config irisnode.toml

`irisnode COMMAND --help` explains a command, with examples.";

/// A DICOM node that gives any PACS automatic 3D segmentation by example.
///
/// A PACS sends a CT or MR series; rules say which tasks it gets; a DICOM-SEG
/// goes back. A task is taught by one labelled example, and nothing is trained.
/// Research software, not a medical device.
#[derive(Debug, clap::Parser)]
#[command(version, propagate_version = true, after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Init(init::Args),
    Serve(serve::Args),
    Jobs(jobs::Args),
    Fsck(fsck::Args),
    Check(check::Args),
    Explain(explain::Args),
    Replay(replay::Args),
    Task(task::Args),
    Teach(teach::Args),
    Web(web::Args),
    Notify(notify::Args),
    Segment(segment::Args),
    Encode(encode::Args),
    Overlay(overlay::Args),
    Send(send::Args),
    Echo(echo::Args),
    Train(train::Args),
    Evaluate(evaluate::Args),
    Phantom(phantom::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Cli {
    /// Runs the chosen subcommand.
    pub fn run(self) -> miette::Result<()> {
        match self.command {
            Command::Init(args) => init::run(args),
            Command::Serve(args) => serve::run(args),
            Command::Jobs(args) => jobs::run(args),
            Command::Fsck(args) => fsck::run(args),
            Command::Check(args) => check::run(args),
            Command::Explain(args) => explain::run(args),
            Command::Replay(args) => replay::run(args),
            Command::Task(args) => task::run(args),
            Command::Teach(args) => teach::run(args),
            Command::Web(args) => web::run(args),
            Command::Notify(args) => notify::run(args),
            Command::Segment(args) => segment::run(args),
            Command::Encode(args) => encode::run(args),
            Command::Overlay(args) => overlay::run(args),
            Command::Send(args) => send::run(args),
            Command::Echo(args) => echo::run(args),
            Command::Train(args) => train::run(args),
            Command::Evaluate(args) => evaluate::run(args),
            Command::Phantom(args) => phantom::run(args),
            Command::Completions(args) => completions::run(&args),
            Command::Man(args) => man::run(&args),
        }
    }
}
