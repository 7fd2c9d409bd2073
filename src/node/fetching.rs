//! Images that labels were drawn on, asked of a peer: by WADO-RS where it has DICOMweb, by C-GET where the administrator
//! says so, else by C-MOVE to the teaching AE title.

use super::keeping::IntoArchive;
use super::{Rooms, acceptance};
use crate::archive::Proposal;
use crate::config::{Config, Peer, PeerDicomweb};
use crate::deliver::{get_series, move_series};
use crate::dicomweb::retrieve_series;
use crate::encode::DrawnOn;
use crate::http_client::{Credentials, Target};
use crate::teach::Images;
use std::time::Duration;

/// Longest time from a peer's word that it has sent everything to the series being complete, beside the quiet time.
const SETTLED: Duration = Duration::from_secs(30);

/// What came of asking for images.
pub(super) enum Fetched {
    /// A peer sent them; they will be complete in a moment.
    Coming { reason: String, wait: Duration },
    /// A peer cannot be asked now.
    Later { reason: String, wait: Duration },
    /// Nobody has them; a sentence why, and what to do.
    No(String),
}

/// Asks the peers for the images, one after the other, until one sends them.
pub(super) async fn fetch(
    rooms: &Rooms,
    proposal: &Proposal,
    drawn_on: &DrawnOn,
    missing: &Images,
) -> Fetched {
    let config = rooms.config();
    let Some(title) = config.teach.ae_title.as_deref() else {
        return Fetched::No(
            "nobody is asked for the images: [teach] has no ae_title any more".into(),
        );
    };
    let what = match missing {
        Images::Part { held, named } => {
            format!("{held} of the {named} images that the labels name are held")
        }
        _ => "the series of the labels is not held".to_owned(),
    };
    let advice = format!("send the series to {title} too, and it is looked at again");
    if proposal.has_fetched {
        return Fetched::No(format!(
            "{what}, although a peer was asked and said that it had sent them to {title}; check the address that it has for {title}, or {advice}"
        ));
    }
    let peers = peers_to_ask(&config, proposal);
    if peers.is_empty() {
        return Fetched::No(format!(
            "{what}, and there is no peer to ask for it; {advice}"
        ));
    }
    let (mut answers, mut passing) = (Vec::new(), false);
    for peer in peers {
        match ask(rooms, &config, peer, title, drawn_on).await {
            Ok(Sent { completed, failed }) if completed > 0 => {
                tracing::info!(
                    proposal = proposal.id,
                    peer = peer.name,
                    instances = completed,
                    failed,
                    "images fetched"
                );
                return Fetched::Coming {
                    reason: format!("{} sends the images", peer.name),
                    wait: config.node.quiet_time + SETTLED,
                };
            }
            Ok(Sent { failed, .. }) if failed > 0 => answers.push(format!(
                "{} could send none of its {failed} instances to {title}",
                peer.name
            )),
            Ok(_) => answers.push(format!("{} holds no such series", peer.name)),
            Err((is_transient, reason)) => {
                passing |= is_transient;
                answers.push(reason);
            }
        }
    }
    let reason = format!("{what}: {}", answers.join("; "));
    let age = chrono::Utc::now().timestamp_millis() - proposal.created_at;
    let age = Duration::from_millis(age.max(0).unsigned_abs());
    let delivery = &config.delivery;
    if passing && age < delivery.give_up_after {
        // Grows with the age, so that the pauses double.
        let wait = age.clamp(
            delivery.first_retry,
            delivery.longest_pause.max(delivery.first_retry),
        );
        return Fetched::Later { reason, wait };
    }
    Fetched::No(format!("{reason}; {advice}"))
}

/// What a peer sent, in instances.
struct Sent {
    completed: usize,
    failed: usize,
}

/// Asks one peer. The error says whether it may go better later, and why it did not go.
async fn ask(
    rooms: &Rooms,
    config: &Config,
    peer: &Peer,
    title: &str,
    drawn_on: &DrawnOn,
) -> Result<Sent, (bool, String)> {
    let (study, series) = (&drawn_on.study_uid, &drawn_on.series_uid);
    if let Some(dicomweb) = &peer.dicomweb {
        let service = service(dicomweb).map_err(|reason| (true, reason))?;
        let archive = std::sync::Arc::clone(&rooms.archive);
        let acceptance = acceptance(config, &peer.ae_title, title);
        let retrieved = retrieve_series(service, study, series, archive, acceptance).await;
        let retrieved =
            retrieved.map_err(|error| (error.is_transient(), format!("{}: {error}", peer.name)))?;
        return Ok(Sent {
            completed: retrieved.completed,
            failed: retrieved.failed,
        });
    }
    let delivery = &config.delivery;
    let moved = match peer.c_get {
        true => {
            let archive = std::sync::Arc::clone(&rooms.archive);
            let acceptance = acceptance(config, &peer.ae_title, title);
            let syntaxes = acceptance.transfer_syntaxes.clone();
            let keeping = IntoArchive::new(archive, acceptance);
            get_series(peer, title, study, series, delivery, syntaxes, keeping).await
        }
        false => move_series(peer, title, title, study, series, delivery).await,
    };
    let moved = moved.map_err(|error| (error.is_transient(), error.to_string()))?;
    Ok(Sent {
        completed: moved.completed as usize,
        failed: moved.failed as usize,
    })
}

/// Where a peer's DICOMweb is, with its secret as it is now; the error is a sentence.
pub fn service(dicomweb: &PeerDicomweb) -> Result<Target, String> {
    let credentials = match (&dicomweb.login, &dicomweb.token) {
        (Some((name, password)), _) => Some(Credentials::Basic(name.clone(), password.read()?)),
        (None, Some(token)) => Some(Credentials::Bearer(token.read()?)),
        (None, None) => None,
    };
    Ok(Target {
        url: dicomweb.url.clone(),
        credentials,
        authorities: dicomweb.authorities.clone(),
    })
}

/// Those that are named, else the one that sent the labels; every one when they were dropped on the page.
fn peers_to_ask<'c>(config: &'c Config, proposal: &Proposal) -> Vec<&'c Peer> {
    if config.teach.fetch_from.is_empty() {
        let is_dropped = proposal.calling_ae == config.node.ae_title;
        let sender = |peer: &&Peer| is_dropped || peer.ae_title == proposal.calling_ae;
        return config.peers.iter().filter(sender).collect();
    }
    let names = config.teach.fetch_from.iter();
    names
        .filter_map(|name| config.peers.iter().find(|peer| peer.name == *name))
        .collect()
}
