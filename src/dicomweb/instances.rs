//! WADO-RS: instances of a study, of a series, or one (PS3.18 section 10.4.1.1.1), as files of PS3.10.

use super::Shared;
use super::body::{Boundary, Gone, Out, streamed, typed};
use super::media::{self, Syntax, instance_syntax, takes};
use super::refused::Refused;
use super::resource::{Named, url_of};
use super::transcode::explicit_little_endian;
use crate::archive::StoredInstance;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use dicom_dictionary_std::uids;
use std::sync::Arc;

const DICOM: &str = "application/dicom";

/// The `accept` parameter of a URL.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Accept {
    pub(super) accept: Option<String>,
}

/// How instances are sent.
struct Chosen {
    syntax: Syntax,
    is_multipart: bool,
}

fn choose(accepted: &[media::MediaType], stored: &[StoredInstance]) -> Result<Chosen, Refused> {
    let chosen = accepted.iter().find_map(|range| {
        let kept = stored.iter().map(|one| one.transfer_syntax.as_str());
        let syntax = instance_syntax(range, kept)?;
        if range.of_parts().is_some_and(|of| takes(&of, DICOM)) {
            let is_multipart = true;
            return Some(Chosen {
                syntax,
                is_multipart,
            });
        }
        // One instance needs no parts.
        (stored.len() == 1 && takes(&range.name, DICOM)).then_some(Chosen {
            syntax,
            is_multipart: false,
        })
    });
    chosen.ok_or_else(|| {
        Refused::not_acceptable(
            "instances are given as multipart/related; type=\"application/dicom\" with transfer-syntax=* (as they are kept, or the one that all are kept in) or 1.2.840.10008.1.2.1",
        )
    })
}

/// `/studies/{study}` and below.
pub(super) async fn retrieve(
    State(shared): State<Arc<Shared>>,
    Path(named): Path<Named>,
    Query(accept): Query<Accept>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let stored = named.stored(&shared).await?;
    let accepted = media::accepted(&headers, accept.accept.as_deref());
    let chosen = choose(&accepted, &stored)?;
    let place = shared.place().await?;
    if let ([one], false) = (stored.as_slice(), chosen.is_multipart) {
        let (one, syntax) = (one.clone(), chosen.syntax);
        let (bytes, syntax) = content(&shared, &one, syntax).await?;
        let content_type = format!("{DICOM}; transfer-syntax={syntax}");
        let body = streamed(move |out| async move {
            let _place = place;
            out.content(bytes, &one).await
        });
        return Ok(typed(&content_type, body));
    }
    let mut boundary = Boundary::new();
    // Of several, one that cannot be decoded is sent as it is; alone it is refused, while that can still be said.
    let alone = stored.len() == 1;
    let mut first = None;
    if alone && let Some(one) = stored.first() {
        first = Some(content(&shared, one, chosen.syntax).await?);
    }
    let base = shared.base(&headers);
    let head = boundary.answer(DICOM, Body::empty());
    let body = streamed(move |out| async move {
        let _place = place;
        for one in stored {
            let (bytes, syntax) = match first.take() {
                Some(content) => content,
                None => match content(&shared, &one, chosen.syntax).await {
                    Ok(content) => content,
                    Err(refused) => {
                        tracing::warn!(
                            reason = refused.sentence,
                            "an instance is sent as it is kept"
                        );
                        (None, one.transfer_syntax.clone())
                    }
                },
            };
            let content_type = format!("{DICOM}; transfer-syntax={syntax}");
            let part = boundary.part(&content_type, Some(&url_of(&base, &one)));
            out.send(part).await?;
            out.content(bytes, &one).await?;
        }
        out.send(boundary.end()).await
    });
    let (parts, _) = head.into_parts();
    Ok(Response::from_parts(parts, body))
}

impl Out {
    async fn content(&self, bytes: Option<Vec<u8>>, one: &StoredInstance) -> Result<(), Gone> {
        match bytes {
            Some(bytes) => self.send(bytes).await,
            None => self.file(one.file.clone()).await,
        }
    }
}

/// The bytes of an instance where they are not those of its file, and the transfer syntax they are in.
async fn content(
    shared: &Shared,
    one: &StoredInstance,
    syntax: Syntax,
) -> Result<(Option<Vec<u8>>, String), Refused> {
    let is_so = one.transfer_syntax == uids::EXPLICIT_VR_LITTLE_ENDIAN;
    if syntax == Syntax::Stored || is_so {
        return Ok((None, one.transfer_syntax.clone()));
    }
    let file = one.file.clone();
    let bytes = shared.work(move || explicit_little_endian(&file)).await?;
    let bytes = bytes.map_err(|reason| {
        Refused::not_acceptable(format!(
            "it cannot be given in Explicit VR Little Endian ({reason}); ask for transfer-syntax=*"
        ))
    })?;
    Ok((Some(bytes), uids::EXPLICIT_VR_LITTLE_ENDIAN.to_owned()))
}
