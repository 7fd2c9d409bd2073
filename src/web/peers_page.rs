//! `/peers`: the systems the node talks to, what became of their results, and an echo when a person asks for one.

use super::access::{Admin, Person, Reader};
use super::actions::hidden;
use super::{Shared, layout};
use crate::archive::{ArchiveError, Traffic};
use crate::config::{Config, Peer};
use crate::deliver::echo;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What peers answered when a person last asked, by their names.
#[derive(Debug, Default)]
pub(super) struct Echoes(Mutex<BTreeMap<String, Echo>>);

/// An answer, or why there was none.
#[derive(Debug, Clone)]
struct Echo {
    at: DateTime<Utc>,
    outcome: Result<std::time::Duration, String>,
}

impl Echoes {
    fn of(&self, peer: &str) -> Option<Echo> {
        let echoes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        echoes.get(peer).cloned()
    }

    fn keep(&self, peer: &str, echo: Echo) {
        let mut echoes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        echoes.insert(peer.to_owned(), echo);
    }
}

/// The page.
pub(super) async fn page(State(shared): State<Arc<Shared>>, person: Person) -> Response {
    let read = async {
        let traffic = shared.archive.traffic().await?;
        let received = shared.archive.last_received().await?;
        Ok::<_, ArchiveError>((traffic, received))
    };
    let (traffic, received) = match read.await {
        Ok(read) => read,
        Err(error) => return layout::index_unreadable(&error),
    };
    let config = shared.current.get();
    let main = html! {
        h1 { "Peers" }
        @if config.peers.is_empty() { p { "The configuration has no [[peer]]: nobody may send, and nothing is sent." } }
        @for peer in &config.peers {
            @let traffic = traffic.iter().find(|one| one.destination == peer.name);
            @let received = received.iter().find(|(ae_title, _)| *ae_title == peer.ae_title);
            (card(&shared, &config, peer, traffic, received.map(|(_, at)| *at), &person))
        }
    };
    layout::page("Peers", &shared, &Reader(Some(person)), &main).into_response()
}

fn card(
    shared: &Shared,
    config: &Config,
    peer: &Peer,
    traffic: Option<&Traffic>,
    received: Option<i64>,
    person: &Person,
) -> Markup {
    html! {
        article.card id=(peer.name) {
            h2 { (peer.name) }
            dl {
                dt { "AE title" } dd { (peer.ae_title) }
                dt { "Address" } dd { (peer.host) ":" (peer.port) }
                dt { "TLS" } dd { (tls(peer)) }
                dt { "Role" } dd { @for (number, role) in roles(config, peer).iter().enumerate() {
                    @if number > 0 { br; }
                    (role)
                } }
                dt { "Last series" } dd { (moment(received)) }
                dt { "Last delivery" } dd {
                    (moment(traffic.and_then(|traffic| traffic.last_delivered)))
                    @if let Some(traffic) = traffic.filter(|traffic| traffic.delivered > 0) {
                        " (" (traffic.delivered) " in all)"
                    }
                }
                @if let Some(traffic) = traffic.filter(|traffic| traffic.waiting > 0) {
                    dt { "Waiting" } dd.wait {
                        (traffic.waiting)
                        @if let Some(reason) = &traffic.waiting_reason { ": " (layout::sentence(reason)) }
                    }
                }
                @if let Some(traffic) = traffic.filter(|traffic| traffic.failed > 0) {
                    dt { "Refused" } dd { (traffic.failed) }
                }
                @if let Some(echo) = shared.echoes.of(&peer.name) {
                    dt { "Echo" }
                    dd {
                        span role="status" {
                            @match &echo.outcome {
                                Ok(took) => span.yes { "answered in " (format!("{:.0}", took.as_secs_f64() * 1000.0)) " ms" },
                                Err(why) => span.no { (why) },
                            }
                            ", " (layout::time(echo.at.timestamp_millis()))
                        }
                    }
                }
            }
            @if person.may_act() {
                div.actions {
                    form method="post" action=(format!("/peers/{}/echo", layout::in_path(&peer.name))) {
                        (hidden(&person.token))
                        button aria-label=(format!("Echo {}", peer.name)) { "Echo" }
                    }
                }
            }
        }
    }
}

fn tls(peer: &Peer) -> String {
    match (&peer.tls, peer.only_with.is_empty()) {
        (None, true) => "no".to_owned(),
        (None, false) => format!(
            "when it calls; it must show {}",
            peer.only_with.join(" or ")
        ),
        (Some(_), true) => "yes".to_owned(),
        (Some(_), false) => format!("yes; it must show {}", peer.only_with.join(" or ")),
    }
}

/// What a peer is to the node, a phrase each.
fn roles(config: &Config, peer: &Peer) -> Vec<String> {
    let mut roles = vec![match peer.only_from.as_slice() {
        [] => {
            "may send, and gets results of what it sent where a rule names nobody else".to_owned()
        }
        from => {
            let from: Vec<String> = from.iter().map(ToString::to_string).collect();
            format!("may send from {}", from.join(", "))
        }
    }];
    let rules: Vec<&str> = config
        .rules
        .iter()
        .filter(|rule| rule.destinations.contains(&peer.name))
        .map(|rule| rule.name.as_str())
        .collect();
    if !rules.is_empty() {
        roles.push(format!("gets results of: {}", rules.join(", ")));
    }
    if config.teach.ae_title.is_some() && config.teach.may_teach(&peer.name) {
        roles.push("its labels teach".to_owned());
    }
    if config.teach.fetch_from.contains(&peer.name) {
        roles.push("is asked for images that labels were drawn on".to_owned());
    }
    if peer.expected_count {
        roles.push("is asked how many instances a series has".to_owned());
    }
    roles
}

fn moment(at: Option<i64>) -> Markup {
    html! { @match at { Some(at) => (layout::time(at)), None => span.soft { "none yet" } } }
}

/// The token of the form.
#[derive(serde::Deserialize)]
pub(super) struct Posted {
    token: String,
}

/// Calls a peer, because a person asked for it.
pub(super) async fn call(
    State(shared): State<Arc<Shared>>,
    admin: Admin,
    Path(name): Path<String>,
    Form(posted): Form<Posted>,
) -> Response {
    if let Err(refusal) = admin.sent(&posted.token) {
        return refusal.into_response();
    }
    let config = shared.current.get();
    let Some(peer) = config.peers.iter().find(|peer| peer.name == name) else {
        return (StatusCode::NOT_FOUND, "there is no such peer\n").into_response();
    };
    let outcome = echo(peer, &config.node.ae_title, &config.delivery).await;
    tracing::info!(
        peer = name,
        answered = outcome.is_ok(),
        user = admin.name(),
        "a user asked for an echo"
    );
    let echo = Echo {
        at: Utc::now(),
        outcome: outcome.map_err(|error| error.to_string()),
    };
    shared.echoes.keep(&name, echo);
    Redirect::to(&format!("/peers#{}", layout::in_path(&name))).into_response()
}
