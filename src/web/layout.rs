//! What all pages share: frame, style, script.

use super::Shared;
use super::access::{Person, Reader};
use crate::archive::ArchiveError;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

/// A page that stays as it is.
pub(super) fn page(title: &str, shared: &Shared, reader: &Reader, main: &Markup) -> Markup {
    whole(title, shared, reader, main, false)
}

/// A page that is kept up to date while it is open.
pub(super) fn live_page(title: &str, shared: &Shared, reader: &Reader, main: &Markup) -> Markup {
    whole(title, shared, reader, main, true)
}

fn whole(title: &str, shared: &Shared, reader: &Reader, main: &Markup, is_live: bool) -> Markup {
    let ae_title = &shared.about.ae_title;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (ae_title) " · irisnode" }
                link rel="stylesheet" href="/style.css";
                @if is_live { script src="/live.js" defer {} }
            }
            body {
                header {
                    a.name href="/" { "irisnode" }
                    span { (ae_title) }
                    @if let Some(person) = &reader.0 { (sections(title, person)) }
                }
                main id="live" { (standing(shared)) (main) }
                footer {
                    p { "Research software, not a medical device. irisnode " (env!("CARGO_PKG_VERSION")) }
                }
            }
        }
    }
}

/// That the configuration on disk is not what runs, where it is so.
fn standing(shared: &Shared) -> Markup {
    let refused = shared.current.refused();
    html! {
        @if !refused.is_empty() {
            div role="alert" {
                p { "The configuration file has changed and is not in force; what ran before goes on. "
                    code { "irisnode check" } " shows more." }
                ul { @for reason in refused.iter() { li { (reason) } } }
            }
        }
    }
}

/// The colour of a segment.
pub(super) fn swatch([r, g, b]: [u8; 3]) -> Markup {
    html! {
        svg.swatch viewBox="0 0 1 1" aria-hidden="true" {
            rect width="1" height="1" fill=(format!("rgb({r} {g} {b})")) {}
        }
    }
}

/// Where a user can go.
fn sections(title: &str, person: &Person) -> Markup {
    html! {
        nav aria-label="Pages" {
            @for (name, address) in [("Jobs", "/"), ("Teaching", "/teach"), ("Tasks", "/tasks")] {
                a href=(address) aria-current=[(name == title).then_some("page")] { (name) }
            }
        }
        form.who method="post" action="/logout" {
            span { (person.name) " (" (person.role.name()) ")" }
            button { "Sign out" }
        }
    }
}

/// The index cannot be read.
pub(super) fn index_unreadable(error: &ArchiveError) -> Response {
    tracing::warn!(%error, "no page: the index cannot be read");
    let why = "the index cannot be read; the log says why\n";
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

/// The pages' style.
pub(super) async fn style() -> impl IntoResponse {
    let kind = "text/css; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], include_str!("style.css"))
}

/// Keeps an open page up to date.
pub(super) async fn script() -> impl IntoResponse {
    let kind = "text/javascript; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], include_str!("live.js"))
}

/// Goes through slices.
pub(super) async fn slices_script() -> impl IntoResponse {
    let kind = "text/javascript; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], include_str!("slices.js"))
}

/// There is no such page.
pub(super) async fn not_found() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, "there is no such page\n")
}
