//! Laying the contours of an RTSTRUCT over an image.

use super::layering::{Layering, MOST_LAYERS};
use super::polygon_fill::{fill, work};
use super::rtstruct::{Roi, RtStruct};
use super::rtstruct_error::ReadRtStructError;
use crate::encode::Segment;
use crate::volume::{Geometry, LabelVolume};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// How far from a slice's plane a contour may lie and still be of that slice, in slice spacings.
const OFF_PLANE: f64 = 0.1;
/// Most rows that the edges of an ROI's contours on one slice may reach over, together.
const MOST_WORK: u64 = 1 << 24;
/// Beyond this many voxels there is no grid.
const FAR: f64 = 1e9;

/// The ROIs of an RTSTRUCT on an image's grid.
#[derive(Debug, Clone, PartialEq)]
pub struct RoisOnGrid {
    /// Their voxels.
    pub labels: LabelVolume,
    /// What they are, with the numbers they have in `labels`.
    pub segments: Vec<Segment>,
    /// Those that were drawn on every second slice, or fewer.
    pub filled: Vec<FilledBetween>,
}

/// An ROI that was drawn on every `every`-th slice; those between were filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilledBetween {
    /// Its name.
    pub roi: String,
    /// From contour to contour, in slices.
    pub every: usize,
}

/// Contours of a slice, in its pixels.
type Contours = Vec<Vec<[f64; 2]>>;

impl RtStruct {
    /// The ROIs of the numbers `wanted` (all, where it is empty) on an image's grid.
    ///
    /// A voxel belongs to an ROI when its centre lies inside an odd number of the contours that the ROI has on that
    /// slice, or on one of them (PS3.3 C.8.8.6.3). So inner contours are holes, be they CLOSEDPLANAR_XOR or, as most
    /// systems write them, CLOSED_PLANAR, and keyhole contours come out with theirs. A CLOSED_PLANAR contour that
    /// crosses another of its ROI is taken so too, where plastimatch by default takes the union.
    ///
    /// Contours lie on slices of the image, to a tenth of the slice spacing; those beyond its first and last slice
    /// are dropped. An ROI drawn on every n-th slice throughout, on three slices at least, is filled between them
    /// with the nearest contour's area (the earlier slice's, in the middle) and named in [`RoisOnGrid::filled`];
    /// other slices without a contour stay empty. ROIs that overlap go to different layers.
    ///
    /// # Errors
    /// When an ROI lies in another frame of reference than `frame_of_reference` (where both are known), off the
    /// image's slices or across them; when nothing lies in the image; when there is more than is read.
    pub fn onto(
        &self,
        grid: &Geometry,
        frame_of_reference: Option<&str>,
        wanted: &[u16],
    ) -> Result<RoisOnGrid, ReadRtStructError> {
        if !grid.is_valid() {
            return Err(ReadRtStructError::Outside);
        }
        let mut rois = self.rois.iter().collect::<Vec<_>>();
        if !wanted.is_empty() {
            self.check_there(wanted)?;
            rois.retain(|roi| wanted.contains(&roi.number));
        }
        let ours = frame_of_reference.filter(|ours| !ours.is_empty());
        let elsewhere = rois.iter().find(|roi| {
            let theirs = roi.frame_of_reference_uid.as_deref();
            // Positions of two frames of reference cannot be compared: the result would be wrong, and look right.
            matches!((theirs, ours), (Some(theirs), Some(ours)) if theirs != ours)
        });
        if let Some(roi) = elsewhere {
            return Err(ReadRtStructError::OtherFrameOfReference { roi: roi.name() });
        }
        let mut painted = vec![0u16; grid.len()];
        let mut layering = Layering::new(grid);
        let (mut landed, mut filled) = (false, Vec::new());
        for &roi in &rois {
            let slices = slices(roi, grid)?;
            paint(roi.number, &slices, grid, &mut painted);
            if let Some(every) = regular_gap(&slices) {
                fill_between(&slices, every, grid, &mut painted);
                let roi = roi.name();
                filled.push(FilledBetween { roi, every });
            }
            landed |= layering
                .take(&mut painted)
                .ok_or(ReadRtStructError::TooManyLayers { most: MOST_LAYERS })?;
        }
        if !landed {
            return Err(ReadRtStructError::Outside);
        }
        let segment = |roi: &&Roi| Segment::new(roi.number, roi.description.clone());
        Ok(RoisOnGrid {
            labels: layering.labels(),
            segments: rois.iter().map(segment).collect(),
            filled,
        })
    }

    fn check_there(&self, wanted: &[u16]) -> Result<(), ReadRtStructError> {
        let missing = wanted
            .iter()
            .find(|&&number| self.rois.iter().all(|roi| roi.number != number));
        missing.map_or(Ok(()), |&number| {
            let there = self.rois.iter();
            let there = there.map(|roi| format!("{} {}", roi.number, roi.description.label));
            Err(ReadRtStructError::NoSuchRoi {
                number,
                there: there.collect::<Vec<_>>().join(", "),
            })
        })
    }
}

/// The contours of an ROI by slice of the grid.
fn slices(roi: &Roi, grid: &Geometry) -> Result<BTreeMap<usize, Contours>, ReadRtStructError> {
    let mut slices: BTreeMap<usize, Contours> = BTreeMap::new();
    let mut works: BTreeMap<usize, u64> = BTreeMap::new();
    for contour in &roi.contours {
        let at: Vec<[f64; 3]> = contour.iter().map(|&point| grid.to_index(point)).collect();
        if at.iter().flatten().any(|v| v.is_nan() || v.abs() > FAR) {
            return Err(ReadRtStructError::Malformed(format!(
                "a contour of ROI `{}` lies nowhere near a patient",
                roi.name()
            )));
        }
        let mean = at.iter().map(|p| p[2]).sum::<f64>() / at.len() as f64;
        if at.iter().any(|p| (p[2] - mean).abs() > 2.0 * OFF_PLANE) {
            return Err(ReadRtStructError::NotParallel { roi: roi.name() });
        }
        let slice = mean.round();
        if slice < 0.0 || slice >= grid.size[2] as f64 {
            continue;
        }
        let off = at.iter().map(|p| (p[2] - slice).abs()).fold(0.0, f64::max);
        if off > OFF_PLANE {
            return Err(ReadRtStructError::OffPlane {
                roi: roi.name(),
                off: off * grid.spacing[2],
                spacing: grid.spacing[2],
            });
        }
        let slice = slice as usize;
        let pixels: Vec<[f64; 2]> = at.iter().map(|p| [p[0], p[1]]).collect();
        let total = works.entry(slice).or_default();
        *total += work(&pixels, grid.size[1]);
        if *total > MOST_WORK {
            return Err(ReadRtStructError::TooLarge(format!(
                "the contours of ROI `{}` on one slice go up and down too often",
                roi.name()
            )));
        }
        slices.entry(slice).or_default().push(pixels);
    }
    Ok(slices)
}

fn paint(number: u16, slices: &BTreeMap<usize, Contours>, grid: &Geometry, painted: &mut [u16]) {
    let [columns, rows, _] = grid.size;
    painted
        .par_chunks_mut(columns * rows)
        .enumerate()
        .for_each(|(slice, voxels)| {
            if let Some(contours) = slices.get(&slice) {
                let mut inside = vec![false; voxels.len()];
                fill(contours, columns, rows, &mut inside);
                for (voxel, inside) in voxels.iter_mut().zip(inside) {
                    *voxel = if inside { number } else { 0 };
                }
            }
        });
}

/// From contour to contour, when that is more than one slice and regular: the least distance, all others its
/// multiples. Two contours are no rule.
fn regular_gap(slices: &BTreeMap<usize, Contours>) -> Option<usize> {
    let drawn: Vec<usize> = slices.keys().copied().collect();
    let gaps = || drawn.windows(2).map(|pair| pair[1] - pair[0]);
    let every = gaps().min().filter(|&every| every > 1)?;
    let usual = gaps().filter(|&gap| gap == every).count();
    (usual > 1 && gaps().all(|gap| gap % every == 0)).then_some(every)
}

/// Gives slices between two contours `every` slices apart the nearer one's area; wider gaps are meant.
fn fill_between(
    slices: &BTreeMap<usize, Contours>,
    every: usize,
    grid: &Geometry,
    painted: &mut [u16],
) {
    let plane = grid.size[0] * grid.size[1];
    for &below in slices.keys() {
        let above = below + every;
        if !slices.contains_key(&above) {
            continue;
        }
        for step in 1..every {
            let nearest = if 2 * step <= every { below } else { above };
            let source = nearest * plane..(nearest + 1) * plane;
            painted.copy_within(source, (below + step) * plane);
        }
    }
}
