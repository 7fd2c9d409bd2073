//! What all pages share: frame, style, script.

use super::Shared;
use super::access::{Person, Reader};
use crate::archive::ArchiveError;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Local, SecondsFormat};
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
                    (sections(title, reader.0.as_ref()))
                    @if is_live { button #pause type="button" aria-pressed="false" hidden { "Pause updates" } }
                    @if let Some(person) = &reader.0 { (who(person)) }
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

/// Where one can go: some pages are for users only.
fn sections(title: &str, person: Option<&Person>) -> Markup {
    let sections = [
        ("Jobs", "/", true),
        ("Activity", "/activity", true),
        ("Peers", "/peers", false),
        ("Teaching", "/teach", false),
        ("Tasks", "/tasks", false),
    ];
    html! {
        nav aria-label="Pages" {
            @for (name, address, for_all) in sections {
                @if for_all || person.is_some() {
                    a href=(address) aria-current=[(name == title).then_some("page")] { (name) }
                }
            }
        }
    }
}

fn who(person: &Person) -> Markup {
    html! {
        form.who method="post" action="/logout" {
            span { (person.name) " (" (person.role.name()) ")" }
            button { "Sign out" }
        }
    }
}

/// A moment, in milliseconds since 1970, by the clock on the wall.
pub(super) fn time(at: i64) -> Markup {
    let at = DateTime::from_timestamp_millis(at).unwrap_or_default();
    let here = at.with_timezone(&Local).format("%F %T").to_string();
    html! { time datetime=(at.to_rfc3339_opts(SecondsFormat::Secs, true)) { (here) } }
}

/// A sentence, with what stands between backticks as code.
pub(super) fn sentence(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A length of time, as people say it.
pub(super) fn length(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A name as a part of an address.
pub(super) fn in_path(name: &str) -> String {
    let mut path = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_said_in_the_unit_that_people_use() {
        for (milliseconds, words) in [
            (-5, "0 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (3_600_000, "1 h"),
            (47 * 3_600_000, "47 h"),
            (48 * 3_600_000, "2 days"),
        ] {
            assert_eq!(length(milliseconds), words);
        }
    }

    #[test]
    fn any_name_can_stand_in_an_address() {
        assert_eq!(in_path("pacs-1"), "pacs-1");
        assert_eq!(in_path("my/pacs ä?"), "my%2Fpacs%20%C3%A4%3F");
    }
}
