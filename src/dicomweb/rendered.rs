//! WADO-RS: images for people (PS3.18 section 10.4.1.1.3): a frame through its window, as JPEG or PNG; and thumbnails.

use super::Shared;
use super::body::{Boundary, streamed, typed};
use super::frames::Listed;
use super::media::{self, takes};
use super::refused::Refused;
use super::resource::{Named, url_of};
use crate::archive::StoredInstance;
use crate::assemble::StoredFrames;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_pixeldata::{
    ConvertOptions, DecodedPixelData, VoiLutFunction, VoiLutOption, WindowLevel,
    WindowLevelTransform,
};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
use std::io::{self, Cursor};
use std::path::PathBuf;
use std::sync::Arc;

/// What is rendered is given as.
const MEDIA_TYPES: [&str; 2] = ["image/jpeg", "image/png"];
/// Side of a thumbnail, pixels, where the URL says nothing.
const THUMBNAIL: u32 = 128;
/// Quality of a JPEG, where the URL says nothing.
const QUALITY: u8 = 90;
/// Longest side that is asked for, pixels.
const LONGEST_SIDE: u32 = 4096;

/// The parameters of rendering (PS3.18 section 8.3.5).
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Wish {
    accept: Option<String>,
    /// Center, width, function.
    window: Option<String>,
    /// Width and height of the whole.
    viewport: Option<String>,
    quality: Option<u8>,
}

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
    match alone.filter(|frames| frames.count() == 1) {
        Some(frames) => answer(&shared, frames, 1, &wish, &headers).await,
        None if accepted.iter().any(|range| range.name == "*/*") => {
            parts(shared, stored, wish.style(MEDIA_TYPES[0])?, &headers).await
        }
        None => Err(Refused::not_acceptable(
            "there is more than one picture here, and films are not made: ask for multipart/related; type=\"image/jpeg\" or \"image/png\", or for /frames/1/rendered of an instance",
        )),
    }
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

/// `…/frames/{list}/rendered`, of one frame.
pub(super) async fn frame(
    State(shared): State<Arc<Shared>>,
    Path(named): Path<Named>,
    Path(listed): Path<Listed>,
    Query(wish): Query<Wish>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let one = named.one(&shared).await?;
    let frames = shared.frames(one.file).await?;
    match listed.numbers(frames.count())?.as_slice() {
        [number] => answer(&shared, frames, *number, &wish, &headers).await,
        _ => Err(Refused::not_acceptable(
            "films are not made here: ask for one frame",
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
        Refused::not_acceptable("what is rendered is given as image/jpeg or image/png")
    })?;
    let style = wish.style(media_type)?;
    let _place = shared.place().await?;
    let bytes = shared.work(move || style.drawn(&frames, number)).await??;
    Ok(typed(media_type, bytes))
}

/// How a frame is drawn.
#[derive(Clone, Copy)]
struct Style {
    media_type: &'static str,
    window: Option<(WindowLevel, VoiLutFunction)>,
    viewport: Option<[u32; 2]>,
    quality: u8,
}

impl Wish {
    fn style(&self, media_type: &'static str) -> Result<Style, Refused> {
        let quality = self.quality.unwrap_or(QUALITY);
        if !(1..=100).contains(&quality) {
            return Err(Refused::bad_request("quality is a number from 1 to 100"));
        }
        Ok(Style {
            media_type,
            window: self.window.as_deref().map(window).transpose()?,
            viewport: self.viewport.as_deref().map(viewport).transpose()?,
            quality,
        })
    }
}

impl Style {
    /// The encoded picture of a frame.
    fn drawn(&self, frames: &StoredFrames, number: u32) -> Result<Vec<u8>, Refused> {
        let mut image = draw(frames, number, self.window)?;
        if let Some([width, height]) = self.viewport {
            image = image.thumbnail(width, height);
        }
        encode(&image, self.media_type, self.quality)
    }
}

/// `center,width[,function]`.
fn window(text: &str) -> Result<(WindowLevel, VoiLutFunction), Refused> {
    let wrong = || {
        Refused::bad_request("window is center,width and perhaps linear, linear-exact or sigmoid")
    };
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let (center, width, function) = match parts.as_slice() {
        [center, width] => (center, width, "linear"),
        [center, width, function] => (center, width, *function),
        _ => return Err(wrong()),
    };
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let center = number(center).ok_or_else(wrong)?;
    let width = number(width)
        .filter(|width| *width >= 1.0)
        .ok_or_else(wrong)?;
    let function = match function {
        "linear" => VoiLutFunction::Linear,
        "linear-exact" => VoiLutFunction::LinearExact,
        "sigmoid" => VoiLutFunction::Sigmoid,
        _ => return Err(wrong()),
    };
    Ok((WindowLevel { width, center }, function))
}

/// `width,height`; a part of the image cannot be asked for.
fn viewport(text: &str) -> Result<[u32; 2], Refused> {
    let sides: Result<Vec<u32>, _> = text.split(',').map(|side| side.trim().parse()).collect();
    match sides.as_deref() {
        Ok([width, height])
            if (1..=LONGEST_SIDE).contains(width) && (1..=LONGEST_SIDE).contains(height) =>
        {
            Ok([*width, *height])
        }
        _ => Err(Refused::bad_request(format!(
            "viewport is width,height, up to {LONGEST_SIDE} pixels; parts of an image are not rendered"
        ))),
    }
}

fn draw(
    frames: &StoredFrames,
    number: u32,
    window: Option<(WindowLevel, VoiLutFunction)>,
) -> Result<DynamicImage, Refused> {
    let side = |tag: Tag| frames.attributes().get(tag)?.to_int::<u32>().ok();
    let size = side(tags::COLUMNS).zip(side(tags::ROWS));
    let (width, height) = size.ok_or_else(no_image)?;
    if side(tags::BITS_ALLOCATED) == Some(1) {
        let bits = frames.stored(number)?;
        let grey = (0..width as usize * height as usize).map(|at| {
            bits.get(at / 8)
                .map_or(0, |byte| (byte >> (at % 8) & 1) * 255)
        });
        let image = GrayImage::from_raw(width, height, grey.collect());
        return image.map(DynamicImage::ImageLuma8).ok_or_else(no_image);
    }
    let image = frames.with_decoded(number, |decoded| pixels(decoded, window))?;
    image.ok_or_else(no_image)
}

fn pixels(
    decoded: &DecodedPixelData<'_>,
    window: Option<(WindowLevel, VoiLutFunction)>,
) -> Result<Option<DynamicImage>, String> {
    let (width, height) = (decoded.columns(), decoded.rows());
    let photometric = decoded.photometric_interpretation().to_string();
    if decoded.samples_per_pixel() == 3 && decoded.bits_allocated() == 8 {
        let data = decoded.frame_data(0).map_err(|error| error.to_string())?;
        let is_drawn = photometric.trim() == "RGB";
        let image = RgbImage::from_raw(width, height, data.to_vec());
        return Ok(image.filter(|_| is_drawn).map(DynamicImage::ImageRgb8));
    }
    if decoded.samples_per_pixel() != 1 || !photometric.starts_with("MONOCHROME") {
        return Ok(None);
    }
    let options = ConvertOptions::new().with_voi_lut(VoiLutOption::Identity);
    let values: Vec<f32> = decoded
        .to_vec_frame_with_options(0, &options)
        .map_err(|error| error.to_string())?;
    let (window, function) = window
        .or_else(|| own_window(decoded))
        .unwrap_or_else(|| (whole_range(&values), VoiLutFunction::LinearExact));
    let transform = WindowLevelTransform::new(function, window);
    let grey = values
        .iter()
        .map(|value| transform.apply(f64::from(*value), 255.0).round() as u8);
    let mut grey: Vec<u8> = grey.collect();
    if photometric.trim() == "MONOCHROME1" {
        grey.iter_mut().for_each(|value| *value = 255 - *value);
    }
    Ok(GrayImage::from_raw(width, height, grey).map(DynamicImage::ImageLuma8))
}

/// The first window that the instance names, where it is one.
fn own_window(decoded: &DecodedPixelData<'_>) -> Option<(WindowLevel, VoiLutFunction)> {
    let window = *decoded.window().ok()??.first()?;
    let functions = decoded.voi_lut_function().ok().flatten();
    let function = functions.and_then(|functions| functions.first().copied());
    (window.width >= 1.0).then_some((window, function.unwrap_or_default()))
}

/// From the lowest value to the highest.
fn whole_range(values: &[f32]) -> WindowLevel {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = finite.fold((f32::MAX, f32::MIN), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
    WindowLevel {
        width: f64::from((high - low).max(f32::MIN_POSITIVE)),
        center: f64::from((low + high) / 2.0),
    }
}

fn no_image() -> Refused {
    Refused::not_acceptable("the instance has no image that is rendered here")
}

fn encode(image: &DynamicImage, media_type: &str, quality: u8) -> Result<Vec<u8>, Refused> {
    let mut bytes = Cursor::new(Vec::new());
    let encoded = match media_type {
        "image/png" => image.write_to(&mut bytes, ImageFormat::Png),
        _ => image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality)),
    };
    encoded.map_err(|_| Refused::not_acceptable("the image cannot be encoded"))?;
    Ok(bytes.into_inner())
}
