//! WADO-RS: images for people (PS3.18 section 10.4.1.1.3): frames through their window, one by one or as a film; and
//! thumbnails.

use super::Shared;
use super::body::{Boundary, streamed, typed};
use super::drawing::{GIF, MEDIA_TYPES, Style, Wish, no_image};
use super::film::Film;
use super::frames::Listed;
use super::media::{self, MediaType, takes};
use super::refused::Refused;
use super::resource::{Named, url_of};
use crate::archive::StoredInstance;
use crate::assemble::StoredFrames;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Side of a thumbnail, pixels, where the URL says nothing.
const THUMBNAIL: u32 = 128;

/// `…/rendered` of a study, a series or an instance: a picture, or one for each frame of each image.
pub(super) async fn retrieve(
    State(shared): State<Arc<Shared>>,
    Path(named): Path<Named>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let stored = named.stored(&shared).await?;
    let accepted = media::accepted(&headers, wish.accept.as_deref());
    let of_parts = accepted.iter().find_map(|range| {
        let of = range.of_parts().filter(|_| range.name != "*/*")?;
        MEDIA_TYPES.into_iter().find(|media| takes(&of, media))
    });
    if let Some(media_type) = of_parts {
        return parts(shared, stored, wish.style(media_type)?, &headers).await;
    }
    let alone = match stored.as_slice() {
        [one] => Some(shared.frames(one.file.clone()).await?),
        _ => None,
    };
    match alone {
        Some(frames) if frames.count() == 1 => answer(&shared, frames, 1, &wish, &headers).await,
        Some(frames) if takes_film(&accepted) => {
            let all = (1..=frames.count()).collect();
            film(shared, frames, all, wish.style(GIF)?).await
        }
        _ if accepted.iter().any(|range| range.name == "*/*") => {
            parts(shared, stored, wish.style(MEDIA_TYPES[0])?, &headers).await
        }
        _ => Err(Refused::not_acceptable(
            "there is more than one picture here: ask for multipart/related; type=\"image/jpeg\", \"image/png\" or \"image/gif\", of an instance of several frames for a film as image/gif, or for /frames/1/rendered",
        )),
    }
}

/// Whether several frames may come as one animated picture.
fn takes_film(accepted: &[MediaType]) -> bool {
    let mut ranges = accepted.iter();
    ranges.any(|range| range.name != "*/*" && takes(&range.name, GIF))
}

/// Frames of an instance, one after the other in one animated picture.
async fn film(
    shared: Arc<Shared>,
    frames: Arc<StoredFrames>,
    numbers: Vec<u32>,
    style: Style,
) -> Result<Response, Refused> {
    let place = shared.place().await?;
    let mut numbers = numbers.into_iter();
    let number = numbers.next().ok_or_else(no_image)?;
    // While a refusal can still be said.
    let at = Arc::clone(&frames);
    let begin = move || Film::begin(at.attributes(), &style.picture(&at, number)?);
    let mut film = shared.work(begin).await??;
    let body = streamed(move |out| async move {
        let _place = place;
        for number in numbers {
            out.send(film.written()).await?;
            let at = Arc::clone(&frames);
            let add = move || {
                film.add(&style.picture(&at, number)?)?;
                Ok::<_, Refused>(film)
            };
            film = match shared.work(add).await.and_then(|added| added) {
                Ok(film) => film,
                Err(refused) => return out.fail(io::Error::other(refused.sentence)).await,
            };
        }
        match film.end() {
            Ok(last) => out.send(last).await,
            Err(refused) => out.fail(io::Error::other(refused.sentence)).await,
        }
    });
    Ok(typed(GIF, body))
}

/// A part for each frame that is a picture; what is none (a report, say) is passed over, as long as there is one at all.
async fn parts(
    shared: Arc<Shared>,
    stored: Vec<StoredInstance>,
    style: Style,
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    let place = shared.place().await?;
    let base = shared.base(headers);
    let mut pictures = Pictures {
        shared,
        base,
        stored: stored.into_iter(),
        opened: None,
        style,
    };
    // While a refusal can still be said.
    let first = pictures.next().await?.ok_or_else(no_image)?;
    let mut boundary = Boundary::new();
    let head = boundary.answer(style.media_type, Body::empty());
    let body = streamed(move |out| async move {
        let _place = place;
        let mut picture = Some(first);
        while let Some((location, bytes)) = picture {
            let part = boundary.part(style.media_type, Some(&location));
            out.send(part).await?;
            out.send(bytes).await?;
            picture = match pictures.next().await {
                Ok(next) => next,
                Err(refused) => return out.fail(io::Error::other(refused.sentence)).await,
            };
        }
        out.send(boundary.end()).await
    });
    let (parts, _) = head.into_parts();
    Ok(Response::from_parts(parts, body))
}

/// Pictures of instances, one after the other.
struct Pictures {
    shared: Arc<Shared>,
    base: String,
    stored: std::vec::IntoIter<StoredInstance>,
    /// The instance whose frames are drawn, where it is, and the number of the next.
    opened: Option<(Arc<StoredFrames>, String, u32)>,
    style: Style,
}

impl Pictures {
    /// The next one with its URL; `None` after the last.
    async fn next(&mut self) -> Result<Option<(String, Vec<u8>)>, Refused> {
        loop {
            let Some((frames, url, number)) = self.opened.take() else {
                let Some(one) = self.stored.next() else {
                    return Ok(None);
                };
                // Not every instance has frames.
                if let Ok(frames) = self.shared.frames(one.file.clone()).await {
                    self.opened = Some((frames, url_of(&self.base, &one), 1));
                }
                continue;
            };
            let (at, style) = (Arc::clone(&frames), self.style);
            let drawn = self.shared.work(move || style.drawn(&at, number)).await?;
            let of_several = frames.count() > 1;
            if number < frames.count() {
                self.opened = Some((frames, url.clone(), number + 1));
            }
            match (drawn, of_several) {
                (Ok(bytes), true) => {
                    return Ok(Some((format!("{url}/frames/{number}/rendered"), bytes)));
                }
                (Ok(bytes), false) => return Ok(Some((format!("{url}/rendered"), bytes))),
                (Err(refused), _) => {
                    tracing::debug!(reason = refused.sentence, "a frame is not rendered");
                    self.opened = None;
                }
            }
        }
    }
}

/// `…/frames/{list}/rendered`: a picture of one frame, or a film of several.
pub(super) async fn frame(
    State(shared): State<Arc<Shared>>,
    Path(named): Path<Named>,
    Path(listed): Path<Listed>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let one = named.one(&shared).await?;
    let frames = shared.frames(one.file).await?;
    let numbers = listed.numbers(frames.count())?;
    match numbers.as_slice() {
        [number] => answer(&shared, frames, *number, &wish, &headers).await,
        _ if takes_film(&media::accepted(&headers, wish.accept.as_deref())) => {
            film(shared, frames, numbers, wish.style(GIF)?).await
        }
        _ => Err(Refused::not_acceptable(
            "several frames are rendered as a film, image/gif: ask for that, or for one frame",
        )),
    }
}

/// `…/thumbnail` of an instance, a series or a study: the middle of it.
pub(super) async fn thumbnail(
    State(shared): State<Arc<Shared>>,
    Path(named): Path<Named>,
    Query(mut wish): Query<Wish>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let stored = named.stored(&shared).await?;
    let middle: PathBuf = stored[stored.len() / 2].file.clone();
    let frames = shared.frames(middle).await?;
    let number = frames.count() / 2 + 1;
    wish.viewport
        .get_or_insert_with(|| format!("{THUMBNAIL},{THUMBNAIL}"));
    answer(&shared, frames, number, &wish, &headers).await
}

async fn answer(
    shared: &Shared,
    frames: Arc<StoredFrames>,
    number: u32,
    wish: &Wish,
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    let accepted = media::accepted(headers, wish.accept.as_deref());
    let media_type = accepted.iter().find_map(|range| {
        MEDIA_TYPES
            .into_iter()
            .find(|media_type| takes(&range.name, media_type))
    });
    let media_type = media_type.ok_or_else(|| {
        Refused::not_acceptable("what is rendered is given as image/jpeg, image/png or image/gif")
    })?;
    let style = wish.style(media_type)?;
    let _place = shared.place().await?;
    let bytes = shared.work(move || style.drawn(&frames, number)).await??;
    Ok(typed(media_type, bytes))
}
