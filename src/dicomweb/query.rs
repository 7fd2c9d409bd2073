//! QIDO-RS (PS3.18 section 10.6).

use super::Shared;
use super::data_sets::DataSets;
use super::json::{attribute, data_set, key, vr_of};
use super::media::{self, Written};
use super::refused::Refused;
use super::resource::Named;
use super::search::{Asked, MOST_RESULTS};
use crate::archive::{Attributes, Level, Match, StoredInstance};
use crate::assemble::read_attributes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use serde_json::{Map, Value, json};
use std::sync::Arc;

type Parameters = Query<Vec<(String, String)>>;

/// `/studies`.
pub(super) async fn studies(
    State(shared): State<Arc<Shared>>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    answer(
        &shared,
        Level::Study,
        Named::default(),
        &parameters,
        &headers,
    )
    .await
}

/// `/series`, `/studies/{study}/series`.
pub(super) async fn series(
    State(shared): State<Arc<Shared>>,
    named: Option<Path<Named>>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let named = named.map_or_else(Named::default, |Path(named)| named);
    answer(&shared, Level::Series, named, &parameters, &headers).await
}

/// `/instances`, and those of a study or a series.
pub(super) async fn instances(
    State(shared): State<Arc<Shared>>,
    named: Option<Path<Named>>,
    Query(parameters): Parameters,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let named = named.map_or_else(Named::default, |Path(named)| named);
    answer(&shared, Level::Instance, named, &parameters, &headers).await
}

async fn answer(
    shared: &Arc<Shared>,
    level: Level,
    named: Named,
    parameters: &[(String, String)],
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    let accept = parameters.iter().find(|(name, _)| name == "accept");
    let accept = accept.map(|(_, value)| value.as_str());
    let written = media::data_sets(&media::accepted(headers, accept))?;
    named.check()?;
    let mut asked = Asked::read(level, parameters)?;
    for (tag, uid) in [
        (tags::STUDY_INSTANCE_UID, &named.study),
        (tags::SERIES_INSTANCE_UID, &named.series),
    ] {
        if let Some(uid) = uid {
            asked
                .search
                .matches
                .push((tag, Match::OneOf(vec![uid.clone()])));
        }
    }
    let _place = shared.place().await?;
    let found = shared.archive.search(&asked.search).await?;
    if found.len() as u64 == u64::from(MOST_RESULTS) {
        let sentence = "There may be additional results that can be requested with offset.";
        asked.warnings.push(sentence.to_owned());
    }
    if !shared.archive.is_catalogued().await? {
        let sentence =
            "What an earlier version kept is still being catalogued; there is more than is found.";
        asked.warnings.push(sentence.to_owned());
    }
    let base = shared.base(headers);
    let mut results = Vec::with_capacity(found.len());
    for one in &found {
        let more = included(shared, &asked, one).await?;
        results.push(result(level, one, more, &base));
    }
    // Of nothing an empty list, though PS3.18 table 10.6.3-1 has 204 without one: Orthanc and others read JSON in any case.
    // There is no answer of no parts.
    let mut answer = match (written, results.is_empty()) {
        (Written::Xml, true) => StatusCode::NO_CONTENT.into_response(),
        _ => {
            let all = DataSets::new(written).all(&results);
            all.map_err(|_| unwritten())?
        }
    };
    for warning in &asked.warnings {
        if let Ok(value) = HeaderValue::from_str(&format!("299 irisnode \"{warning}\"")) {
            answer.headers_mut().append(header::WARNING, value);
        }
    }
    Ok(answer)
}

fn unwritten() -> Refused {
    let sentence = "the answer cannot be written; ask for application/dicom+json";
    Refused::new(StatusCode::INTERNAL_SERVER_ERROR, sentence)
}

/// What is told of something that was found.
fn result(level: Level, one: &Attributes, more: Map<String, Value>, base: &str) -> Value {
    let mut map = more;
    for (tag, text) in one {
        map.insert(key(*tag), attribute(vr_of(*tag), text));
    }
    // Attributes that answers have, be they known or not (PS3.18 tables 10.6.3-3 to 10.6.3-5).
    let required: &[Tag] = match level {
        Level::Study => &[
            tags::STUDY_DATE,
            tags::STUDY_TIME,
            tags::ACCESSION_NUMBER,
            tags::REFERRING_PHYSICIAN_NAME,
            tags::PATIENT_NAME,
            tags::PATIENT_ID,
            tags::PATIENT_BIRTH_DATE,
            tags::PATIENT_SEX,
            tags::STUDY_ID,
        ],
        Level::Series => &[tags::MODALITY, tags::SERIES_NUMBER],
        Level::Instance => &[tags::INSTANCE_NUMBER],
    };
    for tag in required {
        map.entry(key(*tag))
            .or_insert_with(|| attribute(vr_of(*tag), ""));
    }
    let uid = |tag| one.get(&tag).map_or("", String::as_str);
    let mut url = format!("{base}/studies/{}", uid(tags::STUDY_INSTANCE_UID));
    if level >= Level::Series {
        url += &format!("/series/{}", uid(tags::SERIES_INSTANCE_UID));
    }
    if level == Level::Instance {
        url += &format!("/instances/{}", uid(tags::SOP_INSTANCE_UID));
    }
    for (tag, vr, value) in [
        (tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        (tags::INSTANCE_AVAILABILITY, VR::CS, "ONLINE"),
        (tags::RETRIEVE_URL, VR::UR, url.as_str()),
    ] {
        map.insert(key(tag), json!({ "vr": vr.to_string(), "Value": [value] }));
    }
    Value::Object(map)
}

/// What else was asked for, read from one instance of it.
async fn included(
    shared: &Arc<Shared>,
    asked: &Asked,
    one: &Attributes,
) -> Result<Map<String, Value>, Refused> {
    let unknown = |tag: &Tag| !one.contains_key(tag);
    let wanted: Vec<Tag> = asked.include.iter().copied().filter(unknown).collect();
    if wanted.is_empty() && !asked.include_all {
        return Ok(Map::new());
    }
    let uid = |tag| one.get(&tag).map(String::as_str);
    let study = uid(tags::STUDY_INSTANCE_UID).unwrap_or("");
    let (series, instance) = (uid(tags::SERIES_INSTANCE_UID), uid(tags::SOP_INSTANCE_UID));
    let Some(file) = shared.archive.any_of(study, series, instance).await? else {
        return Ok(Map::new());
    };
    let is_all = asked.include_all;
    let told = move |file: StoredInstance| {
        let object = read_attributes(&file.file).ok()?;
        let Value::Object(mut map) = data_set(&object, "", None) else {
            return None;
        };
        // Bulk data is told where metadata is.
        map.retain(|name, value| {
            let wanted = is_all || wanted.iter().any(|tag| key(*tag) == *name);
            wanted && value.get("BulkDataURI").is_none() && value["vr"] != "SQ"
                || (wanted && !is_all && value["vr"] == "SQ")
        });
        Some(map)
    };
    Ok(shared.work(move || told(file)).await?.unwrap_or_default())
}
