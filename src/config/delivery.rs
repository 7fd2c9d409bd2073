//! `[delivery]`: how patiently results are sent.

use super::problem::Problem;
use super::section::Section;
use super::value;
use std::time::Duration;

/// `[delivery]`: time-outs of one attempt, and the pauses between attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Longest wait for a connection and for the association to be accepted.
    pub connect_timeout: Duration,
    /// Longest wait for the response to one request.
    pub response_timeout: Duration,
    /// Pause after the first failure; it doubles with every further one.
    pub first_retry: Duration,
    /// The pause stops growing here.
    pub longest_pause: Duration,
    /// A result not acknowledged after this long is marked failed.
    pub give_up_after: Duration,
    /// How long the association on which a peer was asked for storage commitment is held open for its report.
    pub commitment_linger: Duration,
    /// A result that its peer has not reported on after this long is marked failed.
    pub commitment_within: Duration,
}

impl Default for Delivery {
    /// Patient enough for a PACS that is down over a weekend.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(60),
            first_retry: Duration::from_secs(5),
            longest_pause: Duration::from_secs(10 * 60),
            give_up_after: Duration::from_secs(3 * 24 * 60 * 60),
            commitment_linger: Duration::from_secs(2),
            commitment_within: Duration::from_secs(24 * 60 * 60),
        }
    }
}

pub(super) fn read(mut section: Section<'_, '_>) -> Delivery {
    let default = Delivery::default();
    let delivery = Delivery {
        connect_timeout: section.or("connect_timeout", default.connect_timeout, value::duration),
        response_timeout: section.or(
            "response_timeout",
            default.response_timeout,
            value::duration,
        ),
        first_retry: section.or("first_retry", default.first_retry, value::duration),
        longest_pause: section.or("longest_pause", default.longest_pause, value::duration),
        give_up_after: section.or("give_up_after", default.give_up_after, value::duration),
        commitment_linger: section.or(
            "commitment_linger",
            default.commitment_linger,
            value::duration,
        ),
        commitment_within: section.or(
            "commitment_within",
            default.commitment_within,
            value::duration,
        ),
    };
    if delivery.longest_pause < delivery.first_retry {
        let span = section.span();
        section.problems().push(
            Problem::error(
                span,
                "`longest_pause` is shorter than `first_retry`",
                "the pauses between attempts cannot shrink",
            )
            .with_help("make longest_pause at least as long as first_retry"),
        );
    }
    section.finish();
    delivery
}
