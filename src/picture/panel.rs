//! One slice: the image in grey, the segments as a tint with a crisp contour.

use image::{Rgb, RgbImage, imageops};

use super::plane::{PatientView, Plane};
use super::sheet::Drawn;
use super::text::mixed;
use super::window::Window;
use crate::volume::{LabelVolume, Volume};

/// Drawn larger by this factor, then reduced, so that contours are smooth.
const SUPERSAMPLING: u32 = 2;
/// Share of the segment's colour in its tint.
const TINT: f32 = 0.24;
/// Contours reach this far inwards before reduction, pixels: one and a half after it.
const REACH: isize = 3;
const COMPARED: [u8; 3] = [255, 255, 255];

/// What every panel of a sheet shares.
pub(super) struct Subject<'a> {
    pub(super) volume: &'a Volume,
    pub(super) labels: &'a LabelVolume,
    pub(super) compared: Option<&'a LabelVolume>,
    pub(super) segments: &'a [Drawn],
    pub(super) window: Window,
    pub(super) view: PatientView,
    /// First and last voxel shown along left, posterior and head.
    pub(super) crop: [(usize, usize); 3],
    /// Pixels per millimetre.
    pub(super) scale: f64,
}

impl Subject<'_> {
    /// Width and height of a panel, pixels.
    pub(super) fn panel_size(&self, plane: Plane) -> (u32, u32) {
        let [across, down, _] = plane.axes();
        let pixels = |axis: usize| {
            let (first, last) = self.crop[axis];
            let extent = (last - first + 1) as f64 * self.view.spacing[axis];
            (extent * self.scale).round().max(1.0) as u32
        };
        (pixels(across), pixels(down))
    }

    /// Draws slice `index` of a plane.
    pub(super) fn draw(&self, plane: Plane, index: usize) -> RgbImage {
        let (width, height) = self.panel_size(plane);
        let (fine_width, fine_height) = (width * SUPERSAMPLING, height * SUPERSAMPLING);
        let mut fine = RgbImage::new(fine_width, fine_height);
        let across = self.samples(plane, 0, fine_width);
        let down = self.samples(plane, 1, fine_height);
        let voxel = |u: usize, v: usize| {
            let [a, d, through] = plane.axes();
            let mut at = [0; 3];
            (at[a], at[d], at[through]) = (u, v, index);
            self.view.offset(at)
        };
        for (y, v) in down.iter().enumerate() {
            for (x, u) in across.iter().enumerate() {
                let value = bilinear(*u, *v, |a, b| self.volume.voxels[voxel(a, b)]);
                let grey = (self.window.grey(value) * 255.0).round() as u8;
                fine.put_pixel(x as u32, y as u32, Rgb([grey; 3]));
            }
        }
        let sampled = |layer: &[u16]| -> Vec<u16> {
            down.iter()
                .flat_map(|v| {
                    across
                        .iter()
                        .map(|u| majority(*u, *v, |a, b| layer[voxel(a, b)]))
                })
                .collect()
        };
        for layer in &self.labels.layers {
            self.paint(&mut fine, &sampled(layer));
        }
        for layer in self.compared.iter().flat_map(|compared| &compared.layers) {
            outline(&mut fine, &sampled(layer));
        }
        imageops::resize(&fine, width, height, imageops::FilterType::Triangle)
    }

    /// Tint and contour of one layer.
    fn paint(&self, on: &mut RgbImage, shown: &[u16]) {
        let (width, height) = (on.width() as usize, on.height() as usize);
        for y in 0..height {
            for x in 0..width {
                let number = shown[y * width + x];
                let Some(segment) = self
                    .segments
                    .iter()
                    .find(|s| number != 0 && s.number == number)
                else {
                    continue;
                };
                let edge = is_edge(shown, width, height, (x, y), REACH);
                let pixel = on.get_pixel_mut(x as u32, y as u32);
                let share = if edge { 0.95 } else { TINT };
                *pixel = Rgb(mixed(pixel.0, segment.color, share));
            }
        }
    }

    /// For each pixel of a row or column the two voxels beside it and the share of the second.
    fn samples(&self, plane: Plane, side: usize, pixels: u32) -> Vec<(usize, usize, f32)> {
        let axis = plane.axes()[side];
        let (first, last) = self.crop[axis];
        let voxels = (last - first + 1) as f64;
        (0..pixels)
            .map(|pixel| {
                let mut share = (f64::from(pixel) + 0.5) / f64::from(pixels);
                if axis == 2 {
                    // The head is on top.
                    share = 1.0 - share;
                }
                let position =
                    (first as f64 + share * voxels - 0.5).clamp(first as f64, last as f64);
                let low = position.floor() as usize;
                (low, (low + 1).min(last), (position - low as f64) as f32)
            })
            .collect()
    }
}

/// A thin dashed line around every label.
fn outline(on: &mut RgbImage, shown: &[u16]) {
    let (width, height) = (on.width() as usize, on.height() as usize);
    for y in 0..height {
        for x in 0..width {
            let dash = (x + y) % 12 < 7;
            if dash && shown[y * width + x] != 0 && is_edge(shown, width, height, (x, y), 2) {
                let pixel = on.get_pixel_mut(x as u32, y as u32);
                *pixel = Rgb(mixed(pixel.0, COMPARED, 0.9));
            }
        }
    }
}

/// Whether another number lies within `reach` pixels across or down.
fn is_edge(
    shown: &[u16],
    width: usize,
    height: usize,
    (x, y): (usize, usize),
    reach: isize,
) -> bool {
    let number = shown[y * width + x];
    let differs = |dx: isize, dy: isize| {
        let (x, y) = (x as isize + dx, y as isize + dy);
        let inside = x >= 0 && y >= 0 && x < width as isize && y < height as isize;
        inside && shown[y as usize * width + x as usize] != number
    };
    (1..=reach).any(|r| differs(-r, 0) || differs(r, 0) || differs(0, -r) || differs(0, r))
}

type Sample = (usize, usize, f32);

fn bilinear((u0, u1, u): Sample, (v0, v1, v): Sample, at: impl Fn(usize, usize) -> f32) -> f32 {
    let top = at(u0, v0) * (1.0 - u) + at(u1, v0) * u;
    let bottom = at(u0, v1) * (1.0 - u) + at(u1, v1) * u;
    top * (1.0 - v) + bottom * v
}

/// The number with the greatest bilinear weight: outlines of coarse grids come out smooth, not as stairs.
fn majority((u0, u1, u): Sample, (v0, v1, v): Sample, at: impl Fn(usize, usize) -> u16) -> u16 {
    let numbers = [at(u0, v0), at(u1, v0), at(u0, v1), at(u1, v1)];
    if numbers.iter().all(|&n| n == numbers[0]) {
        return numbers[0];
    }
    let weights = [(1.0 - u) * (1.0 - v), u * (1.0 - v), (1.0 - u) * v, u * v];
    let total = |number: u16| -> f32 {
        numbers
            .iter()
            .zip(weights)
            .filter(|(n, _)| **n == number)
            .map(|(_, w)| w)
            .sum()
    };
    let mut best = numbers[0];
    for &number in &numbers[1..] {
        if total(number) > total(best) {
            best = number;
        }
    }
    best
}
