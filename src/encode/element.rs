//! Short ways to write data elements.

use crate::terminology::Code;
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

/// Text of any VR; several values are separated by backslashes.
pub(super) fn text(tag: Tag, vr: VR, value: impl Into<String>) -> InMemElement {
    DataElement::new(tag, vr, PrimitiveValue::from(value.into()))
}

/// A type 2 element without a value.
pub(super) fn empty(tag: Tag, vr: VR) -> InMemElement {
    DataElement::new(tag, vr, PrimitiveValue::Empty)
}

/// One unsigned 16-bit number.
pub(super) fn us(tag: Tag, value: u16) -> InMemElement {
    DataElement::new(tag, VR::US, PrimitiveValue::from(value))
}

/// Decimal strings.
pub(super) fn ds(tag: Tag, values: &[f64]) -> InMemElement {
    let values: Vec<String> = values.iter().map(|&value| decimal_string(value)).collect();
    text(tag, VR::DS, values.join("\\"))
}

/// A sequence.
pub(super) fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> InMemElement {
    DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
}

/// An item.
pub(super) fn item(elements: impl IntoIterator<Item = InMemElement>) -> InMemDicomObject {
    InMemDicomObject::from_element_iter(elements)
}

/// A sequence of one code (PS3.3 section 8.8).
pub(super) fn code(tag: Tag, code: &Code) -> InMemElement {
    sequence(tag, vec![code_item(code)])
}

/// The item of a code.
pub(super) fn code_item(code: &Code) -> InMemDicomObject {
    // A code of more than 16 characters has an attribute of its own.
    let value = if code.value.chars().count() <= 16 {
        text(tags::CODE_VALUE, VR::SH, limited(&code.value, 16))
    } else {
        text(tags::LONG_CODE_VALUE, VR::UC, limited(&code.value, 1024))
    };
    item([
        value,
        text(
            tags::CODING_SCHEME_DESIGNATOR,
            VR::SH,
            limited(&code.scheme, 16),
        ),
        text(tags::CODE_MEANING, VR::LO, limited(&code.meaning, 64)),
    ])
}

/// Text without control characters and backslashes, cut to what a VR holds.
pub(super) fn limited(value: &str, most: usize) -> String {
    value
        .chars()
        .map(|c| if c.is_control() || c == '\\' { ' ' } else { c })
        .take(most)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// The most exact decimal string of at most 16 characters (PS3.5 section 6.2, DS).
pub(super) fn decimal_string(value: f64) -> String {
    // Minus zero is a number of its own and no other writer's.
    let value = if value == 0.0 { 0.0 } else { value };
    let shortest = value.to_string();
    if shortest.len() <= 16 {
        return shortest;
    }
    // A plain fraction keeps the most digits near 1, an exponent the most far from it.
    let plain = (0..=14).rev().map(|digits| format!("{value:.digits$}"));
    let exponent = (0..=14).rev().map(|digits| format!("{value:.digits$e}"));
    let error = |text: &String| {
        text.parse::<f64>()
            .map_or(f64::INFINITY, |read| (read - value).abs())
    };
    plain
        .chain(exponent)
        .filter(|text| text.len() <= 16)
        .min_by(|a, b| error(a).total_cmp(&error(b)))
        .unwrap_or_else(|| "0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_decimal_string_fits_and_is_the_number(value in prop_oneof![-1e4f64..1e4, -1.0f64..1.0, any::<i32>().prop_map(f64::from)]) {
            let text = decimal_string(value);
            prop_assert!(text.len() <= 16, "{text}");
            let read: f64 = text.parse().unwrap();
            prop_assert!((read - value).abs() <= value.abs().max(1e-2) * 1e-8, "{value} became {text}");
        }
    }

    #[test]
    fn text_is_cut_and_cleaned() {
        assert_eq!(limited("left\\right\n", 64), "left right");
        assert_eq!(limited("abcdef", 3), "abc");
    }
}
