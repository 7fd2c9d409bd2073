//! Attributes of a data set that nobody has checked.

use super::read_error::ReadSegError;
use crate::terminology::Code;
use dicom_core::{DataDictionary, Tag};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::InMemDicomObject;

/// A text that is not empty.
pub(super) fn text(object: &InMemDicomObject, tag: Tag) -> Option<String> {
    let text = object.element(tag).ok()?.to_str().ok()?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// A whole number, of any VR.
pub(super) fn whole(object: &InMemDicomObject, tag: Tag) -> Option<u32> {
    object.element(tag).ok()?.to_int().ok()
}

/// A whole number that must be there.
pub(super) fn required(object: &InMemDicomObject, tag: Tag) -> Result<u32, ReadSegError> {
    whole(object, tag).ok_or_else(|| {
        let name = StandardDataDictionary.by_tag(tag).map_or("", |e| e.alias);
        ReadSegError::Malformed(format!("it has no {name} {tag}"))
    })
}

/// Exactly `N` finite numbers.
pub(super) fn numbers<const N: usize>(object: &InMemDicomObject, tag: Tag) -> Option<[f64; N]> {
    let values = object.element(tag).ok()?.to_multi_float64().ok()?;
    let values: [f64; N] = values.try_into().ok()?;
    values.iter().all(|v| v.is_finite()).then_some(values)
}

/// The items of a sequence; none where it is missing.
pub(super) fn items(object: &InMemDicomObject, tag: Tag) -> &[InMemDicomObject] {
    object
        .element(tag)
        .ok()
        .and_then(|e| e.items())
        .unwrap_or_default()
}

/// The first code of a sequence.
pub(super) fn code(object: &InMemDicomObject, tag: Tag) -> Option<Code> {
    let item = items(object, tag).first()?;
    let value = text(item, tags::CODE_VALUE).or_else(|| text(item, tags::LONG_CODE_VALUE))?;
    Some(Code::new(
        value,
        text(item, tags::CODING_SCHEME_DESIGNATOR)?,
        text(item, tags::CODE_MEANING)?,
    ))
}
