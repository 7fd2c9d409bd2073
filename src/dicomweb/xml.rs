//! The Native DICOM Model in XML (PS3.19 annex A.1), made from the JSON model: both say the same (PS3.18 annex F).

use dicom_core::{DataDictionary, Tag};
use dicom_dictionary_std::StandardDataDictionary;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::io;

/// The namespace of PS3.19 section A.1.5.
const NAMESPACE: &str = "http://dicom.nema.org/PS3.19/models/NativeDICOM";

/// The components of a person's name, in the order that carets separate (PS3.5 section 6.2.1).
const NAME_PARTS: [&str; 5] = [
    "FamilyName",
    "GivenName",
    "MiddleName",
    "NamePrefix",
    "NameSuffix",
];

type Xml = Writer<Vec<u8>>;

/// A data set of the JSON model as a document.
pub(super) fn document(data_set: &Value) -> io::Result<Vec<u8>> {
    let mut xml = Writer::new(Vec::new());
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("NativeDicomModel")
        .with_attributes([("xmlns", NAMESPACE), ("xml:space", "preserve")])
        .write_inner_content(|xml| attributes(xml, data_set.as_object()))?;
    Ok(xml.into_inner())
}

fn attributes(xml: &mut Xml, data_set: Option<&Map<String, Value>>) -> io::Result<()> {
    let Some(data_set) = data_set else {
        return Ok(());
    };
    for (name, element) in data_set {
        attribute(xml, name, element, data_set)?;
    }
    Ok(())
}

fn attribute(
    xml: &mut Xml,
    name: &str,
    element: &Value,
    data_set: &Map<String, Value>,
) -> io::Result<()> {
    let known = tag(name).and_then(|tag| StandardDataDictionary.by_tag(tag));
    let creator = private_creator(name, data_set);
    let vr = element["vr"].as_str().unwrap_or("UN");
    let mut started = xml
        .create_element("DicomAttribute")
        .with_attributes([("tag", name), ("vr", vr)]);
    if let Some(entry) = known {
        started = started.with_attribute(("keyword", entry.alias));
    }
    if let Some(creator) = creator {
        started = started.with_attribute(("privateCreator", writable(creator).as_ref()));
    }
    let values = element["Value"].as_array().map_or(&[][..], Vec::as_slice);
    started.write_inner_content(|xml| {
        for (at, value) in values.iter().enumerate() {
            let number = (at + 1).to_string();
            match vr {
                "SQ" => {
                    xml.create_element("Item")
                        .with_attribute(("number", number.as_str()))
                        .write_inner_content(|xml| attributes(xml, value.as_object()))?;
                }
                // An empty value among others has a place, and nothing in it.
                _ if value.is_null() => {}
                "PN" => {
                    xml.create_element("PersonName")
                        .with_attribute(("number", number.as_str()))
                        .write_inner_content(|xml| person(xml, value))?;
                }
                _ => {
                    let text = value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned);
                    xml.create_element("Value")
                        .with_attribute(("number", number.as_str()))
                        .write_text_content(BytesText::new(&writable(&text)))?;
                }
            }
        }
        if let Some(bytes) = element["InlineBinary"].as_str() {
            xml.create_element("InlineBinary")
                .write_text_content(BytesText::new(bytes))?;
        }
        if let Some(uri) = element["BulkDataURI"].as_str() {
            xml.create_element("BulkData")
                .with_attribute(("uri", uri))
                .write_empty()?;
        }
        Ok(())
    })?;
    Ok(())
}

fn person(xml: &mut Xml, name: &Value) -> io::Result<()> {
    for group in ["Alphabetic", "Ideographic", "Phonetic"] {
        let Some(written) = name[group].as_str() else {
            continue;
        };
        xml.create_element(group).write_inner_content(|xml| {
            for (part, text) in NAME_PARTS.iter().zip(written.split('^')) {
                if !text.is_empty() {
                    xml.create_element(*part)
                        .write_text_content(BytesText::new(&writable(text)))?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Text of a data set may have form feeds and the like in it, which XML has no way to write (XML 1.0 section 2.2).
fn writable(text: &str) -> Cow<'_, str> {
    let is_control = |c: char| {
        c < ' ' && !['\t', '\n', '\r'].contains(&c) || ['\u{fffe}', '\u{ffff}'].contains(&c)
    };
    match text.contains(is_control) {
        true => text.replace(is_control, "\u{fffd}").into(),
        false => text.into(),
    }
}

fn tag(name: &str) -> Option<Tag> {
    let number = |digits: Option<&str>| u16::from_str_radix(digits?, 16).ok();
    Some(Tag(number(name.get(..4))?, number(name.get(4..))?))
}

/// Who gave a private attribute its meaning: what the data set says of the block it is in (PS3.5 section 7.8.1).
fn private_creator<'d>(name: &str, data_set: &'d Map<String, Value>) -> Option<&'d str> {
    let Tag(group, element) = tag(name)?;
    if group % 2 == 0 || element < 0x1000 {
        return None;
    }
    let block = format!("{group:04X}{:04X}", element >> 8);
    data_set.get(&block)?["Value"][0].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_names_items_and_what_is_elsewhere_are_written_as_ps3_19_has_them() {
        let data_set = json!({
            "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
            "00080060": {"vr": "CS"},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou^^Dr", "Ideographic": "山田^太郎"}]},
            "00280030": {"vr": "DS", "Value": [0.5, null, 2]},
            "00291010": {"vr": "OB", "InlineBinary": "AQI="},
            "00290010": {"vr": "LO", "Value": ["A & B"]},
            "00104000": {"vr": "LT", "Value": ["one\u{c}two"]},
            "00282000": {"vr": "OB", "BulkDataURI": "http://h/bulkdata/00282000?a=1&b=2"},
            "00081115": {"vr": "SQ", "Value": [{"0020000E": {"vr": "UI", "Value": ["1.2"]}}]},
        });
        let written = String::from_utf8(document(&data_set).unwrap()).unwrap();
        for expected in [
            r#"<DicomAttribute tag="00080060" vr="CS" keyword="Modality"></DicomAttribute>"#,
            "<Alphabetic><FamilyName>Yamada</FamilyName><GivenName>Tarou</GivenName><NamePrefix>Dr</NamePrefix></Alphabetic>",
            "<Ideographic><FamilyName>山田</FamilyName>",
            r#"<Value number="1">0.5</Value><Value number="3">2</Value>"#,
            r#"<DicomAttribute tag="00291010" vr="OB" privateCreator="A &amp; B"><InlineBinary>AQI=</InlineBinary>"#,
            "one\u{fffd}two",
            r#"<BulkData uri="http://h/bulkdata/00282000?a=1&amp;b=2"/>"#,
            r#"<Item number="1"><DicomAttribute tag="0020000E" vr="UI" keyword="SeriesInstanceUID"><Value number="1">1.2</Value>"#,
        ] {
            assert!(written.contains(expected), "{expected} in {written}");
        }
    }
}
