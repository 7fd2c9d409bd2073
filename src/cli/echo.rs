//! `irisnode echo`: Verify a peer by C-ECHO.

use super::peer_args::{PeerArgs, runtime};

const EXAMPLES: &str = "\
Examples:
  irisnode echo --to 192.0.2.10:4242 --called ORTHANC
  irisnode echo --to localhost:11112 --called IRISNODE --aet MODALITY
  irisnode echo --peer pacs --config /etc/irisnode/irisnode.toml

The exit code is 0 when the peer answered and 1 otherwise.";

/// Verify a peer by C-ECHO.
///
/// Connects, asks for an association and an echo, and says what to check when
/// the peer does not answer.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    peer: PeerArgs,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let call = args.peer.resolve()?;
    let echo = crate::deliver::echo(&call.peer, &call.calling_ae, &call.delivery);
    let elapsed = runtime()?
        .block_on(echo)
        .map_err(|error| miette::miette!("{error}"))?;
    println!(
        "{} at {}:{} answered {} in {:.0} ms",
        call.peer.ae_title,
        call.peer.host,
        call.peer.port,
        call.calling_ae,
        elapsed.as_secs_f64() * 1000.0
    );
    Ok(())
}
