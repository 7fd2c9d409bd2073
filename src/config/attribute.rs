//! DICOM attributes by keyword (PS3.6) or by tag, as an administrator writes them.

use super::section::Complaint;
use super::suggest::did_you_mean;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;
use std::sync::LazyLock;

/// What kind of value an attribute holds, as far as a condition cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Texts, with the value representation's letters.
    Text(VR),
    /// Numbers.
    Number(VR),
    /// Items: only its presence can be tested.
    Sequence,
    /// Bytes: only its presence can be tested.
    Bytes,
    /// A private attribute, or one the dictionary does not know.
    Unknown,
}

/// Finds an attribute by keyword (`SliceThickness`) or tag (`0018,0050`, `(0018,0050)`, `00180050`).
pub(super) fn find(written: &str) -> Result<(Tag, Holds), Complaint> {
    if let Some(tag) = tag(written) {
        let holds = StandardDataDictionary
            .by_tag(tag)
            .map_or(Holds::Unknown, |entry| holds(entry.vr().relaxed()));
        return Ok((tag, holds));
    }
    if let Some(entry) = StandardDataDictionary.by_name(written) {
        return Ok((entry.tag(), holds(entry.vr().relaxed())));
    }
    if written.contains(',') || written.starts_with(|c: char| c.is_ascii_digit() || c == '(') {
        return Err(
            Complaint::new(format!("`{written}` is not a tag"), "not a tag")
                .with_help("write group and element in hexadecimal, in quotes: \"0018,0050\""),
        );
    }
    let help = did_you_mean(written, KEYWORDS.iter().copied()).unwrap_or_else(|| {
        "write the attribute's keyword as DICOM PS3.6 spells it, such as SeriesDescription, or its tag, such as \"0008,103e\"".to_owned()
    });
    Err(Complaint::new(
        format!("no DICOM attribute is called `{written}`"),
        "unknown attribute",
    )
    .with_help(help))
}

fn tag(written: &str) -> Option<Tag> {
    let digits = written
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap_or(written);
    let (group, element) = match digits.split_once(',') {
        Some((group, element)) => (group.trim(), element.trim()),
        None if digits.len() == 8 => digits.split_at_checked(4)?,
        None => return None,
    };
    let hexadecimal = |digits: &str| {
        (digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .then(|| u16::from_str_radix(digits, 16).ok())
            .flatten()
    };
    Some(Tag(hexadecimal(group)?, hexadecimal(element)?))
}

fn holds(vr: VR) -> Holds {
    match vr {
        VR::DS | VR::IS | VR::FL | VR::FD | VR::US | VR::SS | VR::UL | VR::SL | VR::UV | VR::SV => {
            Holds::Number(vr)
        }
        VR::SQ => Holds::Sequence,
        VR::OB | VR::OW | VR::OD | VR::OF | VR::OL | VR::OV => Holds::Bytes,
        VR::UN => Holds::Unknown,
        text => Holds::Text(text),
    }
}

/// Keywords of the groups a series is described by. The dictionary offers
/// look-up but no list, so its tags are tried one by one; only the first
/// typing mistake pays for it, some tens of milliseconds.
static KEYWORDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    const GROUPS: [u16; 14] = [
        0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0028, 0x0032, 0x0038, 0x0040, 0x0050, 0x0054,
        0x0062, 0x0070, 0x3006,
    ];
    let every = |group| (1..=u16::MAX).map(move |element| Tag(group, element));
    GROUPS
        .into_iter()
        .flat_map(every)
        .filter_map(|tag| StandardDataDictionary.by_tag(tag))
        .map(DataDictionaryEntry::alias)
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_dictionary_std::tags;

    #[test]
    fn an_attribute_is_found_by_keyword_and_by_every_spelling_of_its_tag() {
        for written in [
            "SliceThickness",
            "0018,0050",
            "(0018,0050)",
            "00180050",
            "( 0018 , 0050 )",
        ] {
            assert_eq!(
                find(written),
                Ok((tags::SLICE_THICKNESS, Holds::Number(VR::DS))),
                "{written}"
            );
        }
        assert_eq!(find("0019,100C"), Ok((Tag(0x0019, 0x100c), Holds::Unknown)));
        assert_eq!(
            find("PatientName").map(|found| found.1),
            Ok(Holds::Text(VR::PN))
        );
        assert_eq!(find("PixelData").map(|found| found.1), Ok(Holds::Bytes));
        assert_eq!(
            find("ReferencedSeriesSequence").map(|found| found.1),
            Ok(Holds::Sequence)
        );
    }

    #[test]
    fn a_misspelt_keyword_is_answered_with_the_right_one() {
        let help = |written| find(written).unwrap_err().help.unwrap();
        assert_eq!(help("Modalty"), "did you mean `Modality`?");
        assert_eq!(help("BodyPartExam"), "did you mean `BodyPartExamined`?");
        assert_eq!(help("slice thickness"), "did you mean `SliceThickness`?");
        assert!(help("00G8,0060").contains("hexadecimal"));
        assert!(help("0018,50").contains("hexadecimal"));
    }
}
