//! The parameters of a query (PS3.18 section 8.3.4, 10.6.1): what must match, what else is to be told, how much.

use super::json::vr_of;
use super::refused::Refused;
use super::resource::is_uid;
use crate::archive::{Level, Match, Search};
use dicom_core::{DataDictionary, Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;

/// Things found that are told in one answer.
pub(super) const MOST_RESULTS: u32 = 5000;

/// A query as it was asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) search: Search,
    /// Attributes to tell beside those of the catalogue.
    pub(super) include: Vec<Tag>,
    /// Everything is to be told.
    pub(super) include_all: bool,
    /// What of the query was not done, in sentences.
    pub(super) warnings: Vec<String>,
}

impl Asked {
    /// Reads the parameters of a URL.
    ///
    /// # Errors
    /// When a value cannot be one.
    pub(super) fn read(level: Level, parameters: &[(String, String)]) -> Result<Self, Refused> {
        let mut asked = Self {
            search: Search {
                level,
                matches: Vec::new(),
                offset: 0,
                limit: MOST_RESULTS,
            },
            include: Vec::new(),
            include_all: false,
            warnings: Vec::new(),
        };
        for (name, value) in parameters {
            match name.as_str() {
                "limit" => asked.search.limit = number(name, value)?.min(MOST_RESULTS),
                "offset" => asked.search.offset = number(name, value)?,
                "fuzzymatching" => {
                    if value.eq_ignore_ascii_case("true") {
                        let why = "The fuzzymatching parameter is not supported. Only literal matching has been performed.";
                        asked.warnings.push(why.to_owned());
                    }
                }
                "includefield" => asked.include(value)?,
                "accept" | "charset" => {}
                other => asked.matching(other, value)?,
            }
        }
        Ok(asked)
    }

    fn include(&mut self, value: &str) -> Result<(), Refused> {
        for field in value.split(',').map(str::trim).filter(|f| !f.is_empty()) {
            if field == "all" {
                self.include_all = true;
            } else if let Some(tag) = tag(field) {
                self.include.push(tag);
            } else {
                let sentence = "includefield names something that is neither an attribute's keyword nor its tag";
                return Err(Refused::bad_request(sentence));
            }
        }
        Ok(())
    }

    fn matching(&mut self, name: &str, value: &str) -> Result<(), Refused> {
        let Some(tag) = tag(name) else {
            self.ignored("a parameter of the query is not known here and was ignored");
            return Ok(());
        };
        if !Search::can_match(self.search.level, tag) {
            let keyword = StandardDataDictionary
                .by_tag(tag)
                .map_or("an attribute", |entry| entry.alias);
            self.ignored(&format!("{keyword} cannot be matched here and was ignored"));
            return Ok(());
        }
        if let Some(matching) = matching(vr_of(tag), value).map_err(|problem| {
            let sentence = format!("the value of {name} {problem}");
            Refused::bad_request(sentence)
        })? {
            self.search.matches.push((tag, matching));
        }
        Ok(())
    }

    fn ignored(&mut self, sentence: &str) {
        let sentence = sentence.to_owned();
        if !self.warnings.contains(&sentence) {
            self.warnings.push(sentence);
        }
    }
}

fn number(name: &str, value: &str) -> Result<u32, Refused> {
    value
        .trim()
        .parse()
        .map_err(|_| Refused::bad_request(format!("{name} must be a whole number")))
}

/// An attribute by its keyword or its eight digits.
fn tag(name: &str) -> Option<Tag> {
    if name.len() == 8 && name.bytes().all(|b| b.is_ascii_hexdigit()) {
        let number = u32::from_str_radix(name, 16).ok()?;
        return Some(Tag((number >> 16) as u16, (number & 0xFFFF) as u16));
    }
    let entry = StandardDataDictionary.by_name(name)?;
    Some(entry.tag.inner())
}

/// What a value asks for; nothing where it takes all. The problem follows "the value of X".
fn matching(vr: VR, value: &str) -> Result<Option<Match>, &'static str> {
    let value = value.trim_matches([' ', '\0', '"']);
    if value.is_empty() || value.bytes().all(|b| b == b'*') {
        return Ok(None);
    }
    let several = || {
        let values = value.split([',', '\\']).map(|one| one.trim().to_owned());
        values.filter(|one| !one.is_empty()).collect::<Vec<_>>()
    };
    let is_wild = value.contains(['*', '?']);
    Ok(Some(match vr {
        VR::UI => {
            let uids = several();
            if !uids.iter().all(|uid| is_uid(uid)) {
                return Err("is no UID, and no list of them");
            }
            Match::OneOf(uids)
        }
        VR::DA | VR::TM => {
            let good = |b: u8| b.is_ascii_digit() || (vr == VR::TM && b == b'.');
            let (from, to) = value.split_once('-').unwrap_or((value, value));
            if !from.bytes().chain(to.bytes()).all(good) {
                return Err("is no date or time as DICOM writes them, and no range of them");
            }
            let end = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            match value.contains('-') {
                true => Match::Range(end(from), end(to)),
                false => Match::OneOf(vec![value.to_owned()]),
            }
        }
        VR::IS | VR::US => Match::Number(value.parse().map_err(|_| "is no whole number")?),
        VR::PN => Match::Name(value.to_owned()),
        _ if is_wild => Match::Wildcard(value.to_owned()),
        // No code string has a comma, and viewers list modalities so.
        VR::CS => Match::OneOf(several()),
        _ => Match::OneOf(vec![value.to_owned()]),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_dictionary_std::tags;
    use proptest::prelude::*;

    fn asked(level: Level, query: &[(&str, &str)]) -> Result<Asked, Refused> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Asked::read(level, &query.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn attributes_go_by_keyword_or_tag_and_match_as_their_kind_does() {
        let query = [
            ("StudyDate", "20200101-"),
            ("00100010", "dOE*"),
            ("StudyInstanceUID", "1.2,1.3"),
            ("PatientID", "A?1"),
            ("ModalitiesInStudy", "CT,MR"),
            ("AccessionNumber", "*"),
            ("limit", "7"),
            ("includefield", "00081030,PatientAge"),
        ];
        let asked = asked(Level::Study, &query).unwrap();
        let texts = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        assert_eq!(
            asked.search.matches,
            [
                (
                    tags::STUDY_DATE,
                    Match::Range(Some("20200101".into()), None)
                ),
                (tags::PATIENT_NAME, Match::Name("dOE*".into())),
                (
                    tags::STUDY_INSTANCE_UID,
                    Match::OneOf(texts(&["1.2", "1.3"]))
                ),
                (tags::PATIENT_ID, Match::Wildcard("A?1".into())),
                (
                    tags::MODALITIES_IN_STUDY,
                    Match::OneOf(texts(&["CT", "MR"]))
                ),
            ]
        );
        assert_eq!(asked.search.limit, 7);
        assert_eq!(asked.include, [tags::STUDY_DESCRIPTION, tags::PATIENT_AGE]);
        assert!(asked.warnings.is_empty());
    }

    #[test]
    fn what_is_not_done_is_said_and_what_cannot_be_is_refused() {
        let query = [("fuzzymatching", "true"), ("PatientAge", "3"), ("x", "y")];
        assert_eq!(asked(Level::Study, &query).unwrap().warnings.len(), 3);
        for wrong in [
            ("limit", "many"),
            ("StudyDate", "yesterday"),
            ("StudyInstanceUID", "1.2;drop"),
            ("includefield", "Nonsense"),
        ] {
            assert!(asked(Level::Study, &[wrong]).is_err(), "{wrong:?}");
        }
        assert!(asked(Level::Series, &[("SeriesNumber", "one")]).is_err());
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic(name in "\\PC{0,20}", value in "\\PC{0,20}") {
            let _ = asked(Level::Instance, &[(&name, &value), ("StudyDate", &value), ("includefield", &value)]);
        }
    }
}
