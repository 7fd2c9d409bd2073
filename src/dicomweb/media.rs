//! Which representation a client wants: the Accept header and the `accept` parameter (PS3.18 section 8.3.3, 8.7).

use super::refused::Refused;
use axum::http::{HeaderMap, header};
use dicom_dictionary_std::uids;

/// A media type with its parameters, as one of those that a client accepts or as that of what it sends.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MediaType {
    /// Such as `multipart/related`, in lower case.
    pub(super) name: String,
    /// Names in lower case, values without their quotes.
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Reads one media type.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = outside_quotes(text, ';').into_iter();
        let name = parts.next()?.trim().to_ascii_lowercase();
        if !name.contains('/') {
            return None;
        }
        let parameter = |part: &str| {
            let (name, value) = part.split_once('=')?;
            Some((name.trim().to_ascii_lowercase(), unquoted(value.trim())))
        };
        let parameters = parts.filter_map(parameter).collect();
        Some(Self { name, parameters })
    }

    /// The value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let mut all = self.parameters.iter();
        let found = all.find(|(of, _)| of == name);
        found.map(|(_, value)| value.as_str())
    }

    /// For how much it counts among those that are accepted.
    fn weight(&self) -> f32 {
        let weight = self.parameter("q").and_then(|q| q.parse().ok());
        weight.unwrap_or(1.0)
    }

    /// What it stands for where several parts are sent: the parts' media type (`*/*` where any will do). `None` where it
    /// takes no multipart.
    pub(super) fn of_parts(&self) -> Option<String> {
        match self.name.as_str() {
            "*/*" => Some("*/*".into()),
            "multipart/related" | "multipart/*" => Some(
                self.parameter("type")
                    .map_or("*/*".into(), str::to_ascii_lowercase),
            ),
            _ => None,
        }
    }
}

/// Whether a range such as `image/*` takes a media type.
pub(super) fn takes(range: &str, media_type: &str) -> bool {
    let is_any = range.strip_suffix("/*").is_some_and(|kind| {
        kind == "*"
            || media_type
                .strip_prefix(kind)
                .is_some_and(|rest| rest.starts_with('/'))
    });
    is_any || range == media_type
}

/// What a client accepts, what it likes best first; anything where it says nothing.
pub(super) fn accepted(headers: &HeaderMap, parameter: Option<&str>) -> Vec<MediaType> {
    let lines: Vec<&str> = match parameter {
        Some(parameter) => vec![parameter],
        None => headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect(),
    };
    let mut accepted: Vec<MediaType> = lines
        .iter()
        .flat_map(|line| outside_quotes(line, ','))
        .filter_map(MediaType::parse)
        .filter(|media_type| media_type.weight() > 0.0)
        .collect();
    if lines.is_empty() {
        accepted.extend(MediaType::parse("*/*"));
    }
    accepted.sort_by(|a, b| b.weight().total_cmp(&a.weight()));
    accepted
}

/// How data sets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// The DICOM JSON model, as this media type.
    Json(&'static str),
    /// The Native DICOM Model: a part for each data set.
    Xml,
}

/// The media type of a part of an answer in XML.
pub(super) const XML: &str = "application/dicom+xml";
const JSON: [&str; 2] = ["application/dicom+json", "application/json"];

/// How data sets are written for a client.
pub(super) fn data_sets(accepted: &[MediaType]) -> Result<Written, Refused> {
    // Whoever takes anything is given JSON.
    let is_of_xml = |range: &MediaType| {
        range.name != "*/*" && range.of_parts().is_some_and(|of| takes(&of, XML))
    };
    written(accepted, is_of_xml).ok_or_else(|| {
        Refused::not_acceptable(
            "this resource is given as application/dicom+json, or multipart/related; type=\"application/dicom+xml\"",
        )
    })
}

/// How one data set is written, which stands alone.
pub(super) fn data_set(accepted: &[MediaType]) -> Result<Written, Refused> {
    written(accepted, |range| takes(&range.name, XML)).ok_or_else(|| {
        Refused::not_acceptable("this is given as application/dicom+json or application/dicom+xml")
    })
}

fn written(accepted: &[MediaType], is_of_xml: impl Fn(&MediaType) -> bool) -> Option<Written> {
    accepted.iter().find_map(|range| {
        let mut types = JSON.iter().copied();
        let json = types.find(|media_type| takes(&range.name, media_type));
        json.map(Written::Json)
            .or_else(|| is_of_xml(range).then_some(Written::Xml))
    })
}

/// In which transfer syntax instances are to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// As each is kept.
    Stored,
    /// In Explicit VR Little Endian.
    ExplicitLittleEndian,
}

/// The transfer syntax that a media type of `application/dicom` asks for, of instances that are kept in `stored`;
/// Explicit VR Little Endian is meant by none (PS3.18 section 8.7.3.5.2).
pub(super) fn instance_syntax<'s>(
    range: &MediaType,
    mut stored: impl Iterator<Item = &'s str>,
) -> Option<Syntax> {
    match range.parameter("transfer-syntax") {
        Some("*") => Some(Syntax::Stored),
        None | Some(uids::EXPLICIT_VR_LITTLE_ENDIAN) => Some(Syntax::ExplicitLittleEndian),
        Some(named) => stored.all(|kept| kept == named).then_some(Syntax::Stored),
    }
}

/// The media type of a code stream of a transfer syntax (PS3.18 table 8.7.3-5); `None` where pixels are kept as they are.
pub(super) fn of_code_stream(transfer_syntax: &str) -> Option<&'static str> {
    Some(match transfer_syntax {
        uids::JPEG_BASELINE8_BIT
        | uids::JPEG_EXTENDED12_BIT
        | uids::JPEG_LOSSLESS
        | uids::JPEG_LOSSLESS_SV1 => "image/jpeg",
        uids::RLE_LOSSLESS => "image/dicom-rle",
        uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => "image/jls",
        uids::JPEG2000_LOSSLESS | uids::JPEG2000 => "image/jp2",
        uids::HTJ2K_LOSSLESS | uids::HTJ2K_LOSSLESS_RPCL | uids::HTJ2K => "image/jphc",
        _ => return None,
    })
}

/// Parts of a text between separators, those within quotes excepted.
fn outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut begin, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if c == separator && !is_quoted => {
                parts.push(&text[begin..at]);
                begin = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return value.to_owned();
    };
    let (mut text, mut is_escaped) = (String::new(), false);
    for c in inner.chars() {
        if c == '\\' && !is_escaped {
            is_escaped = true;
        } else {
            is_escaped = false;
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(line: &str) -> Vec<MediaType> {
        accepted(&HeaderMap::new(), Some(line))
    }

    #[test]
    fn what_counts_most_comes_first_and_quotes_are_kept_together() {
        let all = of(
            "image/jpeg;q=0.5, multipart/related; type=\"application/octet-stream\"; transfer-syntax=*, a/b;q=0",
        );
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["multipart/related", "image/jpeg"]);
        assert_eq!(
            all[0].of_parts().as_deref(),
            Some("application/octet-stream")
        );
        assert_eq!(all[0].parameter("transfer-syntax"), Some("*"));
        let odd = of("multipart/related; boundary=\"a,b;c\\\"d\"");
        assert_eq!(odd[0].parameter("boundary"), Some("a,b;c\"d"));
    }

    #[test]
    fn json_is_given_to_whoever_takes_it_and_xml_to_whoever_asks_for_it() {
        let json = Ok(Written::Json("application/dicom+json"));
        assert_eq!(data_sets(&of("*/*")), json);
        assert_eq!(
            data_sets(&of("application/json")),
            Ok(Written::Json("application/json"))
        );
        assert_eq!(data_sets(&accepted(&HeaderMap::new(), None)), json);
        let xml = "multipart/related; type=\"application/dicom+xml\"";
        assert_eq!(data_sets(&of(xml)), Ok(Written::Xml));
        assert_eq!(
            data_sets(&of(&format!("{xml};q=0.5, */*;q=0.1"))),
            Ok(Written::Xml)
        );
        assert!(data_sets(&of("application/dicom+xml")).is_err());
        assert_eq!(data_set(&of("application/dicom+xml")), Ok(Written::Xml));
        assert!(data_set(&of("text/html")).is_err());
    }

    #[test]
    fn ranges_take_what_they_say() {
        assert!(takes("*/*", "image/png"));
        assert!(takes("image/*", "image/png"));
        assert!(!takes("image/*", "imagery/png"));
        assert!(!takes("image/jpeg", "image/png"));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(line in "\\PC{0,80}") {
            let _ = of(&line);
        }
    }
}
