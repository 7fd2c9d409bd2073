//! What all pages share: frame, style, script.

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use maud::{DOCTYPE, Markup, html};

/// A whole page.
pub(super) fn page(title: &str, ae_title: &str, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (ae_title) " · irisnode" }
                link rel="stylesheet" href="/style.css";
                script src="/live.js" defer {}
            }
            body {
                header {
                    a.name href="/" { "irisnode" }
                    span { (ae_title) }
                }
                main id="live" { (main) }
                footer {
                    p { "Research software, not a medical device. irisnode " (env!("CARGO_PKG_VERSION")) }
                }
            }
        }
    }
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

/// There is no such page.
pub(super) async fn not_found() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, "there is no such page\n")
}
