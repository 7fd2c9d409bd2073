//! Frames one after the other in one picture: an animated GIF, which keeps 256 greys as they are.

use super::drawing::not_encoded;
use super::refused::Refused;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use gif::{Encoder, Frame, Repeat};
use image::DynamicImage;
use std::borrow::Cow;

/// Hundredths of a second that a frame stays where the instance does not say.
const STAYS: u16 = 10;
/// Of 1 (the best palette) to 30 (the quickest), for frames in colour.
const SPEED: i32 = 10;

/// A film in the making; what was made so far can be taken away.
pub(super) struct Film {
    encoder: Encoder<Vec<u8>>,
    /// How long each frame stays, hundredths of a second.
    stays: u16,
}

impl Film {
    /// A film that begins with a picture, at the pace that the instance names.
    pub(super) fn begin(
        instance: &InMemDicomObject,
        first: &DynamicImage,
    ) -> Result<Self, Refused> {
        let [width, height] = size(first)?;
        let greys: Vec<u8> = (0..=u8::MAX).flat_map(|grey| [grey; 3]).collect();
        let mut encoder =
            Encoder::new(Vec::new(), width, height, &greys).map_err(|_| not_encoded())?;
        let endless = encoder.set_repeat(Repeat::Infinite);
        endless.map_err(|_| not_encoded())?;
        let stays = pace(instance);
        let mut film = Self { encoder, stays };
        film.add(first)?;
        Ok(film)
    }

    /// The next frame.
    pub(super) fn add(&mut self, picture: &DynamicImage) -> Result<(), Refused> {
        let [width, height] = size(picture)?;
        let frame = match picture {
            DynamicImage::ImageLuma8(grey) => Frame {
                width,
                height,
                buffer: Cow::Borrowed(grey.as_raw()),
                ..Frame::default()
            },
            other => Frame::from_rgb_speed(width, height, other.to_rgb8().as_raw(), SPEED),
        };
        let delay = self.stays;
        let written = self.encoder.write_frame(&Frame { delay, ..frame });
        written.map_err(|_| not_encoded())
    }

    /// Takes away what was made.
    pub(super) fn written(&mut self) -> Vec<u8> {
        std::mem::take(self.encoder.get_mut())
    }

    /// The rest of it.
    pub(super) fn end(self) -> Result<Vec<u8>, Refused> {
        self.encoder.into_inner().map_err(|_| not_encoded())
    }
}

fn size(picture: &DynamicImage) -> Result<[u16; 2], Refused> {
    let sides = [picture.width(), picture.height()].map(u16::try_from);
    match sides {
        [Ok(width), Ok(height)] => Ok([width, height]),
        _ => Err(not_encoded()),
    }
}

/// Hundredths of a second of a frame: Frame Time (PS3.3 C.7.6.5), else one of the rates at which to show it.
fn pace(instance: &InMemDicomObject) -> u16 {
    let number = |tag| {
        let number = instance.get(tag)?.to_float64().ok()?;
        (number > 0.0).then_some(number)
    };
    let rate = || number(tags::RECOMMENDED_DISPLAY_FRAME_RATE).or_else(|| number(tags::CINE_RATE));
    let milliseconds = number(tags::FRAME_TIME).or_else(|| rate().map(|rate| 1000.0 / rate));
    // Players take less than two hundredths for a mistake.
    milliseconds.map_or(STAYS, |ms| (ms / 10.0).round().clamp(2.0, 1000.0) as u16)
}
