//! Laying the frames of a segmentation over an image.

use super::layering::{Layering, MOST_LAYERS};
use super::read::{Kind, SegFrame, SegObject};
use super::read_error::ReadSegError;
use crate::encode::Segment;
use crate::volume::{Geometry, LabelVolume, Vec3, dot};
use rayon::prelude::*;

/// A frame counts as lying on the image's own voxels when no pixel is farther from a voxel's centre, in voxels.
const TOLERANCE: f64 = 0.1;

impl SegObject {
    /// The segments on an image's grid, with the numbers they have in the file.
    ///
    /// Every frame is placed by its position and orientation in the patient, never by its order. Frames that lie on
    /// voxels of the grid (to a tenth of a voxel) are copied exactly; otherwise each voxel takes the nearest pixel
    /// within half a slice spacing of the segmentation. What lies outside the grid is dropped. Segments that overlap
    /// go to different layers; segments without a voxel stay in the list.
    ///
    /// # Errors
    /// When nothing lies in the image, or more than 32 segments lie over one another.
    pub fn onto(&self, grid: &Geometry) -> Result<(LabelVolume, Vec<Segment>), ReadSegError> {
        if !grid.is_valid() {
            return Err(ReadSegError::Outside);
        }
        let places: Option<Vec<[i64; 3]>> = self
            .frames
            .iter()
            .map(|frame| self.on_voxels(frame, grid))
            .collect();
        let mut painted = vec![0u16; grid.len()];
        let mut layering = Layering::new(grid);
        let (mut set, mut landed) = (false, false);
        for frames in self.passes() {
            set = set || frames.iter().any(|&frame| self.has_pixel(frame));
            match &places {
                Some(places) => self.copy(&frames, places, grid, &mut painted),
                None => self.sample(&frames, grid, &mut painted),
            }
            landed |= layering
                .take(&mut painted)
                .ok_or(ReadSegError::TooManyLayers { most: MOST_LAYERS })?;
        }
        if set && !landed {
            return Err(ReadSegError::Outside);
        }
        Ok((layering.labels(), self.segments.clone()))
    }

    /// Frames that are painted together: those of a segment, or all of a label map.
    fn passes(&self) -> Vec<Vec<usize>> {
        if matches!(self.kind, Kind::Labels8 | Kind::Labels16) {
            return vec![(0..self.frames.len()).collect()];
        }
        let mut passes: Vec<Vec<usize>> = vec![Vec::new(); usize::from(u16::MAX) + 1];
        for (at, frame) in self.frames.iter().enumerate() {
            passes[usize::from(frame.segment.unwrap_or(0))].push(at);
        }
        passes.retain(|frames| !frames.is_empty());
        passes
    }

    /// The voxel of a frame's first pixel, when all its pixels lie on voxels of the grid.
    fn on_voxels(&self, frame: &SegFrame, grid: &Geometry) -> Option<[i64; 3]> {
        let first = grid.to_index(frame.position).map(f64::round);
        let (columns, rows) = (self.plane.columns - 1, self.plane.rows - 1);
        let corners = [(0, 0), (columns, 0), (0, rows), (columns, rows)];
        let fits = corners.iter().all(|&(i, j)| {
            let at = grid.to_index(self.pixel(frame, i as f64, j as f64));
            let meant = [first[0] + i as f64, first[1] + j as f64, first[2]];
            (0..3).all(|a| (at[a] - meant[a]).abs() <= TOLERANCE)
        });
        // Farther away than this there is no grid, and no whole number either.
        let near = first.iter().all(|v| v.abs() < 1e9);
        (fits && near).then(|| first.map(|v| v as i64))
    }

    /// Patient position of a pixel's centre.
    fn pixel(&self, frame: &SegFrame, i: f64, j: f64) -> Vec3 {
        let [row, column] = self.plane.axes;
        let [si, sj] = self.plane.spacing;
        std::array::from_fn(|a| frame.position[a] + i * si * row[a] + j * sj * column[a])
    }

    /// The segment number at a pixel of a frame, 0 for none.
    fn value(&self, frame: usize, pixel: usize) -> u16 {
        let at = frame * self.plane.columns * self.plane.rows + pixel;
        let segment = self.frames[frame].segment.unwrap_or(0);
        match self.kind {
            Kind::Bits if self.pixels[at / 8] >> (at % 8) & 1 == 1 => segment,
            Kind::Fraction(from) if u16::from(self.pixels[at]) >= from => segment,
            Kind::Bits | Kind::Fraction(_) => 0,
            Kind::Labels8 => self.unless_background(u16::from(self.pixels[at])),
            Kind::Labels16 => {
                let bytes = [self.pixels[2 * at], self.pixels[2 * at + 1]];
                self.unless_background(u16::from_le_bytes(bytes))
            }
        }
    }

    fn unless_background(&self, value: u16) -> u16 {
        if self.background.contains(&value) {
            0
        } else {
            value
        }
    }

    fn has_pixel(&self, frame: usize) -> bool {
        (0..self.plane.columns * self.plane.rows).any(|pixel| self.value(frame, pixel) != 0)
    }

    /// Copies frames whose pixels are voxels.
    fn copy(&self, frames: &[usize], places: &[[i64; 3]], grid: &Geometry, painted: &mut [u16]) {
        let within =
            |at: i64, axis: usize| usize::try_from(at).ok().filter(|&at| at < grid.size[axis]);
        for &frame in frames {
            let [i0, j0, k0] = places[frame];
            let Some(k) = within(k0, 2) else { continue };
            for row in 0..self.plane.rows {
                let Some(j) = within(j0 + row as i64, 1) else {
                    continue;
                };
                for column in 0..self.plane.columns {
                    if let Some(i) = within(i0 + column as i64, 0) {
                        let value = self.value(frame, row * self.plane.columns + column);
                        if value != 0 {
                            painted[grid.index(i, j, k)] = value;
                        }
                    }
                }
            }
        }
    }

    /// Gives each voxel the nearest pixel of the frames.
    fn sample(&self, frames: &[usize], grid: &Geometry, painted: &mut [u16]) {
        let normal = self.plane.normal();
        let mut heights: Vec<(f64, usize)> = frames
            .iter()
            .map(|&frame| (dot(self.frames[frame].position, normal), frame))
            .collect();
        heights.sort_by(|a, b| a.0.total_cmp(&b.0));
        let between = self.slice_spacing(grid);
        let [columns, rows, _] = grid.size;
        painted
            .par_chunks_mut(columns)
            .enumerate()
            .for_each(|(line, voxels)| {
                let (j, k) = ((line % rows) as f64, (line / rows) as f64);
                for (i, voxel) in voxels.iter_mut().enumerate() {
                    let point = grid.to_patient([i as f64, j, k]);
                    let height = dot(point, normal);
                    let next = heights.partition_point(|&(h, _)| h < height);
                    let nearest = heights[next.saturating_sub(1)..heights.len().min(next + 1)]
                        .iter()
                        .min_by(|a, b| (a.0 - height).abs().total_cmp(&(b.0 - height).abs()));
                    if let Some(&(h, frame)) = nearest
                        && (h - height).abs() <= between / 2.0 + 1e-6
                        && let Some(pixel) = self.pixel_at(&self.frames[frame], point)
                    {
                        *voxel = self.value(frame, pixel);
                    }
                }
            });
    }

    /// The pixel of a frame that a point lies over.
    fn pixel_at(&self, frame: &SegFrame, point: Vec3) -> Option<usize> {
        let away: Vec3 = std::array::from_fn(|a| point[a] - frame.position[a]);
        let at: [f64; 2] = std::array::from_fn(|a| {
            (dot(away, self.plane.axes[a]) / self.plane.spacing[a]).round()
        });
        let (columns, rows) = (self.plane.columns, self.plane.rows);
        let inside = at[0] >= 0.0 && at[1] >= 0.0 && at[0] < columns as f64 && at[1] < rows as f64;
        inside.then(|| at[0] as usize + columns * at[1] as usize)
    }

    /// Between slices of the segmentation, mm: what it says, else the least distance of two frames, else the grid's.
    fn slice_spacing(&self, grid: &Geometry) -> f64 {
        if let Some(between) = self.plane.between {
            return between;
        }
        let normal = self.plane.normal();
        let mut heights: Vec<f64> = self
            .frames
            .iter()
            .map(|frame| dot(frame.position, normal))
            .collect();
        heights.sort_by(f64::total_cmp);
        heights
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .filter(|gap| *gap > 1e-3)
            .min_by(f64::total_cmp)
            .unwrap_or(grid.spacing[2])
    }
}
