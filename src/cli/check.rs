//! `irisnode check`: Check a configuration and point at what is wrong.

use super::config_arg::ConfigArg;
use super::mark::Mark;
use super::peer_args::runtime;
use super::ports::try_ports;
use crate::config::{
    Condition, Config, ConfigFile, Delivery, Notify, NotifyBy, Peer, Rule, Segmentation, Strategy,
    TlsIdentity, Volume, size_in_words,
};
use crate::deliver::{DeliverError, accepts_commitment, accepts_get, echo};
use crate::dicomweb::query_any;
use crate::http_client::host;
use crate::node::{certificate_in_words, dicomweb_of, revoked_in_words};
use miette::{IntoDiagnostic, miette};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Longest wait for one answer of a peer.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Examples:
  irisnode check
  irisnode check --config /etc/irisnode/irisnode.toml
  irisnode check --config /etc/irisnode/irisnode.toml --connect

Every problem of the file is shown in one run, each with its line and what to
do; peers are called once there is none. The exit code is 0 when a node can
start with this configuration (warnings may remain) and, with --connect, every
peer answered and no other program has the ports; else it is 1. Nothing is
written.";

/// Check a configuration and point at what is wrong.
///
/// Checks every key, name and condition, and that the weights and the tasks
/// that rules name are there; then says in words what the node will do.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Call each peer by C-ECHO, ask those that are to commit to results or to give images whether they do that at all,
    /// and point at those that do not answer; and try the node's own ports.
    #[arg(long)]
    connect: bool,
}

/// Runs the subcommand.
pub fn run(args: Args) -> miette::Result<()> {
    let file = args.config.read_complete()?;
    if let Some(warnings) = file.warnings() {
        eprintln!("{:?}", miette::Report::new(warnings));
    }
    println!(
        "{} is valid.\n\n{}",
        args.config.path().display(),
        Summary(file.config())
    );
    if args.connect {
        connect(&file, args.config.path())
    } else {
        Ok(())
    }
}

/// Tries the node's own addresses, calls every peer, all at once, and prints what came of it.
fn connect(file: &ConfigFile, path: &Path) -> miette::Result<()> {
    let Config {
        node,
        delivery,
        peers,
        ..
    } = file.config();
    let ports = try_ports(file.config());
    print!("\nwhere it listens\n{}", ports.lines);
    println!("\nconnections");
    if peers.is_empty() {
        println!("  there is no peer to call");
    }
    // Somebody is waiting at the terminal: what a delivery may take, a check may not.
    let impatient = Delivery {
        connect_timeout: delivery.connect_timeout.min(LONGEST_WAIT),
        response_timeout: delivery.response_timeout.min(LONGEST_WAIT),
        ..delivery.clone()
    };
    let outcomes = runtime()?.block_on(async {
        let calls: Vec<_> = peers
            .iter()
            .map(|peer| {
                let (peer, calling_ae, delivery) =
                    (peer.clone(), node.ae_title.clone(), impatient.clone());
                tokio::spawn(async move { call(&peer, &calling_ae, &delivery).await })
            })
            .collect();
        let mut outcomes = Vec::with_capacity(calls.len());
        for call in calls {
            outcomes.push(call.await);
        }
        outcomes
    });
    let mut problems = Vec::new();
    for (index, (peer, outcome)) in peers.iter().zip(outcomes).enumerate() {
        let Peer {
            name,
            ae_title,
            host,
            port,
            ..
        } = peer;
        match outcome.into_diagnostic()? {
            Ok(elapsed) => println!(
                "  {} {name}: {ae_title} at {host}:{port} answered in {:.0} ms",
                Mark::Good,
                elapsed.as_secs_f64() * 1000.0
            ),
            Err(error) => {
                println!(
                    "  {} {name}: {ae_title} at {host}:{port} did not answer as it should",
                    Mark::Bad
                );
                let sentence = error;
                let (message, help) = sentence
                    .split_once("; ")
                    .unwrap_or((&sentence, "check the peer, its address and its AE title"));
                problems.push(file.problem_with_peer(index, message, help));
            }
        }
    }
    if !problems.is_empty() {
        return Err(file.invalid(problems).into());
    }
    if !ports.taken.is_empty() {
        return Err(miette!(
            help = "name another port or address there, or stop what listens there now",
            "a node could not listen where {} says:\n{}",
            path.display(),
            ports.taken.join("\n")
        ));
    }
    Ok(())
}

/// Calls a peer, and asks one that is to commit to results whether it does, one that is to give images by C-GET whether
/// it does that, and one that has DICOMweb whether it answers;
/// gives how long the call took. The error is a sentence.
async fn call(peer: &Peer, calling_ae: &str, delivery: &Delivery) -> Result<Duration, String> {
    let in_words = |error: DeliverError| error.to_string();
    let elapsed = echo(peer, calling_ae, delivery).await.map_err(in_words)?;
    if peer.storage_commitment {
        accepts_commitment(peer, calling_ae, delivery)
            .await
            .map_err(in_words)?;
    }
    if peer.c_get && peer.dicomweb.is_none() {
        accepts_get(peer, calling_ae, delivery)
            .await
            .map_err(in_words)?;
    }
    if let Some(dicomweb) = &peer.dicomweb {
        let asked = query_any(dicomweb_of(dicomweb)?);
        let answered = tokio::time::timeout(delivery.response_timeout, asked).await;
        let help = "check `dicomweb`, who signs in there, and dicomweb_authorities";
        answered
            .map_err(|_| format!("its DICOMweb does not answer in time; {help}"))?
            .map_err(|error| format!("its DICOMweb: {error}; {help}"))?;
    }
    Ok(elapsed)
}

/// A configuration in words.
struct Summary<'c>(&'c Config);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config {
            node,
            delivery,
            teach,
            web,
            telemetry,
            dicomweb,
            tls,
            peers,
            rules,
            notify,
        } = self.0;
        let callers = if node.accept_unknown_callers {
            "anyone may send"
        } else {
            "only its peers may send"
        };
        writeln!(
            f,
            "node      {} on {}; {callers}",
            node.ae_title, node.listen
        )?;
        match tls {
            None => writeln!(f, "tls       none: associations are not encrypted")?,
            Some(tls) => {
                writeln!(f, "tls       {}", certificate_in_words(&tls.identity))?;
                writeln!(
                    f,
                    "          {}",
                    match tls.client_authorities {
                        Some(_) => "callers must show a certificate",
                        None => "no certificate is asked of callers",
                    }
                )?;
                if let Some(words) = revoked_in_words(tls) {
                    writeln!(f, "          revoked certificates: {words}")?;
                }
                if let Some(address) = tls.plain_listen {
                    writeln!(f, "          also without TLS on {address}")?;
                }
            }
        }
        writeln!(f, "data      {}", node.data_dir.display())?;
        writeln!(
            f,
            "          refuses instances when less than {} is free",
            size_in_words(node.min_free_bytes)
        )?;
        writeln!(f, "tasks     {}", node.task_dir.display())?;
        writeln!(f, "weights   {}", node.weights.display())?;
        writeln!(f, "device    {}", node.device)?;
        writeln!(
            f,
            "series    complete after {} without a new instance",
            humantime::format_duration(node.quiet_time)
        )?;
        writeln!(
            f,
            "delivery  retried after {}, then ever more seldom, for {}",
            humantime::format_duration(delivery.first_retry),
            humantime::format_duration(delivery.give_up_after)
        )?;
        if let Some(title) = &teach.ae_title {
            let who = |names: &[String], otherwise: &str| match names {
                [] => otherwise.to_owned(),
                names => names.join(", "),
            };
            writeln!(
                f,
                "teaching  by labels sent to {title}; from {}, images fetched from {}",
                who(&teach.from, "every peer"),
                who(&teach.fetch_from, "the peer that sent the labels")
            )?;
        }
        match web.listen {
            Some(address) => {
                let scheme = TlsIdentity::scheme(web.identity.as_ref());
                let who = match address.ip().is_loopback() {
                    true => "this machine only",
                    false => "users of any machine",
                };
                writeln!(f, "status    on {scheme}://{address}/, {who}")?;
                if let Some(identity) = &web.identity {
                    writeln!(f, "          {}", certificate_in_words(identity))?;
                }
            }
            None => writeln!(f, "status    no page: [web] has no listen")?,
        }
        if let Some(telemetry) = telemetry {
            writeln!(f, "traces    to {} by OTLP", host(&telemetry.otlp))?;
        }
        for Notify { name, on, by, .. } in notify {
            let events: Vec<&str> = on.iter().map(|event| event.name()).collect();
            let how = match by {
                NotifyBy::Webhook(webhook) => host(&webhook.url),
                NotifyBy::Email(email) => email.to.join(", "),
            };
            writeln!(f, "tells     {name} ({how}) of: {}", events.join(", "))?;
        }
        if let Some(address) = dicomweb.listen {
            let who = match (dicomweb.users, &dicomweb.token_file) {
                (true, None) => "users may ask",
                (false, Some(_)) => "holders of a token may ask",
                (true, Some(_)) => "users and holders of a token may ask",
                (false, None) => "this machine only, where nobody is asked who they are",
            };
            let scheme = TlsIdentity::scheme(dicomweb.identity.as_ref());
            writeln!(
                f,
                "dicomweb  on {scheme}://{address}{}; {who}{}",
                crate::dicomweb::ROOT,
                match dicomweb.viewer {
                    Some(_) => format!("; OHIF on {scheme}://{address}/"),
                    None => String::new(),
                }
            )?;
            if let Some(identity) = &dicomweb.identity {
                writeln!(f, "          {}", certificate_in_words(identity))?;
            }
        }
        writeln!(f, "\npeers")?;
        let name_width = peers
            .iter()
            .map(|peer| peer.name.chars().count())
            .max()
            .unwrap_or(0);
        for Peer {
            name,
            ae_title,
            host,
            port,
            compress,
            tls,
            storage_commitment,
            c_get,
            dicomweb,
            ..
        } in peers
        {
            let by = if tls.is_some() { " by TLS" } else { "" };
            write!(f, "  {name:name_width$}  {ae_title} at {host}:{port}{by}")?;
            let compress: Vec<&str> = compress.iter().map(|c| c.name()).collect();
            match compress.as_slice() {
                [] => {}
                some => write!(f, ", results {} where it takes that", some.join(" or "))?,
            }
            if *storage_commitment {
                write!(f, ", asked to commit to results")?;
            }
            match dicomweb {
                Some(dicomweb) => writeln!(
                    f,
                    ", images from {}",
                    crate::http_client::host(&dicomweb.url)
                )?,
                None if *c_get => writeln!(f, ", images by C-GET")?,
                None => writeln!(f)?,
            }
        }
        if peers.is_empty() {
            writeln!(f, "  none")?;
        }
        writeln!(f, "\nrules, in the order they run")?;
        let mut ordered: Vec<&Rule> = rules.iter().collect();
        ordered.sort_by_key(|rule| std::cmp::Reverse(rule.priority));
        for rule in ordered {
            write_rule(f, rule)?;
        }
        if rules.is_empty() {
            writeln!(f, "  none: series are kept, none is segmented")?;
        }
        Ok(())
    }
}

fn write_rule(f: &mut fmt::Formatter<'_>, rule: &Rule) -> fmt::Result {
    writeln!(f, "  {} (priority {})", rule.name, rule.priority)?;
    match &rule.when {
        Condition::All(parts) if !parts.is_empty() => {
            for (i, part) in parts.iter().enumerate() {
                let (first, word) = if i == 0 { ("when", "") } else { ("", "and ") };
                match part {
                    Condition::Any(_) => writeln!(f, "    {first:4}  {word}({part})")?,
                    part => writeln!(f, "    {first:4}  {word}{part}")?,
                }
            }
        }
        when => writeln!(f, "    when  {when}")?,
    }
    writeln!(f, "    run   {}{}", rule.tasks.join(", "), strategy(rule))?;
    match rule.destinations.as_slice() {
        [] => writeln!(f, "    send  to the peer the series came from")?,
        destinations => writeln!(f, "    send  to {}", destinations.join(", "))?,
    }
    match rule.hold_below {
        Some(least) => writeln!(f, "    hold  for review below a confidence of {least}"),
        None => Ok(()),
    }
}

/// ` (strategy retrieval, volume 2)`, or nothing where both are the default.
pub(super) fn strategy(rule: &Rule) -> String {
    let mut said = Vec::new();
    if rule.strategy != Strategy::default() {
        said.push(format!("strategy {}", rule.strategy));
    }
    if rule.volume != Volume::default() {
        said.push(format!("volume {}", rule.volume));
    }
    if rule.segmentation != Segmentation::default() {
        said.push(format!("segmentation {}", rule.segmentation));
    }
    if rule.report {
        said.push("with a report".to_owned());
    }
    if said.is_empty() {
        String::new()
    } else {
        format!(" ({})", said.join(", "))
    }
}
