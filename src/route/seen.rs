//! What a data set holds for a subject, read the way conditions compare it.

use super::SeriesContext;
use crate::config::Subject;
use dicom_core::value::{PrimitiveValue, Value};
use dicom_core::{Tag, VR};
use dicom_object::InMemDicomObject;
use std::fmt;

/// The value a test saw. It may identify a patient: [`Seen::reveal`] is the
/// only way to its text, and `Debug` shows its shape alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen(Content);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Content {
    Absent,
    /// There, without a value (or with nothing but spaces).
    Empty,
    /// Values without outer spaces.
    Texts {
        values: Vec<String>,
        are_numbers: bool,
    },
    /// Items of a sequence.
    Items(usize),
    /// Bytes or pixel data.
    Bytes,
}

impl Seen {
    /// Looks at a subject of a series.
    pub fn of(subject: &Subject, series: &SeriesContext<'_>) -> Self {
        Self(match subject {
            Subject::Attribute { tag, .. } => attribute(series.attributes, *tag),
            Subject::CallingAe => texts([series.calling_ae], false),
            Subject::CalledAe => texts([series.called_ae], false),
        })
    }

    pub(super) fn content(&self) -> &Content {
        &self.0
    }

    /// The values in words, for a terminal and never for a log.
    pub fn reveal(&self) -> String {
        match &self.0 {
            Content::Absent => "absent".to_owned(),
            Content::Empty => "empty".to_owned(),
            Content::Texts { values, .. } => values
                .iter()
                .map(|value| printable(value))
                .collect::<Vec<_>>()
                .join(" \\ "),
            Content::Items(0) => "an empty sequence".to_owned(),
            Content::Items(1) => "a sequence of 1 item".to_owned(),
            Content::Items(count) => format!("a sequence of {count} items"),
            Content::Bytes => "binary data".to_owned(),
        }
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Content::Absent => f.write_str("Seen(absent)"),
            Content::Empty => f.write_str("Seen(empty)"),
            Content::Texts { values, .. } => write!(f, "Seen({} value(s), withheld)", values.len()),
            Content::Items(count) => write!(f, "Seen({count} item(s))"),
            Content::Bytes => f.write_str("Seen(bytes)"),
        }
    }
}

/// Long texts shortened and control characters made visible: values come from outside and go to a terminal.
fn printable(value: &str) -> String {
    const LONGEST: usize = 64;
    let mut shown: String = value
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if value.chars().nth(LONGEST).is_some() {
        shown.push_str("...");
    }
    shown
}

fn attribute(data_set: &InMemDicomObject, tag: Tag) -> Content {
    let Ok(Some(element)) = data_set.element_opt(tag) else {
        return Content::Absent;
    };
    let vr = element.vr();
    match element.value() {
        Value::Sequence(sequence) => Content::Items(sequence.items().len()),
        Value::PixelSequence(_) => Content::Bytes,
        Value::Primitive(PrimitiveValue::Empty) => Content::Empty,
        Value::Primitive(_)
            if matches!(vr, VR::OB | VR::OW | VR::OD | VR::OF | VR::OL | VR::OV) =>
        {
            Content::Bytes
        }
        // A private element read from an implicit VR file: text when it looks like text.
        Value::Primitive(PrimitiveValue::U8(bytes)) if vr == VR::UN => {
            match std::str::from_utf8(bytes) {
                Ok(text)
                    if !text
                        .trim_end_matches('\0')
                        .contains(|c: char| c.is_control()) =>
                {
                    texts(text.split('\\'), false)
                }
                _ => Content::Bytes,
            }
        }
        // These hold one text in which a backslash is a character like any other (PS3.5 6.2).
        Value::Primitive(value) if matches!(vr, VR::ST | VR::LT | VR::UT | VR::UR) => {
            texts([value.to_str().as_ref()], false)
        }
        Value::Primitive(value) => {
            let values = value.to_multi_str();
            texts(
                values.iter().flat_map(|value| value.split('\\')),
                is_number(vr),
            )
        }
    }
}

fn is_number(vr: VR) -> bool {
    matches!(
        vr,
        VR::DS | VR::IS | VR::FL | VR::FD | VR::US | VR::SS | VR::UL | VR::SL | VR::UV | VR::SV
    )
}

fn texts<'v>(values: impl IntoIterator<Item = &'v str>, are_numbers: bool) -> Content {
    let values: Vec<String> = values
        .into_iter()
        .map(|value| {
            value
                .trim_matches(|c: char| c == ' ' || c == '\0')
                .to_owned()
        })
        .collect();
    if values.iter().all(String::is_empty) {
        Content::Empty
    } else {
        Content::Texts {
            values,
            are_numbers,
        }
    }
}
