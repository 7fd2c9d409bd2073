//! `/jobs/ID`: one job, what was found in it, why the rules decided so, and what a person can do about it.

use super::access::{Person, Reader};
use super::viewed::{plane, png};
use super::{Shared, layout};
use crate::archive::{ArchiveError, DeliveryRecord, Job, JobSummary, with_segments};
use crate::assemble::read_attributes;
use crate::config::Dicomweb;
use crate::picture::Slices;
use crate::route::{Explanation, Reason, SeriesContext, explain};
use crate::users::{asked_name, is_loopback};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use maud::{Markup, html};
use std::path::PathBuf;
use std::sync::Arc;

/// Which slice.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Where {
    #[serde(default)]
    result: usize,
    #[serde(default)]
    plane: String,
    index: Option<usize>,
}

/// All that is known of a job.
struct Seen {
    summary: JobSummary,
    job: Job,
    deliveries: Vec<DeliveryRecord>,
}

/// A job, or what a browser is told instead.
async fn seen(shared: &Shared, id: i64) -> Result<Seen, Response> {
    let unreadable = |error: ArchiveError| layout::index_unreadable(&error);
    let Some((summary, job)) = shared.archive.job(id).await.map_err(unreadable)? else {
        return Err(layout::not_found().await.into_response());
    };
    let deliveries = shared.archive.deliveries(id).await.map_err(unreadable)?;
    Ok(Seen {
        summary,
        job,
        deliveries,
    })
}

/// The page.
pub(super) async fn page(
    State(shared): State<Arc<Shared>>,
    reader: Reader,
    Path(id): Path<i64>,
    Query(place): Query<Where>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let seen = seen(&shared, id).await?;
    let title = format!("Job {id}");
    // Only for those who may see the patient: values of the header, and pictures.
    let (attributes, slices) = match &reader.0 {
        Some(_) => (
            attributes(&shared, &seen.job).await,
            Some(slices(&shared, &seen, place.result).await),
        ),
        None => (None, None),
    };
    let main = html! {
        h1 { (title) }
        (about(&seen.summary, attributes.as_ref()))
        @if let Some(address) = in_viewer(&shared.current.get().dicomweb, attributes.as_ref(), &headers) {
            p { a href=(address) { "Open the study in OHIF" } }
        }
        @if let Some(person) = reader.0.as_ref().filter(|person| person.may_act()) {
            (super::actions::of_job(&seen.summary, &person.token))
        }
        @if let Some(slices) = slices {
            @match slices {
                Ok(slices) => (viewer(id, &place, &slices)),
                Err(Some(why)) => p role="alert" { "There is no picture: " (why) },
                Err(None) => {}
            }
        }
        (found(&seen))
        (sent(&seen.deliveries))
        @if let Some(attributes) = &attributes { (why(&shared, &seen.job, attributes)) }
        @if reader.0.is_none() {
            p.soft { "Pictures, what rules saw, and buttons are for users: " code { "irisnode web user add" } "." }
        }
    };
    Ok(layout::page(&title, &shared, &reader, &main).into_response())
}

/// A slice as a PNG.
pub(super) async fn slice(
    State(shared): State<Arc<Shared>>,
    _person: Person,
    Path(id): Path<i64>,
    Query(place): Query<Where>,
) -> Result<Response, Response> {
    let seen = seen(&shared, id).await?;
    Ok(match slices(&shared, &seen, place.result).await {
        Ok(slices) => {
            let (plane, index) = (plane(&place.plane), place.index);
            let drawn = tokio::task::spawn_blocking(move || {
                let index = index.unwrap_or_else(|| slices.middle(plane));
                slices.draw(plane, index)
            });
            match drawn.await {
                Ok(image) => png(&image),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
        Err(why) => {
            let why = why.unwrap_or_else(|| "there is no such result".into());
            (StatusCode::NOT_FOUND, why + "\n").into_response()
        }
    })
}

/// The volume of a result; `Err(None)` where the job has none.
async fn slices(
    shared: &Shared,
    seen: &Seen,
    result: usize,
) -> Result<Arc<Slices>, Option<String>> {
    let results = with_segments(&seen.deliveries);
    let (delivery, _) = results.get(result).ok_or(None)?;
    let seg = PathBuf::from(&delivery.file);
    let images = shared.archive.instances(seen.job.series).await;
    let images = images.map_err(|_| Some("the index cannot be read".to_owned()))?;
    shared.viewed.of(seg, images).await.map_err(Some)
}

async fn attributes(shared: &Shared, job: &Job) -> Option<InMemDicomObject> {
    let first = shared.archive.instances(job.series).await.ok()?;
    let first = first.into_iter().next()?;
    let read = tokio::task::spawn_blocking(move || read_attributes(&first).ok());
    read.await.ok()?
}

/// Where OHIF shows the study, if the node serves it.
fn in_viewer(
    dicomweb: &Dicomweb,
    attributes: Option<&InMemDicomObject>,
    headers: &HeaderMap,
) -> Option<String> {
    let asked = asked_name(headers)?;
    let study = attributes?.get(tags::STUDY_INSTANCE_UID)?.to_str().ok()?;
    let study = study.trim_end_matches(['\0', ' ']);
    dicomweb.viewer_on(study, asked, is_loopback(asked))
}

fn about(job: &JobSummary, attributes: Option<&InMemDicomObject>) -> Markup {
    let value = |tag| {
        let element = attributes?.get(tag)?;
        let text = element.to_str().ok()?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    html! {
        dl {
            dt { "State" } dd { span class=(format!("state {}", job.state)) { (job.state) } }
            @if let Some(reason) = &job.reason { dt { "Reason" } dd { (layout::sentence(reason)) } }
            @if let Some(note) = &job.note { dt { "Read as" } dd { (note) } }
            dt { "Series" } dd { (job.instances) " instances of " (job.modality) " from " (job.calling_ae) }
            @for (name, tag) in [
                ("Patient", tags::PATIENT_NAME), ("Patient ID", tags::PATIENT_ID), ("Study date", tags::STUDY_DATE),
                ("Study", tags::STUDY_DESCRIPTION), ("Description", tags::SERIES_DESCRIPTION),
            ] {
                @if let Some(text) = value(tag) { dt { (name) } dd { (text) } }
            }
        }
    }
}

/// Slices to go through: by a slider where there are scripts, by links where there are none.
fn viewer(job: i64, place: &Where, slices: &Slices) -> Markup {
    let shown = plane(&place.plane);
    let count = slices.count(shown);
    let index = place
        .index
        .unwrap_or_else(|| slices.middle(shown))
        .min(count - 1);
    let word = shown.name().to_lowercase();
    let address = |word: &str, index: Option<usize>| {
        let index = index
            .map(|index| format!("&index={index}"))
            .unwrap_or_default();
        format!("?result={}&plane={word}{index}", place.result)
    };
    let planes = ["axial", "coronal", "sagittal"];
    html! {
        section.viewer aria-label="Slices" data-slices=(format!("/jobs/{job}/slice.png?result={}", place.result)) {
            nav aria-label="Plane" {
                @for name in planes {
                    @let current = name == word;
                    a href=(address(name, None)) aria-current=[current.then_some("true")] { (name) }
                }
            }
            img src=(format!("/jobs/{job}/slice.png{}", address(&word, Some(index)))) data-plane=(word)
                alt=(format!("{} slice {} of {count} with the segments found", shown.name(), index + 1));
            label hidden { "Slice" input type="range" min="1" max=(count) value=(index + 1); }
            p.slice {
                noscript {
                    @if index > 0 { a href=(address(&word, Some(index - 1))) { "previous slice" } " " }
                    @if index + 1 < count { a href=(address(&word, Some(index + 1))) { "next slice" } }
                }
                output { (shown.name()) " " (index + 1) " / " (count) }
            }
        }
        script src="/slices.js" defer {}
    }
}

fn found(seen: &Seen) -> Markup {
    html! {
        @for (at, (delivery, found)) in with_segments(&seen.deliveries).into_iter().enumerate() {
            div.wide { table {
                caption {
                    "Found by rule " (delivery.rule) " "
                    @if at > 0 { a href=(format!("?result={at}")) { "show these" } }
                }
                thead { tr { @for title in ["Segment", "Volume", "Confidence"] { th scope="col" { (title) } } } }
                tbody { @for segment in found {
                    tr {
                        th scope="row" data-title="Segment" {
                            (layout::swatch(segment.color))
                            (segment.label)
                        }
                        @if segment.ml > 0.0 {
                            td.number data-title="Volume" { (format!("{:.1} ml", segment.ml)) }
                            td.number data-title="Confidence" { (format!("{:.2}", segment.confidence)) }
                        } @else {
                            td data-title="Volume" { "not found" }
                            td {}
                        }
                    }
                } }
            } }
        }
    }
}

fn sent(deliveries: &[DeliveryRecord]) -> Markup {
    html! {
        @if !deliveries.is_empty() {
            div.wide { table {
                caption { "Results and where they go" }
                thead { tr { @for title in ["Rule", "To", "State", "Attempts", "Reason"] { th scope="col" { (title) } } } }
                tbody { @for one in deliveries {
                    tr {
                        th scope="row" data-title="Rule" { (one.rule) }
                        td data-title="To" { (one.destination) }
                        td data-title="State" { span class=(format!("state {}", one.state)) { (one.outcome()) } }
                        td.number data-title="Attempts" { (one.attempts) }
                        td data-title="Reason" { @if let Some(reason) = &one.reason { span { (layout::sentence(reason)) } } }
                    }
                } }
            } }
        }
    }
}

/// What each rule of the configuration says of the series.
fn why(shared: &Shared, job: &Job, attributes: &InMemDicomObject) -> Markup {
    let series = SeriesContext {
        attributes,
        calling_ae: &job.calling_ae,
        called_ae: &job.called_ae,
    };
    let config = shared.current.get();
    let rules = explain(&config.rules, &series);
    html! {
        h2 { "Why" }
        @if config.teach.ae_title.as_ref() == Some(&job.called_ae) {
            p { "It was sent to " (job.called_ae) ": rules are not asked about what teaches." }
        } @else {
            @if rules.is_empty() { p { "The configuration has no rule." } }
            @for rule in &rules {
                section {
                    h3 {
                        (mark(rule.explanation.holds)) " " (rule.rule.name) " "
                        @if rule.explanation.holds { "matches" } @else { "does not match" }
                    }
                    @match &rule.explanation.reason {
                        Reason::All(parts) if parts.is_empty() => p { "It asks for nothing: every series matches." },
                        Reason::All(parts) => (branches(parts)),
                        _ => (branches(std::slice::from_ref(&rule.explanation))),
                    }
                }
            }
        }
    }
}

fn branches(parts: &[Explanation<'_>]) -> Markup {
    html! {
        ul.why { @for part in parts {
            li {
                (mark(part.holds)) " "
                @match &part.reason {
                    Reason::Test { subject, test, seen } => {
                        (subject.to_string()) " " (test.to_string()) ": it is " (seen.reveal())
                    }
                    Reason::All(parts) => { "all of these" (branches(parts)) }
                    Reason::Any(parts) => { "any of these" (branches(parts)) }
                    Reason::Not(part) => { "not this" (branches(std::slice::from_ref(&**part))) }
                }
            }
        } }
    }
}

fn mark(holds: bool) -> Markup {
    match holds {
        true => html! { span.yes role="img" aria-label="holds" { "✓" } },
        false => html! { span.no role="img" aria-label="does not hold" { "✗" } },
    }
}
