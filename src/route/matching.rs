//! Whether a test holds for what was seen.

use super::seen::{Content, Seen};
use crate::config::Test;

/// Whether a test holds. Nothing but `present` holds for an attribute that is absent, empty, a sequence or bytes.
pub(super) fn holds(test: &Test, seen: &Seen) -> bool {
    let (values, are_numbers) = match (test, seen.content()) {
        (Test::Present(wanted), content) => return *wanted == is_present(content),
        (
            _,
            Content::Texts {
                values,
                are_numbers,
            },
        ) => (values, *are_numbers),
        (_, Content::Absent | Content::Empty | Content::Items(_) | Content::Bytes) => return false,
    };
    match test {
        Test::Equals(wanted) => values.iter().any(|value| same(value, wanted, are_numbers)),
        Test::OneOf(wanted) => values
            .iter()
            .any(|value| wanted.iter().any(|wanted| same(value, wanted, are_numbers))),
        Test::Glob(glob) => values.iter().any(|value| glob.is_match(value)),
        Test::Regex(regex) => values.iter().any(|value| regex.is_match(value)),
        Test::Range { min, max } => values.iter().all(|value| {
            number(value).is_some_and(|value| {
                min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max)
            })
        }),
        Test::Present(wanted) => *wanted,
    }
}

fn is_present(content: &Content) -> bool {
    match content {
        Content::Absent | Content::Empty | Content::Items(0) => false,
        Content::Texts { .. } | Content::Items(_) | Content::Bytes => true,
    }
}

fn same(value: &str, wanted: &str, are_numbers: bool) -> bool {
    if value == wanted {
        return true;
    }
    are_numbers && number(value).is_some_and(|value| Some(value) == number(wanted))
}

/// A finite number; DS and IS are decimal texts (PS3.5 6.2), so nothing else is read as one.
fn number(text: &str) -> Option<f64> {
    let is_decimal = text
        .bytes()
        .all(|c| c.is_ascii_digit() || matches!(c, b'+' | b'-' | b'.' | b'e' | b'E'));
    is_decimal
        .then(|| text.parse().ok())
        .flatten()
        .filter(|number: &f64| number.is_finite())
}
