//! WADO-RS: frames (PS3.18 section 10.4.1.1.6), as pixels or as the code streams that are kept.

use super::Shared;
use super::body::{Boundary, streamed, typed};
use super::instances::Accept;
use super::media::{self, MediaType, takes};
use super::refused::Refused;
use super::resource::{Named, url_of};
use crate::assemble::StoredFrames;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use dicom_dictionary_std::uids;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

const OCTETS: &str = "application/octet-stream";
/// Instances that frames were read of lately, whose headers are kept.
const MOST_OPENED: usize = 4;
/// Frames of one request.
const MOST_FRAMES: usize = 100_000;

/// Instances that frames were read of lately: a viewer asks for one frame after the other.
#[derive(Debug, Default)]
pub(super) struct Opened {
    last: Mutex<Vec<(State3, Arc<StoredFrames>)>>,
}

/// A file as it was when it was opened.
type State3 = (PathBuf, u64, Option<SystemTime>);

impl Opened {
    fn known(&self, state: &State3) -> Option<Arc<StoredFrames>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let found = last.iter().find(|(of, _)| of == state);
        found.map(|(_, frames)| Arc::clone(frames))
    }

    fn keep(&self, state: State3, frames: &Arc<StoredFrames>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.retain(|(of, _)| *of != state);
        last.truncate(MOST_OPENED - 1);
        last.insert(0, (state, Arc::clone(frames)));
    }
}

impl Shared {
    /// Opens an instance to read frames of it.
    pub(super) async fn frames(&self, file: PathBuf) -> Result<Arc<StoredFrames>, Refused> {
        let known = tokio::fs::metadata(&file).await;
        let state = known.map(|known| (file.clone(), known.len(), known.modified().ok()));
        let state = state.map_err(|_| Refused::not_found("instance"))?;
        if let Some(frames) = self.opened.known(&state) {
            return Ok(frames);
        }
        let frames = self.work(move || StoredFrames::open(&file)).await??;
        let frames = Arc::new(frames);
        self.opened.keep(state, &frames);
        Ok(frames)
    }
}

/// Numbers of frames in a URL.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Listed {
    pub(super) list: String,
}

impl Listed {
    /// The frames that are named, each there.
    pub(super) fn numbers(&self, count: u32) -> Result<Vec<u32>, Refused> {
        let numbers: Result<Vec<u32>, _> = self.list.split(',').map(|n| n.trim().parse()).collect();
        let numbers = numbers.ok().filter(|n| n.len() <= MOST_FRAMES);
        let numbers = numbers.filter(|numbers| !numbers.contains(&0));
        let numbers = numbers.ok_or_else(|| {
            Refused::bad_request("frames are named by numbers from 1, with commas between them")
        })?;
        match numbers.iter().all(|number| *number <= count) {
            true => Ok(numbers),
            false => Err(crate::assemble::FrameError::NoSuchFrame(count).into()),
        }
    }
}

/// How frames are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Pixels in little endian.
    Pixels,
    /// As they are kept.
    Stored,
}

/// A form that a client takes, and whether in parts.
fn forms(accepted: &[MediaType], stored: &str, count: usize) -> Vec<(Form, bool)> {
    let stream = media::of_code_stream(stored);
    let form = |range: &MediaType| {
        let (of, is_multipart) = match range.of_parts() {
            Some(of) => (of, true),
            None if count == 1 => (range.name.clone(), false),
            None => return None,
        };
        let syntax = range.parameter("transfer-syntax");
        let as_kept = syntax == Some("*") || syntax == Some(stored);
        let is_stream = stream.is_some_and(|stream| takes(&of, stream));
        if is_stream && (as_kept || (syntax.is_none() && of != "*/*")) {
            return Some((Form::Stored, is_multipart));
        }
        if !takes(&of, OCTETS) {
            return None;
        }
        match syntax {
            None | Some(uids::EXPLICIT_VR_LITTLE_ENDIAN) => Some((Form::Pixels, is_multipart)),
            // The parts say what they are.
            Some(_) if as_kept && stream.is_some() => Some((Form::Stored, is_multipart)),
            Some(_) if as_kept => Some((Form::Pixels, is_multipart)),
            Some(_) => None,
        }
    };
    accepted.iter().filter_map(form).collect()
}

fn read(frames: &StoredFrames, form: Form, number: u32) -> Result<Vec<u8>, Refused> {
    Ok(match form {
        Form::Pixels => frames.decoded(number)?,
        Form::Stored => frames.stored(number)?,
    })
}

/// `…/frames/{list}`.
pub(super) async fn retrieve(
    State(shared): State<Arc<Shared>>,
    Path(named): Path<Named>,
    Path(listed): Path<Listed>,
    Query(accept): Query<Accept>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let one = named.one(&shared).await?;
    let place = shared.place().await?;
    let frames = shared.frames(one.file.clone()).await?;
    let numbers = listed.numbers(frames.count())?;
    let accepted = media::accepted(&headers, accept.accept.as_deref());
    let syntax = frames.transfer_syntax();
    let mut why = String::new();
    for (form, is_multipart) in forms(&accepted, &syntax, numbers.len()) {
        let (of, syntax) = match (form, media::of_code_stream(&syntax)) {
            (Form::Stored, Some(stream)) => (stream, syntax.as_str()),
            _ => (OCTETS, uids::EXPLICIT_VR_LITTLE_ENDIAN),
        };
        let (first, at) = (numbers[0], Arc::clone(&frames));
        let pixels = match shared.work(move || read(&at, form, first)).await? {
            Ok(pixels) => pixels,
            Err(refused) => {
                why = format!(" ({})", refused.sentence);
                continue;
            }
        };
        let content_type = format!("{of}; transfer-syntax={syntax}");
        if !is_multipart {
            return Ok(typed(&content_type, pixels));
        }
        let url = url_of(&shared.base(&headers), &one);
        let mut boundary = Boundary::new();
        let head = boundary.answer(of, Body::empty());
        let body = streamed(move |out| async move {
            let _place = place;
            let mut first = Some(pixels);
            for number in numbers {
                let at = Arc::clone(&frames);
                let pixels = match first.take() {
                    Some(pixels) => Ok(Ok(pixels)),
                    None => shared.work(move || read(&at, form, number)).await,
                };
                let pixels = match pixels {
                    Ok(Ok(pixels)) => pixels,
                    Ok(Err(refused)) | Err(refused) => {
                        return out.fail(io::Error::other(refused.sentence)).await;
                    }
                };
                let location = format!("{url}/frames/{number}");
                out.send(boundary.part(&content_type, Some(&location)))
                    .await?;
                out.send(pixels).await?;
            }
            out.send(boundary.end()).await
        });
        let (parts, _) = head.into_parts();
        return Ok(Response::from_parts(parts, body));
    }
    let kept = media::of_code_stream(&syntax).map_or(String::new(), |stream| {
        format!(" or {stream}; transfer-syntax={syntax}")
    });
    Err(Refused::not_acceptable(format!(
        "frames of this instance are given as multipart/related of {OCTETS}{kept}{why}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(line: &str, stored: &str, count: usize) -> Option<(Form, bool)> {
        let accepted = media::accepted(&HeaderMap::new(), Some(line));
        forms(&accepted, stored, count).first().copied()
    }

    #[test]
    fn the_form_is_what_is_accepted() {
        let (jls, plain) = (uids::JPEGLS_LOSSLESS, uids::IMPLICIT_VR_LITTLE_ENDIAN);
        let parts = "multipart/related; type=";
        let octets = format!("{parts}\"{OCTETS}\"");
        let pixels = Some((Form::Pixels, true));
        let stored = Some((Form::Stored, true));
        for (line, syntax, expected) in [
            ("*/*".to_owned(), jls, pixels),
            (octets.clone(), jls, pixels),
            (format!("{octets}; transfer-syntax=*"), jls, stored),
            (format!("{octets}; transfer-syntax=*"), plain, pixels),
            (format!("{octets}; transfer-syntax={jls}"), jls, stored),
            (format!("{octets}; transfer-syntax={jls}"), plain, None),
            (format!("{parts}image/jls"), jls, stored),
            (format!("{parts}image/jls"), plain, None),
            (format!("{parts}image/jp2, {octets}"), jls, pixels),
            ("image/jls".to_owned(), jls, Some((Form::Stored, false))),
            ("text/html".to_owned(), plain, None),
        ] {
            assert_eq!(first(&line, syntax, 1), expected, "{line} of {syntax}");
        }
        assert_eq!(first("image/jls", jls, 2), None, "two need parts");
    }

    #[test]
    fn frames_are_numbers_from_one() {
        let numbers = |list: &str| Listed { list: list.into() }.numbers(3);
        assert_eq!(numbers("1,3"), Ok(vec![1, 3]));
        for wrong in ["0", "", "1,,2", "one", "-1"] {
            assert_eq!(
                numbers(wrong).unwrap_err().status,
                axum::http::StatusCode::BAD_REQUEST,
                "{wrong}"
            );
        }
        assert_eq!(
            numbers("4").unwrap_err().status,
            axum::http::StatusCode::NOT_FOUND
        );
    }
}
