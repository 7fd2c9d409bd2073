//! The DICOM JSON model (PS3.18 annex F): whole data sets, with long values left where they are, and what the catalogue
//! says.

use dicom_core::value::Value as DicomValue;
use dicom_core::{DataDictionary, Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;
use serde_json::{Map, Value, json};

/// Binary values up to so many bytes stand in the JSON; longer ones are bulk data.
const LONGEST_INLINE: u32 = 1024;

/// The key of an attribute.
pub(super) fn key(tag: Tag) -> String {
    format!("{:04X}{:04X}", tag.group(), tag.element())
}

/// The value representation of an attribute of the standard.
pub(super) fn vr_of(tag: Tag) -> VR {
    StandardDataDictionary
        .by_tag(tag)
        .map_or(VR::UN, |entry| entry.vr.relaxed())
}

/// An attribute of which only the text is known; several values stand with `\` between them.
pub(super) fn attribute(vr: VR, text: &str) -> Value {
    let vr_name = vr.to_string();
    if text.is_empty() {
        return json!({ "vr": vr_name });
    }
    let values: Vec<Value> = text
        .split('\\')
        .map(|one| value(vr, Value::String(one.trim_matches([' ', '\0']).to_owned())))
        .map(|one| match (vr, one) {
            (VR::PN, Value::String(name)) => person(&name),
            (_, other) => other,
        })
        .collect();
    json!({ "vr": vr_name, "Value": values })
}

fn person(name: &str) -> Value {
    let groups = ["Alphabetic", "Ideographic", "Phonetic"];
    let written = groups.iter().zip(name.split('='));
    let written = written.filter(|(_, group)| !group.is_empty());
    let map: Map<String, Value> = written
        .map(|(name, group)| ((*name).to_owned(), group.into()))
        .collect();
    Value::Object(map)
}

/// A data set without its pixel data; what is longer than some bytes has a URI that begins with `bulk` (without a slash
/// at its end). `has_pixel_data` says that there is some, under which element and representation.
pub(super) fn data_set(
    object: &InMemDicomObject,
    bulk: &str,
    pixel_data: Option<(Tag, VR)>,
) -> Value {
    let mut map = elements(object, bulk);
    if let Some((tag, vr)) = pixel_data {
        let uri = format!("{bulk}/{}", key(tag));
        map.insert(
            key(tag),
            json!({ "vr": vr.to_string(), "BulkDataURI": uri }),
        );
    }
    // The texts are no longer as the instance has them.
    map.insert(
        key(tags::SPECIFIC_CHARACTER_SET),
        json!({ "vr": "CS", "Value": ["ISO_IR 192"] }),
    );
    Value::Object(map)
}

fn elements(object: &InMemDicomObject, path: &str) -> Map<String, Value> {
    object
        .iter()
        .filter(|element| element.header().tag.element() != 0)
        .map(|one| {
            let name = key(one.header().tag);
            let value = element(one, &format!("{path}/{name}"));
            (name, value)
        })
        .collect()
}

fn element(element: &InMemElement, path: &str) -> Value {
    let vr = element.header().vr;
    match element.value() {
        DicomValue::Sequence(sequence) => {
            let items = sequence.items().iter().enumerate();
            let items: Vec<Value> = items
                .map(|(at, item)| Value::Object(elements(item, &format!("{path}/{}", at + 1))))
                .collect();
            match items.is_empty() {
                true => json!({ "vr": "SQ" }),
                false => json!({ "vr": "SQ", "Value": items }),
            }
        }
        DicomValue::PixelSequence(_) => json!({ "vr": vr.to_string(), "BulkDataURI": path }),
        DicomValue::Primitive(_) if is_binary(vr) => {
            let length = element.value().to_bytes().map_or(0, |bytes| bytes.len());
            match length as u64 > u64::from(LONGEST_INLINE) {
                true => json!({ "vr": vr.to_string(), "BulkDataURI": path }),
                false => plain(element, vr),
            }
        }
        DicomValue::Primitive(_) => plain(element, vr),
    }
}

fn plain(element: &InMemElement, vr: VR) -> Value {
    let written = dicom_json::to_value(element);
    let Ok(Value::Object(mut written)) = written else {
        return json!({ "vr": vr.to_string() });
    };
    let is_empty = |value: &Value| match value {
        Value::Array(values) => values.iter().all(|one| *one == "" || *one == json!({})),
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    for name in ["Value", "InlineBinary"] {
        if written.get(name).is_some_and(is_empty) {
            written.remove(name);
        }
    }
    if let Some(Value::Array(values)) = written.get_mut("Value") {
        for one in values {
            *one = value(vr, one.take());
        }
    }
    Value::Object(written)
}

/// A value without padding; what is a number, and no text that says one.
fn value(vr: VR, value: Value) -> Value {
    let Value::String(text) = value else {
        return value;
    };
    let trimmed = match vr {
        VR::ST | VR::LT | VR::UT => text.trim_end_matches([' ', '\0']),
        _ => text.trim_matches([' ', '\0']),
    };
    let number = match vr {
        VR::IS => trimmed.parse::<i64>().ok().map(Value::from),
        VR::US | VR::SS | VR::UL | VR::SL => trimmed.parse::<i64>().ok().map(Value::from),
        VR::DS => trimmed
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(Value::from),
        _ => None,
    };
    match number {
        Some(number) => number,
        None if trimmed.is_empty() => Value::Null,
        None => Value::String(trimmed.to_owned()),
    }
}

/// Whether a value is kept as the bytes it is.
pub(super) fn is_binary(vr: VR) -> bool {
    matches!(
        vr,
        VR::OB | VR::OW | VR::OF | VR::OD | VR::OL | VR::OV | VR::UN
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::value::DataSetSequence;
    use dicom_core::{DataElement, PrimitiveValue};

    #[test]
    fn attributes_have_numbers_names_and_no_padding() {
        assert_eq!(attribute(VR::IS, "12 "), json!({"vr": "IS", "Value": [12]}));
        assert_eq!(
            attribute(VR::PN, "Yamada^Tarou=山田^太郎"),
            json!({"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]})
        );
        assert_eq!(
            attribute(VR::CS, "CT\\SEG"),
            json!({"vr": "CS", "Value": ["CT", "SEG"]})
        );
        assert_eq!(attribute(VR::LO, ""), json!({"vr": "LO"}));
    }

    #[test]
    fn long_values_have_the_path_to_them_and_short_ones_stand_there() {
        let long = PrimitiveValue::from(vec![7u8; 2000]);
        let item = InMemDicomObject::from_element_iter([
            DataElement::new(tags::LUT_DATA, VR::OW, long),
            DataElement::new(
                tags::PIXEL_SPACING,
                VR::DS,
                dicom_core::dicom_value!(Strs, ["0.5", ".25 "]),
            ),
        ]);
        let object = InMemDicomObject::from_element_iter([
            DataElement::new(
                tags::MODALITY_LUT_SEQUENCE,
                VR::SQ,
                DicomValue::from(DataSetSequence::from(vec![item])),
            ),
            DataElement::new(
                Tag(0x0029, 0x1010),
                VR::OB,
                PrimitiveValue::from(vec![1u8, 2]),
            ),
            DataElement::new(tags::PATIENT_ID, VR::LO, PrimitiveValue::from("")),
        ]);
        let json = data_set(
            &object,
            "http://h/bulkdata",
            Some((tags::PIXEL_DATA, VR::OW)),
        );
        let item = &json["00283000"]["Value"][0];
        assert_eq!(
            item["00283006"]["BulkDataURI"],
            "http://h/bulkdata/00283000/1/00283006"
        );
        assert_eq!(item["00280030"]["Value"], json!([0.5, 0.25]));
        assert_eq!(json["00291010"]["InlineBinary"], "AQI=");
        assert_eq!(
            json["7FE00010"]["BulkDataURI"],
            "http://h/bulkdata/7FE00010"
        );
        assert_eq!(json["00100020"], json!({"vr": "LO"}));
    }
}
