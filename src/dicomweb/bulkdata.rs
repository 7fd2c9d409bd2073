//! WADO-RS: long values that metadata only points at (PS3.18 section 10.4.1.1.5).

use super::Shared;
use super::body::{Boundary, streamed, typed};
use super::instances::Accept;
use super::json::is_binary;
use super::media::{self, takes};
use super::refused::Refused;
use super::resource::{Named, url_of};
use crate::archive::StoredInstance;
use crate::assemble::read_attributes;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use dicom_core::Tag;
use dicom_object::InMemDicomObject;
use std::io;
use std::sync::Arc;

const OCTETS: &str = "application/octet-stream";
/// Bytes of pixels read at a time.
const PIECE: u64 = 1 << 20;

/// The way to a value: tags, with the numbers of items (from 1) between them.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Way {
    path: String,
}

/// `…/bulkdata/{path}`.
pub(super) async fn retrieve(
    State(shared): State<Arc<Shared>>,
    Path(named): Path<Named>,
    Path(way): Path<Way>,
    Query(accept): Query<Accept>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let one = named.one(&shared).await?;
    let accepted = media::accepted(&headers, accept.accept.as_deref());
    let is_multipart = accepted.iter().find_map(|range| {
        if takes(&range.name, OCTETS) {
            return Some(false);
        }
        let of = range.of_parts()?;
        takes(&of, OCTETS).then_some(true)
    });
    let place = shared.place().await?;
    let location = format!(
        "{}/bulkdata/{}",
        url_of(&shared.base(&headers), &one),
        way.path
    );
    if is_pixel_data(&way.path) {
        let frames = shared.frames(one.file.clone()).await?;
        let stream = media::of_code_stream(&frames.transfer_syntax());
        if let Some(stream) = stream {
            return Err(Refused::not_acceptable(format!(
                "its pixel data is kept as {stream}, one code stream a frame: ask for /frames"
            )));
        }
        let is_multipart = is_multipart.ok_or_else(only_octets)?;
        let length = frames.raw_length();
        let length = length.ok_or_else(|| Refused::not_found("value"))?;
        let mut boundary = Boundary::new();
        let content_type = match is_multipart {
            true => boundary.answer(OCTETS, Body::empty()),
            false => typed(OCTETS, Body::empty()),
        };
        let body = streamed(move |out| async move {
            let _place = place;
            if is_multipart {
                out.send(boundary.part(OCTETS, Some(&location))).await?;
            }
            let mut at = 0;
            while at < length {
                let frames = Arc::clone(&frames);
                let from = at;
                let piece = shared.work(move || frames.raw_piece(from, PIECE)).await;
                match piece {
                    Ok(Ok(piece)) => {
                        at += piece.len() as u64;
                        out.send(piece).await?;
                    }
                    Ok(Err(error)) => return out.fail(io::Error::other(error)).await,
                    Err(refused) => return out.fail(io::Error::other(refused.sentence)).await,
                }
            }
            match is_multipart {
                true => out.send(boundary.end()).await,
                false => Ok(()),
            }
        });
        let (parts, _) = content_type.into_parts();
        return Ok(Response::from_parts(parts, body));
    }
    let is_multipart = is_multipart.ok_or_else(only_octets)?;
    let bytes = shared.work(move || value(&one, &way.path)).await??;
    if !is_multipart {
        return Ok(typed(OCTETS, bytes));
    }
    let mut boundary = Boundary::new();
    let mut body = boundary.part(OCTETS, Some(&location)).into_bytes();
    body.extend(bytes);
    body.extend(boundary.end().into_bytes());
    Ok(boundary.answer(OCTETS, Body::from(body)))
}

fn only_octets() -> Refused {
    Refused::not_acceptable(format!("bulk data is given as {OCTETS}"))
}

fn is_pixel_data(path: &str) -> bool {
    ["7FE00010", "7FE00008", "7FE00009"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(path))
}

fn value(one: &StoredInstance, path: &str) -> Result<Vec<u8>, Refused> {
    let object = read_attributes(&one.file)
        .map_err(|_| Refused::not_acceptable("the instance cannot be read back"))?;
    found(&object, path).ok_or_else(|| Refused::not_found("value"))
}

/// The value that a path leads to.
fn found(object: &InMemDicomObject, path: &str) -> Option<Vec<u8>> {
    let mut steps = path.split('/');
    let mut object = object;
    loop {
        let element = object.get(tag(steps.next()?)?)?;
        match steps.next() {
            None => {
                let bytes = element.to_bytes().ok()?;
                return is_binary(element.vr()).then(|| bytes.into_owned());
            }
            Some(item) => {
                let number: usize = item.parse().ok()?;
                object = element.items()?.get(number.checked_sub(1)?)?;
            }
        }
    }
}

fn tag(name: &str) -> Option<Tag> {
    let number = u32::from_str_radix(name, 16).ok()?;
    (name.len() == 8).then_some(Tag((number >> 16) as u16, (number & 0xFFFF) as u16))
}
