//! WADO-RS: what instances say of themselves, without their pixels (PS3.18 section 10.4.1.1.2).

use super::Shared;
use super::body::streamed;
use super::data_sets::DataSets;
use super::instances::Accept;
use super::json::{attribute, data_set, key};
use super::media;
use super::refused::Refused;
use super::resource::{Named, url_of};
use crate::archive::StoredInstance;
use crate::assemble::read_attributes;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use serde_json::Value;
use std::io;
use std::sync::Arc;

/// Instances that are read before their JSON is sent.
const AT_A_TIME: usize = 16;

/// `…/metadata`.
pub(super) async fn retrieve(
    State(shared): State<Arc<Shared>>,
    Path(named): Path<Named>,
    Query(accept): Query<Accept>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let stored = named.stored(&shared).await?;
    let accepted = media::accepted(&headers, accept.accept.as_deref());
    let written = media::data_sets(&accepted)?;
    let place = shared.place().await?;
    let base = shared.base(&headers);
    let mut answer = DataSets::new(written);
    Ok(answer.clone().answer(streamed(move |out| async move {
        let _place = place;
        for some in stored.chunks(AT_A_TIME) {
            let (some, base) = (some.to_vec(), base.clone());
            let told = shared.work(move || some.iter().map(|one| of(one, &base)).collect());
            let told: Vec<Option<Value>> = match told.await {
                Ok(told) => told,
                Err(refused) => return out.fail(io::Error::other(refused.sentence)).await,
            };
            for one in told {
                // Half of the metadata must not pass for all of it.
                let Some(one) = one.and_then(|one| answer.one(&one).ok()) else {
                    let why = "an instance cannot be read back";
                    return out.fail(io::Error::other(why)).await;
                };
                out.send(one).await?;
            }
        }
        out.send(answer.end()).await
    })))
}

fn of(one: &StoredInstance, base: &str) -> Option<Value> {
    let object = read_attributes(&one.file).ok()?;
    let bulk = format!("{}/bulkdata", url_of(base, one));
    let mut json = data_set(&object, &bulk, pixel_data(&object, &one.transfer_syntax));
    json[key(tags::AVAILABLE_TRANSFER_SYNTAX_UID)] = attribute(VR::UI, &one.transfer_syntax);
    Some(json)
}

/// The element that holds the pixels of an instance, and its representation.
fn pixel_data(object: &InMemDicomObject, transfer_syntax: &str) -> Option<(Tag, VR)> {
    object.get(tags::ROWS)?;
    let bits: u16 = object.get(tags::BITS_ALLOCATED)?.to_int().ok()?;
    let is_encapsulated = media::of_code_stream(transfer_syntax).is_some();
    Some(match bits {
        32 if !is_encapsulated && object.get(tags::BITS_STORED).is_none() => {
            (tags::FLOAT_PIXEL_DATA, VR::OF)
        }
        64 => (tags::DOUBLE_FLOAT_PIXEL_DATA, VR::OD),
        _ if is_encapsulated || bits <= 8 => (tags::PIXEL_DATA, VR::OB),
        _ => (tags::PIXEL_DATA, VR::OW),
    })
}
