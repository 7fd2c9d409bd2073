//! `/teach`: what labels that were sent would teach, and a person's decision.

use super::access::{Person, Reader};
use super::actions::{hidden, reason};
use super::tasks_page::run_by;
use super::viewed::png;
use super::{Shared, dropping, layout};
use crate::archive::Proposal;
use crate::teach::{Finding, material_of, picture};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the page is asked with.
#[derive(serde::Deserialize)]
pub(super) struct Asked {
    /// So many files were dropped a moment ago.
    taken: Option<u64>,
}

/// The page.
pub(super) async fn page(
    State(shared): State<Arc<Shared>>,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    let proposals = match shared.archive.proposals().await {
        Ok(proposals) => proposals,
        Err(error) => return layout::index_unreadable(&error),
    };
    // A task that is there may have been added by hand, and then no rule runs it as taught.
    let library = shared.library.clone();
    let tasks = tokio::task::spawn_blocking(move || library.list().unwrap_or_default()).await;
    let by_hand: BTreeSet<String> = tasks
        .unwrap_or_default()
        .into_iter()
        .filter(|task| !task.taught)
        .map(|task| task.name)
        .collect();
    let config = shared.current.get();
    let runs = |task: &str| run_by(&config.rules, task, !by_hand.contains(task));
    let (done, open): (Vec<&Proposal>, Vec<&Proposal>) =
        proposals.iter().partition(|one| one.is_decided());
    let main = html! {
        h1 { "Teaching" }
        @match &config.teach.ae_title {
            Some(title) => {
                p { "Segmentations that are sent to " strong { (title) } " wait here for a decision." }
                @if person.may_act() { (dropping::form(&person.token)) }
                @if let Some(taken) = asked.taken {
                    p role="status" { (taken) " files are taken. What they would teach stands here in a moment." }
                }
            },
            None => p { "Nobody can teach over DICOM: [teach] has no ae_title in the configuration." },
        }
        @if open.is_empty() { p { "Nothing waits." } }
        @for proposal in open { (card(proposal, &person, &runs)) }
        @if !done.is_empty() {
            div.wide { table {
                caption { "Decided" }
                thead { tr { @for title in ["Proposal", "State", "Task", "What was said"] { th scope="col" { (title) } } } }
                tbody { @for one in done {
                    tr {
                        th scope="row" data-title="Proposal" { (one.id) }
                        td data-title="State" { span class=(format!("state {}", one.state)) { (one.state) } }
                        td data-title="Task" { @if let Some(task) = &one.task { (task) } }
                        td data-title="What was said" { @if let Some(reason) = &one.reason { span { (layout::sentence(reason)) } } }
                    }
                } }
            } }
        }
    };
    layout::live_page("Teaching", &shared, &Reader(Some(person)), &main).into_response()
}

fn card(proposal: &Proposal, person: &Person, runs: &dyn Fn(&str) -> Markup) -> Markup {
    let finding = Finding::kept_with(proposal);
    let task = proposal.task.as_deref().unwrap_or_default();
    let id = proposal.id;
    html! {
        article.card {
            h2 {
                (id) ": "
                @match &finding {
                    Some(finding) => (layout::sentence(&finding.in_words(task))),
                    None => { "labels from " (proposal.calling_ae) }
                }
                " " span class=(format!("state {}", proposal.state)) { (proposal.state) }
            }
            @if let Some(reason) = &proposal.reason { p { (layout::sentence(reason)) } }
            @if let Some(finding) = &finding {
                p { (layout::sentence(&finding.why)) }
                ul { @for segment in &finding.segments {
                    li { (segment.label) ", " (format!("{:.1} ml", segment.ml)) }
                } }
                @for note in &finding.notes { p.soft { (note) } }
                @if finding.left_out.is_empty() {
                    p.soft { "How well it does is known once it has a second reference." }
                } @else {
                    (scores(finding))
                }
                img.sheet loading="lazy" src=(format!("/teach/{id}/picture.png"))
                    alt=(format!("Slices of the images with the labels of proposal {id}"));
            }
            @if finding.is_some() && !task.is_empty() { p { (runs(task)) } }
            @if person.may_act() { (buttons(proposal, person)) }
        }
    }
}

fn scores(finding: &Finding) -> Markup {
    html! {
        div.wide { table {
            caption { "Each reference, found by the others" }
            thead { tr { @for title in ["Reference", "Segment", "Dice"] { th scope="col" { (title) } } } }
            tbody { @for one in &finding.left_out { @for (segment, dice) in &one.dice {
                tr {
                    th scope="row" data-title="Reference" {
                        (one.reference) @if one.reference == finding.references { " (this one)" }
                    }
                    td data-title="Segment" { (segment) }
                    td.number data-title="Dice" { (format!("{dice:.2}")) }
                }
            } } }
        } }
    }
}

fn buttons(proposal: &Proposal, person: &Person) -> Markup {
    let to = |word: &str| format!("/teach/{}/{word}", proposal.id);
    html! {
        div.actions {
            @if proposal.state == "proposed" {
                form method="post" action=(to("approve")) {
                    (hidden(&person.token))
                    label { "Task" input name="task" value=(proposal.task.as_deref().unwrap_or_default()) maxlength="64"; }
                    button { "Approve" }
                }
            }
            @if proposal.state == "failed" {
                form method="post" action=(to("retry")) { (hidden(&person.token)) button { "Look again" } }
            }
            form method="post" action=(to("reject")) { (hidden(&person.token)) (reason()) button { "Reject" } }
        }
    }
}

/// Slices of a proposal, as a PNG.
pub(super) async fn sheet(
    State(shared): State<Arc<Shared>>,
    _person: Person,
    Path(id): Path<i64>,
) -> Response {
    let proposal = match shared.archive.proposal(id).await {
        Ok(Some(proposal)) => proposal,
        Ok(None) => return layout::not_found().await.into_response(),
        Err(error) => return layout::index_unreadable(&error),
    };
    let Some(finding) = Finding::kept_with(&proposal) else {
        return layout::not_found().await.into_response();
    };
    let material = match material_of(&shared.archive, &proposal).await {
        Ok(material) => material,
        Err(error) => return (StatusCode::NOT_FOUND, format!("{error}\n")).into_response(),
    };
    let drawn = tokio::task::spawn_blocking(move || picture(&material, &finding)).await;
    match drawn {
        Ok(Some(image)) => png(&image),
        _ => layout::not_found().await.into_response(),
    }
}
