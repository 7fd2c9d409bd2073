//! `/`: what became of each series.

use super::access::Reader;
use super::{Shared, layout};
use crate::archive::{Counts, JobState, JobSummary, Listing};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Local, Utc};
use maud::{Markup, html};
use std::collections::HashMap;
use std::sync::Arc;

/// Jobs on a page.
const MOST: i64 = 100;

/// What a reader asks for.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Asked {
    /// Jobs in this state only.
    state: Option<JobState>,
    /// Jobs older than this one.
    before: Option<i64>,
}

impl Asked {
    fn listing(&self) -> Listing {
        Listing {
            most: MOST,
            before: self.before,
            state: self.state,
        }
    }

    /// The URL of the same jobs, before one or from the newest on.
    fn url(&self, before: Option<i64>) -> String {
        let state = self.state.map(|state| format!("state={}", state.as_str()));
        let before = before.map(|job| format!("before={job}"));
        let asked: Vec<String> = state.into_iter().chain(before).collect();
        match asked.as_slice() {
            [] => "/".into(),
            asked => format!("/?{}", asked.join("&")),
        }
    }
}

/// The page.
pub(super) async fn page(
    State(shared): State<Arc<Shared>>,
    Query(asked): Query<Asked>,
    reader: Reader,
) -> Response {
    let read = async {
        let counts = shared.archive.counts().await?;
        let jobs = shared.archive.jobs(asked.listing()).await?;
        // What a series is called may name its patient: for those who may see patients.
        let descriptions = match &reader.0 {
            Some(_) => shared.archive.descriptions(&jobs).await?,
            None => HashMap::new(),
        };
        Ok::<_, crate::archive::ArchiveError>((counts, jobs, descriptions))
    };
    let (status, main) = match read.await {
        Ok((counts, jobs, descriptions)) => (
            StatusCode::OK,
            content(&asked, &counts, &jobs, &descriptions),
        ),
        Err(error) => {
            tracing::warn!(%error, "no status page: the index cannot be read");
            let why = html! { p role="alert" { "The index cannot be read; the log says why." } };
            (StatusCode::SERVICE_UNAVAILABLE, why)
        }
    };
    (status, layout::live_page("Jobs", &shared, &reader, &main)).into_response()
}

fn content(
    asked: &Asked,
    counts: &Counts,
    jobs: &[JobSummary],
    descriptions: &HashMap<i64, String>,
) -> Markup {
    let now = Utc::now().timestamp_millis();
    let all: i64 = counts.jobs.iter().map(|(_, count)| count).sum();
    let chosen = asked.state.map(JobState::as_str);
    html! {
        h1 { "Jobs" }
        p.counts role="status" {
            @if all == 0 { "No series has arrived yet." }
            @for (state, count) in &counts.jobs {
                @let is_chosen = chosen == Some(state.as_str());
                a class=(format!("state {state}")) href=(format!("/?state={state}")) aria-current=[is_chosen.then_some("true")] {
                    (count) " " (state)
                }
            }
            @if chosen.is_some() { a href="/" { "all" } }
        }
        @if counts.deliveries_waiting > 0 {
            p { (counts.deliveries_waiting) " " (plural(counts.deliveries_waiting, "result waits", "results wait")) " to be sent." }
        }
        @if counts.deliveries_stored > 0 {
            p { (counts.deliveries_stored) " " (plural(counts.deliveries_stored, "result waits", "results wait"))
                " for its destination to commit to it." }
        }
        @if counts.deliveries_held > 0 {
            p { (counts.deliveries_held) " " (plural(counts.deliveries_held, "result waits", "results wait"))
                " for review: open the job, or " code { "irisnode jobs release" } " or " code { "discard" } "." }
        }
        @if jobs.is_empty() && all > 0 { p { "No job is like that." } }
        @if !jobs.is_empty() {
            div.wide {
                table {
                    caption { (caption(asked)) }
                    thead { tr {
                        @for title in ["Job", "From", "Series", "Rules", "State", "Age", "Took", "Sent", "Reason"] {
                            th scope="col" { (title) }
                        }
                    } }
                    tbody { @for job in jobs { (row(job, now, descriptions.get(&job.id))) } }
                }
            }
        }
        @let oldest = jobs.last().filter(|_| jobs.len() as i64 == MOST);
        @if asked.before.is_some() || oldest.is_some() {
            nav.pages aria-label="Pages of jobs" {
                @if asked.before.is_some() { a href=(asked.url(None)) { "Newest" } }
                @if let Some(job) = oldest { a href=(asked.url(Some(job.id))) { "Older" } }
            }
        }
    }
}

fn caption(asked: &Asked) -> String {
    let which = match asked.state {
        Some(state) => format!("Series that are {}", state.as_str()),
        None => "Series".into(),
    };
    match asked.before {
        Some(job) => format!("{which}, before job {job}, newest first"),
        None => format!("{which}, newest first"),
    }
}

fn row(job: &JobSummary, now: i64, description: Option<&String>) -> Markup {
    let rules = job.rules.as_deref().unwrap_or_default();
    html! {
        tr {
            th scope="row" data-title="Job" { a href=(format!("/jobs/{}", job.id)) { (job.id) } }
            td data-title="From" { (job.calling_ae) }
            td data-title="Series" {
                span {
                    (job.modality) ", " (job.instances) " " (plural(job.instances, "instance", "instances"))
                    @if let Some(text) = description { br; span.soft { (text) } }
                }
            }
            td data-title="Rules" { @if !rules.is_empty() {
                span { @for (number, rule) in rules.lines().enumerate() { @if number > 0 { br; } (rule) } }
            } }
            td data-title="State" { span class=(format!("state {}", job.state)) { (job.state) } }
            td.number data-title="Age" title=(moment(job.created_at)) { (layout::length(now - job.created_at)) }
            td.number data-title="Took" { @if job.has_ended() { (layout::length(job.updated_at - job.created_at)) } }
            td.number data-title="Sent" {
                @if job.results > 0 { (job.delivered) "/" (job.results) }
                @if job.held > 0 { ", " (job.held) " held" }
            }
            td data-title="Reason" { @if let Some(reason) = &job.reason { span { (layout::sentence(reason)) } } }
        }
    }
}

fn moment(at: i64) -> String {
    let at = DateTime::from_timestamp_millis(at).unwrap_or_default();
    at.with_timezone(&Local).format("%F %T").to_string()
}

fn plural(count: i64, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}
