//! How a frame becomes a picture: through a window, to a size, as JPEG, PNG or GIF.

use super::film::Film;
use super::refused::Refused;
use crate::assemble::StoredFrames;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_pixeldata::{
    ConvertOptions, DecodedPixelData, VoiLutFunction, VoiLutOption, WindowLevel,
    WindowLevelTransform,
};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
use std::io::Cursor;

/// What a picture is given as.
pub(super) const MEDIA_TYPES: [&str; 3] = ["image/jpeg", "image/png", GIF];
/// Also what films are.
pub(super) const GIF: &str = "image/gif";
/// Quality of a JPEG, where the URL says nothing.
const QUALITY: u8 = 90;
/// Longest side that is asked for, pixels.
const LONGEST_SIDE: u32 = 4096;

/// The parameters of rendering (PS3.18 section 8.3.5).
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Wish {
    pub(super) accept: Option<String>,
    /// Center, width, function.
    window: Option<String>,
    /// Width and height of the whole.
    pub(super) viewport: Option<String>,
    quality: Option<u8>,
}

/// How a frame is drawn.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) media_type: &'static str,
    window: Option<(WindowLevel, VoiLutFunction)>,
    viewport: Option<[u32; 2]>,
    quality: u8,
}

impl Wish {
    pub(super) fn style(&self, media_type: &'static str) -> Result<Style, Refused> {
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
    /// The picture of a frame.
    pub(super) fn picture(
        &self,
        frames: &StoredFrames,
        number: u32,
    ) -> Result<DynamicImage, Refused> {
        let image = draw(frames, number, self.window)?;
        Ok(match self.viewport {
            Some([width, height]) => image.thumbnail(width, height),
            None => image,
        })
    }

    /// The encoded picture of a frame.
    pub(super) fn drawn(&self, frames: &StoredFrames, number: u32) -> Result<Vec<u8>, Refused> {
        let image = self.picture(frames, number)?;
        if self.media_type == GIF {
            let film = Film::begin(frames.attributes(), &image)?;
            return film.end();
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

pub(super) fn not_encoded() -> Refused {
    Refused::not_acceptable("the image cannot be encoded")
}

pub(super) fn no_image() -> Refused {
    Refused::not_acceptable("the instance has no image that is rendered here")
}

fn encode(image: &DynamicImage, media_type: &str, quality: u8) -> Result<Vec<u8>, Refused> {
    let mut bytes = Cursor::new(Vec::new());
    let encoded = match media_type {
        "image/png" => image.write_to(&mut bytes, ImageFormat::Png),
        _ => image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality)),
    };
    encoded.map_err(|_| not_encoded())?;
    Ok(bytes.into_inner())
}
