//! `/`: what became of each series.

use super::access::Reader;
use super::{Shared, layout};
use crate::archive::{Counts, JobSummary};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Local, SecondsFormat};
use maud::{Markup, html};
use std::sync::Arc;

/// Jobs shown, the newest.
const MOST: i64 = 200;

/// The page.
pub(super) async fn page(State(shared): State<Arc<Shared>>, reader: Reader) -> Response {
    let read = async {
        let counts = shared.archive.counts().await?;
        let jobs = shared.archive.jobs(MOST).await?;
        Ok::<_, crate::archive::ArchiveError>((counts, jobs))
    };
    let (status, main) = match read.await {
        Ok((counts, jobs)) => (StatusCode::OK, content(&counts, &jobs)),
        Err(error) => {
            tracing::warn!(%error, "no status page: the index cannot be read");
            let why = html! { p role="alert" { "The index cannot be read; the log says why." } };
            (StatusCode::SERVICE_UNAVAILABLE, why)
        }
    };
    (status, layout::live_page("Jobs", &shared, &reader, &main)).into_response()
}

fn content(counts: &Counts, jobs: &[JobSummary]) -> Markup {
    let all: i64 = counts.jobs.iter().map(|(_, count)| count).sum();
    html! {
        h1 { "Jobs" }
        p.counts role="status" {
            @if all == 0 { "No series has arrived yet." }
            @for (state, count) in &counts.jobs {
                span class=(format!("state {state}")) { (count) " " (state) }
            }
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
        @if !jobs.is_empty() {
            div.wide {
                table {
                    caption { "The latest series, newest first" }
                    thead { tr {
                        @for title in ["Job", "Moved", "From", "Modality", "Instances", "Sent", "State", "Reason"] {
                            th scope="col" { (title) }
                        }
                    } }
                    tbody { @for job in jobs { (row(job)) } }
                }
            }
            @if all > jobs.len() as i64 {
                p { (all - jobs.len() as i64) " older ones: " code { "irisnode jobs --most N" } "." }
            }
        }
    }
}

fn row(job: &JobSummary) -> Markup {
    let moved = DateTime::from_timestamp_millis(job.updated_at).unwrap_or_default();
    let here = moved.with_timezone(&Local).format("%F %T").to_string();
    html! {
        tr {
            th scope="row" data-title="Job" { a href=(format!("/jobs/{}", job.id)) { (job.id) } }
            td data-title="Moved" { time datetime=(moved.to_rfc3339_opts(SecondsFormat::Secs, true)) { (here) } }
            td data-title="From" { (job.calling_ae) }
            td data-title="Modality" { (job.modality) }
            td.number data-title="Instances" { (job.instances) }
            td.number data-title="Sent" {
                (job.delivered) "/" (job.results)
                @if job.held > 0 { ", " (job.held) " held" }
            }
            td data-title="State" { span class=(format!("state {}", job.state)) { (job.state) } }
            td data-title="Reason" { @if let Some(reason) = &job.reason { (reason) } }
        }
    }
}

fn plural(count: i64, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}
