//! Which frames a segmentation has.

use super::seg_form::{Fractions, SegForm};
use crate::encode::{EncodeError, Segment};
use crate::volume::LabelRuns;
use rayon::prelude::*;
use std::ops::Range;

/// One frame: one segment on one slice, or all of them in a label map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// Index into [`Frames::segments`]; `None` in a label map.
    pub segment: Option<usize>,
    /// Slice `k` of the label volume.
    pub slice: usize,
    /// Where the slice comes among the slices that have a frame, from 1.
    pub position: u32,
    /// The rows outside which no pixel of a BINARY frame is set.
    pub rows: Range<usize>,
}

/// The frames of a segmentation: segment by segment, each from the first slice to the last; in a label map one a slice.
#[derive(Debug, Clone)]
pub(super) struct Frames {
    /// Indices of the segments that have a voxel, in the order of the list given, with their voxels.
    pub segments: Vec<(usize, u64)>,
    /// Only frames with a pixel set.
    pub frames: Vec<Frame>,
    /// Bits Allocated: 1 (packed without padding between frames, lowest bit first; PS3.5 section 8.1.1, annex D),
    /// 8 or 16 (little endian).
    pub bits: u16,
    /// Length of the Pixel Data, bytes; even.
    pub length: u32,
    /// Whether a voxel belongs to two segments.
    pub overlap: bool,
}

/// Lays out the frames of a label volume.
pub(super) fn frames(
    labels: &LabelRuns,
    segments: &[Segment],
    form: SegForm<'_>,
) -> Result<Frames, EncodeError> {
    let [columns, rows, slices] = labels.geometry().size;
    let plane = columns * rows;
    let index = segment_index(segments)?;
    let on_slices = on_slices(labels, &index, segments.len())?;

    let found: Vec<(usize, u64)> = (0..segments.len())
        .map(|s| (s, on_slices.iter().map(|slice| slice[s].voxels).sum()))
        .filter(|&(_, voxels)| voxels > 0)
        .collect();
    if found.is_empty() {
        return Err(EncodeError::NothingFound {
            labels: segments
                .iter()
                .map(|s| s.description.label.clone())
                .collect(),
        });
    }
    let overlap = overlap(labels);
    let has = |s: usize, slice: usize| on_slices[slice][s].voxels > 0;
    let rows_of = |s: usize, slice: usize| on_slices[slice][s].rows.clone();
    let (frames, bits) = match form {
        SegForm::Binary => (by_segment(&found, slices, has, rows_of), 1),
        SegForm::Fractional(fractions) => {
            let likely = likely(segments, &found, fractions, plane, slices);
            (
                by_segment(&found, slices, |s, k| likely[s * slices + k], rows_of),
                8,
            )
        }
        SegForm::Labelmap if overlap => return Err(EncodeError::Overlap),
        SegForm::Labelmap => {
            let has_any = |k: usize| found.iter().any(|&(s, _)| has(s, k));
            let bits = if found.len() <= usize::from(u8::MAX) {
                8
            } else {
                16
            };
            (by_slice(slices, has_any), bits)
        }
    };
    Ok(Frames {
        length: length(frames.len(), plane, bits)?,
        segments: found,
        frames,
        bits,
        overlap,
    })
}

/// A frame for each segment on each slice that `has` it.
fn by_segment(
    found: &[(usize, u64)],
    slices: usize,
    has: impl Fn(usize, usize) -> bool,
    rows_of: impl Fn(usize, usize) -> Range<usize>,
) -> Vec<Frame> {
    let positions = positions(slices, |slice| found.iter().any(|&(s, _)| has(s, slice)));
    let mut frames = Vec::new();
    for (written, &(s, _)) in found.iter().enumerate() {
        frames.extend(
            (0..slices)
                .filter(|&slice| has(s, slice))
                .map(|slice| Frame {
                    segment: Some(written),
                    slice,
                    position: positions[slice],
                    rows: rows_of(s, slice),
                }),
        );
    }
    frames
}

/// A frame for each slice that `has` a segment.
fn by_slice(slices: usize, has: impl Fn(usize) -> bool) -> Vec<Frame> {
    let filled = (0..slices).filter(|&slice| has(slice));
    (1u32..)
        .zip(filled)
        .map(|(position, slice)| Frame {
            segment: None,
            slice,
            position,
            rows: 0..0,
        })
        .collect()
}

/// Where each slice comes among those that have a frame, from 1.
fn positions(slices: usize, has_frame: impl Fn(usize) -> bool) -> Vec<u32> {
    let mut next = 0;
    (0..slices)
        .map(|slice| {
            next += u32::from(has_frame(slice));
            next
        })
        .collect()
}

/// Bytes of all pixels, if one DICOM object can hold them.
fn length(frames: usize, plane: usize, bits: u16) -> Result<u32, EncodeError> {
    let bytes = (frames as u64 * plane as u64 * u64::from(bits))
        .div_ceil(8)
        .next_multiple_of(2);
    // An explicit length is 32 bits wide; all ones mean undefined.
    u32::try_from(bytes)
        .ok()
        .filter(|&bytes| bytes != u32::MAX && i32::try_from(frames).is_ok())
        .ok_or(EncodeError::TooLarge { frames, bytes })
}

/// Whether each segment found is likelier than nothing on each slice: `[segment * slices + slice]`.
fn likely(
    segments: &[Segment],
    found: &[(usize, u64)],
    fractions: Fractions<'_>,
    plane: usize,
    slices: usize,
) -> Vec<bool> {
    let mut likely = vec![false; segments.len() * slices];
    for &(s, _) in found {
        likely[s * slices..(s + 1) * slices]
            .par_iter_mut()
            .enumerate()
            .for_each_init(
                || vec![0u8; plane],
                |values, (slice, likely)| {
                    values.fill(0);
                    fractions(segments[s].number, slice, values);
                    *likely = values.iter().any(|&value| value > 0);
                },
            );
    }
    likely
}

/// From label to index in the list of segments.
fn segment_index(segments: &[Segment]) -> Result<Vec<Option<usize>>, EncodeError> {
    let mut index = vec![None; usize::from(u16::MAX) + 1];
    for (s, segment) in segments.iter().enumerate() {
        let slot = &mut index[usize::from(segment.number)];
        if segment.number == 0 {
            return Err(EncodeError::Segments(format!(
                "\"{}\" has number 0, which is the background",
                segment.description.label
            )));
        }
        if slot.replace(s).is_some() {
            return Err(EncodeError::Segments(format!(
                "two segments have number {}",
                segment.number
            )));
        }
    }
    Ok(index)
}

/// What one slice has of one segment.
#[derive(Debug, Clone, Default)]
struct OnSlice {
    voxels: u64,
    /// From the first row that holds one to the last.
    rows: Range<usize>,
}

impl OnSlice {
    fn add(&mut self, voxels: usize, row: usize) {
        if self.voxels == 0 {
            self.rows = row..row + 1;
        } else {
            self.rows.start = self.rows.start.min(row);
            self.rows.end = self.rows.end.max(row + 1);
        }
        self.voxels += voxels as u64;
    }
}

/// What each slice has of each segment: `[slice][segment]`.
fn on_slices(
    labels: &LabelRuns,
    index: &[Option<usize>],
    segments: usize,
) -> Result<Vec<Vec<OnSlice>>, EncodeError> {
    let [_, rows, slices] = labels.geometry().size;
    let on_slice = |slice: usize| {
        let mut found = vec![OnSlice::default(); segments];
        for layer in 0..labels.layers() {
            for row in 0..rows {
                for (label, columns) in labels.row(layer, row + rows * slice) {
                    let s = index[usize::from(label)].ok_or_else(|| {
                        EncodeError::Segments(format!(
                            "label {label} is on slice {slice} and no segment has that number"
                        ))
                    })?;
                    found[s].add(columns.len(), row);
                }
            }
        }
        Ok(found)
    };
    (0..slices).into_par_iter().map(on_slice).collect()
}

/// Whether a voxel has a label on two layers.
fn overlap(labels: &LabelRuns) -> bool {
    let [_, rows, slices] = labels.geometry().size;
    labels.layers() > 1
        && (0..rows * slices).into_par_iter().any(|row| {
            let mut labelled: Vec<Range<usize>> = (0..labels.layers())
                .flat_map(|layer| labels.row(layer, row))
                .map(|(_, columns)| columns)
                .collect();
            labelled.sort_unstable_by_key(|columns| columns.start);
            labelled.windows(2).any(|two| two[0].end > two[1].start)
        })
}
