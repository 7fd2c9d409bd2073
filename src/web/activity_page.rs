//! `/activity`: how many series came and were done over a day or a week, and how long the queue was.

use super::access::Reader;
use super::plot::{Bar, Part, plot};
use super::{Shared, layout};
use crate::archive::Span;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Local, Timelike, Utc};
use maud::{Markup, html};
use std::sync::Arc;

const HOUR_MS: i64 = 3_600_000;

/// What is asked for.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    last: String,
}

/// A stretch of time, and how it is cut.
struct Stretch {
    word: &'static str,
    name: &'static str,
    step_ms: i64,
    count: usize,
}

const STRETCHES: [Stretch; 2] = [
    Stretch {
        word: "day",
        name: "24 hours",
        step_ms: HOUR_MS,
        count: 24,
    },
    Stretch {
        word: "week",
        name: "7 days",
        step_ms: 6 * HOUR_MS,
        count: 28,
    },
];

impl Stretch {
    /// The start of the first span; the last one holds this moment.
    fn since(&self, now: DateTime<Utc>) -> i64 {
        let local = now.with_timezone(&Local);
        let offset = i64::from(local.offset().local_minus_utc()) * 1000;
        // Spans begin at full hours of the clock on the wall.
        let current = (now.timestamp_millis() + offset).div_euclid(self.step_ms) * self.step_ms;
        current - offset - (self.count as i64 - 1) * self.step_ms
    }

    /// The time of a span in words.
    fn words(&self, from: i64) -> String {
        let format = if self.word == "day" {
            "%H:%M"
        } else {
            "%a %H:%M"
        };
        local(from).format(format).to_string()
    }

    /// What stands below a span's bar.
    fn tick(&self, number: usize, from: i64) -> String {
        let from = local(from);
        match self.word {
            "day" if number.is_multiple_of(4) => from.format("%H:%M").to_string(),
            "week" if from.hour() < 6 => from.format("%a %e").to_string(),
            _ => String::new(),
        }
    }
}

fn local(at: i64) -> DateTime<Local> {
    DateTime::from_timestamp_millis(at)
        .unwrap_or_default()
        .with_timezone(&Local)
}

/// The page.
pub(super) async fn page(
    State(shared): State<Arc<Shared>>,
    reader: Reader,
    Query(asked): Query<Asked>,
) -> Response {
    let [day, week] = &STRETCHES;
    let stretch = if asked.last == week.word { week } else { day };
    let since = stretch.since(Utc::now());
    let read = shared
        .archive
        .activity(since, stretch.step_ms, stretch.count);
    let spans = match read.await {
        Ok(spans) => spans,
        Err(error) => return layout::index_unreadable(&error),
    };
    let main = html! {
        h1 { "Activity" }
        nav.choice aria-label="Time" {
            @for one in &STRETCHES {
                a href=(format!("/activity?last={}", one.word)) aria-current=[(one.word == stretch.word).then_some("page")] {
                    (one.name)
                }
            }
        }
        (figures(stretch, &spans))
    };
    layout::page("Activity", &shared, &reader, &main).into_response()
}

fn figures(stretch: &Stretch, spans: &[Span]) -> Markup {
    let sum = |of: fn(&Span) -> u32| spans.iter().map(of).sum::<u32>();
    let (arrived, delivered, failed) = (
        sum(|span| span.arrived),
        sum(|span| span.delivered),
        sum(|span| span.failed),
    );
    let other = sum(|span| span.other);
    let most = spans.iter().map(|span| span.most_open).max().unwrap_or(0);
    let done = format!(
        "series arrived: {arrived}, delivered: {delivered}, failed: {failed}, with nothing to send: {other}"
    );
    let queue = format!("most at once: {most}");
    let bars = |part: &dyn Fn(&Span) -> (String, Vec<Part>)| -> Vec<Bar> {
        let numbered = spans.iter().enumerate();
        let bar = |(number, span): (usize, &Span)| {
            let (words, parts) = part(span);
            Bar {
                tick: stretch.tick(number, span.from),
                words: format!("{}: {words}", stretch.words(span.from)),
                parts,
            }
        };
        numbered.map(bar).collect()
    };
    let throughput = bars(&|span| {
        let words = format!(
            "{} delivered, {} failed, {} with nothing to send",
            span.delivered, span.failed, span.other
        );
        let parts = vec![
            ("good", span.delivered),
            ("bad", span.failed),
            ("rest", span.other),
        ];
        (words, parts)
    });
    let queued = bars(&|span| {
        let parts = vec![("work", span.most_open)];
        (format!("at most {} open", span.most_open), parts)
    });
    let hours = stretch.step_ms / HOUR_MS;
    let each = if hours == 1 {
        "each hour".to_owned()
    } else {
        format!("every {hours} hours")
    };
    html! {
        figure {
            figcaption {
                h2 { "Series done " (each) }
                p.soft { "In " (stretch.name) ", " (done) "." }
                p.legend {
                    (key("good", "delivered")) (key("bad", "failed")) (key("rest", "nothing to send"))
                }
            }
            (plot("Series done", &done, &throughput))
        }
        figure {
            figcaption {
                h2 { "Queue" }
                p.soft { "Series arriving, waiting, being done, or held for a person; " (queue) "." }
            }
            (plot("Queue", &queue, &queued))
        }
        details {
            summary { "The same as a table" }
            div.wide { table {
                thead { tr { @for title in ["From", "Arrived", "Delivered", "Failed", "Nothing to send", "Most open"] {
                    th scope="col" { (title) }
                } } }
                tbody { @for span in spans.iter().rev() {
                    tr {
                        th scope="row" data-title="From" { (local(span.from).format("%F %H:%M").to_string()) }
                        @for (title, number) in [("Arrived", span.arrived), ("Delivered", span.delivered),
                            ("Failed", span.failed), ("Nothing to send", span.other), ("Most open", span.most_open)] {
                            td.number data-title=(title) { (number) }
                        }
                    }
                } }
            } }
        }
    }
}

/// A colour and what it stands for.
fn key(class: &str, words: &str) -> Markup {
    html! {
        span {
            svg.swatch viewBox="0 0 1 1" aria-hidden="true" { rect class=(class) width="1" height="1" {} }
            (words)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_span_holds_this_moment_and_begins_at_a_full_hour() {
        let now = DateTime::from_timestamp_millis(1_790_000_123_456).unwrap();
        for stretch in &STRETCHES {
            let last = stretch.since(now) + (stretch.count as i64 - 1) * stretch.step_ms;
            assert!(last <= now.timestamp_millis());
            assert!(now.timestamp_millis() < last + stretch.step_ms);
            assert_eq!(local(last).minute(), 0);
        }
    }
}
