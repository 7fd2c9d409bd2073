//! Words on a picture.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use image::{Rgb, RgbImage};

/// Letters of DejaVu Sans for the Latin scripts; see `font/LICENSE`.
const FONT: &[u8] = include_bytes!("font/DejaVuSans-latin.ttf");

/// Draws words with their baseline's left end at `(x, y)`.
pub(super) struct Pen {
    font: FontRef<'static>,
}

impl Pen {
    /// None when the font that is built in cannot be read.
    pub(super) fn new() -> Option<Self> {
        Some(Self {
            font: FontRef::try_from_slice(FONT).ok()?,
        })
    }

    /// Width of a line of text, pixels.
    pub(super) fn width(&self, text: &str, size: f32) -> f32 {
        let font = self.font.as_scaled(PxScale::from(size));
        let mut width = 0.0;
        let mut last = None;
        for glyph in text.chars().map(|c| font.glyph_id(c)) {
            width += font.h_advance(glyph) + last.map_or(0.0, |last| font.kern(last, glyph));
            last = Some(glyph);
        }
        width
    }

    /// The text, or as much of it as fits in `room` pixels with an ellipsis.
    pub(super) fn fitted(&self, text: &str, size: f32, room: f32) -> String {
        if self.width(text, size) <= room {
            return text.to_owned();
        }
        let mut shorter: Vec<char> = text.chars().collect();
        while shorter.pop().is_some() {
            let candidate = format!("{}\u{2026}", shorter.iter().collect::<String>().trim_end());
            if self.width(&candidate, size) <= room {
                return candidate;
            }
        }
        String::new()
    }

    /// Draws a line of text.
    pub(super) fn write(
        &self,
        on: &mut RgbImage,
        at: (f32, f32),
        size: f32,
        color: [u8; 3],
        text: &str,
    ) {
        let font = self.font.as_scaled(PxScale::from(size));
        let mut x = at.0;
        let mut last = None;
        for c in text.chars() {
            let id = font.glyph_id(c);
            x += last.map_or(0.0, |last| font.kern(last, id));
            let glyph = id.with_scale_and_position(PxScale::from(size), point(x, at.1));
            if let Some(outline) = font.outline_glyph(glyph) {
                let bounds = outline.px_bounds();
                outline.draw(|gx, gy, coverage| {
                    let px = bounds.min.x as i64 + i64::from(gx);
                    let py = bounds.min.y as i64 + i64::from(gy);
                    blend(on, px, py, color, coverage);
                });
            }
            x += font.h_advance(id);
            last = Some(id);
        }
    }

    /// Draws a line of text with a dark rim, readable on any ground.
    pub(super) fn write_on_image(
        &self,
        on: &mut RgbImage,
        at: (f32, f32),
        size: f32,
        color: [u8; 3],
        text: &str,
    ) {
        for (dx, dy) in [(-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (1.0, 1.0)] {
            self.write(on, (at.0 + dx, at.1 + dy), size, [0, 0, 0], text);
        }
        self.write(on, at, size, color, text);
    }
}

/// Mixes a colour into a pixel; outside the picture nothing happens.
pub(super) fn blend(on: &mut RgbImage, x: i64, y: i64, color: [u8; 3], share: f32) {
    let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
        return;
    };
    if let Some(pixel) = on.get_pixel_mut_checked(x, y) {
        *pixel = Rgb(mixed(pixel.0, color, share));
    }
}

/// A colour between two.
pub(super) fn mixed(from: [u8; 3], to: [u8; 3], share: f32) -> [u8; 3] {
    let share = share.clamp(0.0, 1.0);
    let mut color = [0; 3];
    for (c, (a, b)) in color.iter_mut().zip(from.iter().zip(to)) {
        *c = (f32::from(*a) + (f32::from(b) - f32::from(*a)) * share).round() as u8;
    }
    color
}
