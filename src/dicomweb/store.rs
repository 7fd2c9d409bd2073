//! STOW-RS (PS3.18 section 10.5): answered when everything that is said to be stored is durable, as for C-STORE.

use super::Shared;
use super::body::typed;
use super::instances::Accept;
use super::json::{attribute, key};
use super::media::{self, MediaType, Written};
use super::multipart::Multipart;
use super::reception::{FailureReason, Received, Reception};
use super::refused::Refused;
use super::resource::Named;
use super::xml;
use crate::archive::Uids;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use futures_util::StreamExt;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Pieces of a body on their way to the disk; a sender that is faster waits.
const PIECES: usize = 8;

/// `POST /studies`, `POST /studies/{study}`.
pub(super) async fn store(
    State(shared): State<Arc<Shared>>,
    named: Option<Path<Named>>,
    Query(accept): Query<Accept>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let named = named.map_or_else(Named::default, |Path(named)| named);
    named.check()?;
    let accepted = media::accepted(&headers, accept.accept.as_deref());
    let written = media::data_set(&accepted)?;
    let parser = parser(&headers)?;
    let place = Arc::clone(&shared.stores).acquire_owned();
    let place = tokio::time::timeout(super::PATIENCE, place).await;
    let Ok(Ok(_place)) = place else {
        return Err(Refused::busy());
    };
    shared
        .archive
        .may_take_more(shared.store.min_free_bytes)
        .map_err(|not_kept| {
            tracing::warn!(reason = not_kept.reason, "DICOMweb: nothing is stored");
            no_room()
        })?;
    let (sender, receiver) = mpsc::channel(PIECES);
    let reception = Reception::new(
        Arc::clone(&shared.archive),
        Arc::clone(&shared.store),
        named.study,
        parser,
        Handle::current(),
    );
    let writing = tokio::task::spawn_blocking(move || receive(reception, receiver));
    let sent = send(body, sender, shared.idle_timeout).await;
    let (received, malformed) = writing.await.map_err(|_| {
        let sentence = "storing failed; the node's log says where";
        Refused::new(StatusCode::INTERNAL_SERVER_ERROR, sentence)
    })?;
    tracing::info!(
        stored = received.stored.len(),
        failed = received.failed.len() + received.others.len(),
        "DICOMweb: instances came"
    );
    let problem = match (sent, malformed) {
        (Err(problem), _) => Some(problem),
        (Ok(()), Some(sentence)) => Some(Refused::bad_request(sentence)),
        (Ok(()), None) => None,
    };
    answer(received, problem, &shared.base(&headers), written)
}

/// The boundary of a body that is taken here.
fn parser(headers: &HeaderMap) -> Result<Multipart, Refused> {
    let said = headers.get(header::CONTENT_TYPE);
    let said = said.and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = MediaType::parse(said);
    let is_taken = media_type.as_ref().is_some_and(|media_type| {
        let of = media_type.parameter("type");
        media_type.name == "multipart/related"
            && of.is_none_or(|of| of.eq_ignore_ascii_case("application/dicom"))
    });
    let Some(media_type) = media_type.filter(|_| is_taken) else {
        return Err(Refused::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send multipart/related; type=\"application/dicom\", each part a file of PS3.10",
        ));
    };
    let boundary = media_type.parameter("boundary").unwrap_or("");
    Multipart::new(boundary).map_err(|malformed| Refused::bad_request(malformed.to_string()))
}

/// Passes the body on; ends when it does, or when nobody listens any more.
async fn send(
    body: Body,
    sender: mpsc::Sender<Bytes>,
    patience: std::time::Duration,
) -> Result<(), Refused> {
    let mut pieces = body.into_data_stream();
    loop {
        let piece = tokio::time::timeout(patience, pieces.next()).await;
        match piece {
            Ok(Some(Ok(piece))) => {
                if sender.send(piece).await.is_err() {
                    return Ok(());
                }
            }
            Ok(None) => return Ok(()),
            Ok(Some(Err(_))) => return Err(Refused::bad_request("the body was cut short")),
            Err(_) => {
                return Err(Refused::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "nothing of the body came for too long",
                ));
            }
        }
    }
}

/// Writes what comes, on a thread that may block; says what is wrong with the body, if anything is.
fn receive(
    mut reception: Reception,
    mut pieces: mpsc::Receiver<Bytes>,
) -> (Received, Option<String>) {
    let mut wrong = None;
    while let Some(piece) = pieces.blocking_recv() {
        if let Err(malformed) = reception.push(&piece) {
            wrong = Some(malformed);
            break;
        }
    }
    let (received, ended) = reception.finish();
    let wrong = wrong.or(ended.err());
    (
        received,
        wrong.map(|wrong| format!("the body cannot be read: {wrong}")),
    )
}

fn no_room() -> Refused {
    Refused::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "the node cannot store anything at the moment; its log says why",
    )
    .with(header::RETRY_AFTER, "60")
}

/// The answer of PS3.18 table 10.5.3-1, with the data set of section I.2.2.
fn answer(
    mut received: Received,
    problem: Option<Refused>,
    base: &str,
    written: Written,
) -> Result<Response, Refused> {
    match problem {
        Some(problem) if received.stored.is_empty() => return Err(problem),
        // What came before is stored; the rest has to be sent again.
        Some(_) => received.others.push(FailureReason::CannotUnderstand),
        None => {}
    }
    let failures: Vec<FailureReason> = received
        .failed
        .iter()
        .map(|(_, reason)| *reason)
        .chain(received.others.iter().copied())
        .collect();
    if received.stored.is_empty() && failures.is_empty() {
        return Err(Refused::bad_request("the body has no parts"));
    }
    let is_full = failures
        .iter()
        .all(|reason| *reason == FailureReason::OutOfResources);
    let status = match (received.stored.is_empty(), failures.is_empty()) {
        (false, true) => StatusCode::OK,
        (false, false) => StatusCode::ACCEPTED,
        (true, _) if is_full => StatusCode::SERVICE_UNAVAILABLE,
        (true, _) => StatusCode::CONFLICT,
    };
    let told = data_set(&received, base);
    let mut answer = match written {
        Written::Json(content_type) => typed(content_type, told.to_string()),
        // What is stored is stored, whether or not it can be said so in XML.
        Written::Xml => typed(media::XML, xml::document(&told).unwrap_or_default()),
    };
    *answer.status_mut() = status;
    Ok(answer.into_response())
}

fn data_set(received: &Received, base: &str) -> Value {
    let mut map = Map::new();
    let mut put = |tag: Tag, value: Value| map.insert(key(tag), value);
    let sequence = |items: Vec<Value>| json!({ "vr": "SQ", "Value": items });
    let studies: BTreeSet<&String> = received.stored.iter().map(|(_, study, _)| study).collect();
    if let Some(study) = studies.first().filter(|_| studies.len() == 1) {
        let url = format!("{base}/studies/{study}");
        put(tags::RETRIEVE_URL, attribute(VR::UR, &url));
    }
    let stored = received.stored.iter().map(|(uids, study, series)| {
        let mut item = item(uids);
        let url = format!(
            "{base}/studies/{study}/series/{series}/instances/{}",
            uids.sop_instance
        );
        item[key(tags::RETRIEVE_URL)] = attribute(VR::UR, &url);
        item
    });
    let stored: Vec<Value> = stored.collect();
    if !stored.is_empty() {
        put(tags::REFERENCED_SOP_SEQUENCE, sequence(stored));
    }
    let failed = received.failed.iter().map(|(uids, reason)| {
        let mut item = item(uids);
        item[key(tags::FAILURE_REASON)] = because(*reason);
        item
    });
    let failed: Vec<Value> = failed.collect();
    if !failed.is_empty() {
        put(tags::FAILED_SOP_SEQUENCE, sequence(failed));
    }
    let others = received.others.iter();
    let others: Vec<Value> = others
        .map(|reason| json!({ key(tags::FAILURE_REASON): because(*reason) }))
        .collect();
    if !others.is_empty() {
        put(tags::OTHER_FAILURES_SEQUENCE, sequence(others));
    }
    Value::Object(map)
}

fn item(uids: &Uids) -> Value {
    json!({
        key(tags::REFERENCED_SOP_CLASS_UID): attribute(VR::UI, &uids.sop_class),
        key(tags::REFERENCED_SOP_INSTANCE_UID): attribute(VR::UI, &uids.sop_instance),
    })
}

fn because(reason: FailureReason) -> Value {
    json!({ "vr": "US", "Value": [reason.code()] })
}
