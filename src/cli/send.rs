//! `irisnode send`: Send DICOM files to a peer by C-STORE.

use super::peer_args::{Call, PeerArgs, runtime};
use crate::deliver::{DeliverError, FileOutcome, store, store_patiently};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use miette::miette;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  irisnode send series/ --to 192.0.2.10:4242 --called ORTHANC
  irisnode send seg.dcm other.dcm --to localhost:4242 --called ORTHANC --aet IRISNODE
  irisnode send results/ --peer pacs --retry 1h

A folder is searched for DICOM files, subfolders included. Files go out in
their own transfer syntax; where the peer does not take it they are decoded
and sent uncompressed. The exit code is 0 when the peer acknowledged every
file and 1 otherwise.";

/// Send DICOM files to a peer by C-STORE.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// DICOM files, or folders of them.
    #[arg(required = true, value_name = "DIR|FILE")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    peer: PeerArgs,
    /// Try again for this long when the peer is down or busy.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    retry: Option<Duration>,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let Call {
        peer,
        calling_ae,
        mut delivery,
    } = args.peer.resolve()?;
    let files = find_files(&args.paths)?;
    let bar = ProgressBar::new(files.len() as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} files, {elapsed}")
            .map_err(|error| miette!("{error}"))?,
    );
    let started = Instant::now();
    let progress = |outcome: &FileOutcome| {
        if outcome.result.is_ok() {
            bar.inc(1);
        }
    };
    let outcomes = runtime()?.block_on(async {
        match args.retry {
            None => store(&peer, &calling_ae, &files, &delivery, progress).await,
            Some(patience) => {
                delivery.give_up_after = patience;
                let retrying = |error: &DeliverError, waiting: usize, pause: Duration| {
                    bar.println(format!(
                        "{error}\n{waiting} files wait; next attempt in {:.0} s",
                        pause.as_secs_f64()
                    ));
                };
                store_patiently(&peer, &calling_ae, &files, &delivery, progress, retrying).await
            }
        }
    });
    bar.finish_and_clear();
    summarize(&outcomes, started.elapsed(), &peer.ae_title)
}

/// The files to send: those named as they are, those of folders when they look like DICOM.
fn find_files(paths: &[PathBuf]) -> miette::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
                let entry = entry.map_err(|error| miette!("{error}"))?;
                if entry.file_type().is_file() && has_dicom_preamble(entry.path()) {
                    files.push(entry.into_path());
                }
            }
            if files.len() == before {
                return Err(miette!("no DICOM file in {}", path.display()));
            }
        } else if path.exists() {
            files.push(path.clone());
        } else {
            return Err(miette!("{}: no such file or folder", path.display()));
        }
    }
    Ok(files)
}

fn has_dicom_preamble(path: &std::path::Path) -> bool {
    use std::io::Read;
    let mut start = [0; 132];
    std::fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut start))
        .is_ok_and(|()| &start[128..] == b"DICM")
}

/// Says what was stored, and each reason for what was not, once.
fn summarize(outcomes: &[FileOutcome], elapsed: Duration, peer: &str) -> miette::Result<()> {
    let mut bytes = 0;
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    let mut warnings: BTreeMap<String, usize> = BTreeMap::new();
    let mut failures: BTreeMap<String, (usize, &PathBuf)> = BTreeMap::new();
    for FileOutcome { path, result } in outcomes {
        match result {
            Ok(stored) => {
                bytes += stored.bytes;
                let how = if stored.transcoded {
                    ", decoded for the peer"
                } else {
                    ""
                };
                *sent
                    .entry(format!("{}{how}", stored.transfer_syntax))
                    .or_default() += 1;
                if stored.status.is_warning() {
                    *warnings.entry(stored.status.to_string()).or_default() += 1;
                }
            }
            Err(error) => failures.entry(error.to_string()).or_insert((0, path)).0 += 1,
        }
    }
    let stored: usize = sent.values().sum();
    println!(
        "{peer} stored {stored} of {} files ({}) in {:.1} s",
        outcomes.len(),
        HumanBytes(bytes),
        elapsed.as_secs_f64()
    );
    for (how, count) in &sent {
        println!("  {count} in {how}");
    }
    for (warning, count) in &warnings {
        println!("  {count} with a warning: {warning}");
    }
    if failures.is_empty() {
        return Ok(());
    }
    let reasons: Vec<String> = failures
        .iter()
        .map(|(reason, (count, path))| match count {
            1 => reason.clone(),
            _ => format!("{count} files, the first {}: {reason}", path.display()),
        })
        .collect();
    Err(miette!("not sent: {}", reasons.join("\n")))
}
