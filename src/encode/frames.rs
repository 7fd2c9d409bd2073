//! Which frames a segmentation has, and their pixels.

use super::seg_form::{Fractions, SegForm};
use crate::encode::{EncodeError, Segment};
use crate::volume::LabelVolume;

/// One frame: one segment on one slice, or all of them in a label map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Index into [`Frames::segments`]; `None` in a label map.
    pub segment: Option<usize>,
    /// Slice `k` of the label volume.
    pub slice: usize,
    /// Where the slice comes among the slices that have a frame, from 1.
    pub position: u32,
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
    /// All frames; even length.
    pub pixels: Vec<u8>,
    /// Whether a voxel belongs to two segments.
    pub overlap: bool,
}

/// Makes the frames of a label volume.
pub(super) fn frames(
    labels: &LabelVolume,
    segments: &[Segment],
    form: SegForm<'_>,
) -> Result<Frames, EncodeError> {
    let [columns, rows, slices] = labels.geometry.size;
    let plane = columns * rows;
    let index = segment_index(segments)?;
    let counts = counts(labels, &index, segments.len(), plane, slices)?;

    let found: Vec<(usize, u64)> = (0..segments.len())
        .map(|s| (s, counts[s * slices..(s + 1) * slices].iter().sum()))
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
    let has = |s: usize, slice: usize| counts[s * slices + slice] > 0;
    let made = match form {
        SegForm::Binary => {
            let (places, frames) = by_segment(&found, slices, has);
            let mut pixels = room_for(&frames, plane, 1)?;
            set_bits(labels, &index, &places, &mut pixels);
            (frames, 1, pixels)
        }
        SegForm::Fractional(fractions) => fractional(segments, &found, fractions, plane, slices)?,
        SegForm::Labelmap if overlap => return Err(EncodeError::Overlap),
        SegForm::Labelmap => label_map(labels, &index, &found, slices)?,
    };
    let (frames, bits, pixels) = made;
    Ok(Frames {
        segments: found,
        frames,
        bits,
        pixels,
        overlap,
    })
}

/// A frame for each segment on each slice that `has` it, and where the frame of (segment, slice) comes, for the
/// segments as listed.
fn by_segment(
    found: &[(usize, u64)],
    slices: usize,
    has: impl Fn(usize, usize) -> bool,
) -> (Vec<usize>, Vec<Frame>) {
    let positions = positions(slices, |slice| found.iter().any(|&(s, _)| has(s, slice)));
    let listed = found.iter().map(|&(s, _)| s + 1).max().unwrap_or(0);
    let mut places = vec![usize::MAX; listed * slices];
    let mut frames = Vec::new();
    for (written, &(s, _)) in found.iter().enumerate() {
        for slice in 0..slices {
            if has(s, slice) {
                places[s * slices + slice] = frames.len();
                frames.push(Frame {
                    segment: Some(written),
                    slice,
                    position: positions[slice],
                });
            }
        }
    }
    (places, frames)
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

/// Zeros for all pixels, if one DICOM object can hold them.
fn room_for(frames: &[Frame], plane: usize, bits: u16) -> Result<Vec<u8>, EncodeError> {
    let bytes = (frames.len() as u64 * plane as u64 * u64::from(bits))
        .div_ceil(8)
        .next_multiple_of(2);
    let too_large = EncodeError::TooLarge {
        frames: frames.len(),
        bytes,
    };
    // An explicit length is 32 bits wide; all ones mean undefined.
    if bytes >= u64::from(u32::MAX) || i32::try_from(frames.len()).is_err() {
        return Err(too_large);
    }
    Ok(vec![0u8; usize::try_from(bytes).map_err(|_| too_large)?])
}

fn set_bits(labels: &LabelVolume, index: &[Option<usize>], places: &[usize], pixels: &mut [u8]) {
    let [columns, rows, slices] = labels.geometry.size;
    let plane = columns * rows;
    for layer in &labels.layers {
        for (voxel, &label) in layer.iter().enumerate() {
            if label != 0
                && let Some(&Some(s)) = index.get(usize::from(label))
            {
                let bit = places[s * slices + voxel / plane] * plane + voxel % plane;
                pixels[bit / 8] |= 1 << (bit % 8);
            }
        }
    }
}

type Made = (Vec<Frame>, u16, Vec<u8>);

/// A frame for each segment found on each slice where it is likelier than nothing.
fn fractional(
    segments: &[Segment],
    found: &[(usize, u64)],
    fractions: Fractions<'_>,
    plane: usize,
    slices: usize,
) -> Result<Made, EncodeError> {
    let mut pixels: Vec<u8> = Vec::new();
    let mut there = vec![false; segments.len() * slices];
    let mut count = 0;
    for &(s, _) in found {
        for slice in 0..slices {
            let start = pixels.len();
            pixels.resize(start + plane, 0);
            fractions(segments[s].number, slice, &mut pixels[start..]);
            if pixels[start..].iter().any(|&p| p > 0) {
                there[s * slices + slice] = true;
                count += 1;
            } else {
                pixels.truncate(start);
            }
            let bytes = pixels.len() as u64;
            if bytes >= u64::from(u32::MAX) - 1 {
                return Err(EncodeError::TooLarge {
                    frames: count,
                    bytes,
                });
            }
        }
    }
    let (_, frames) = by_segment(found, slices, |s, slice| there[s * slices + slice]);
    if pixels.len() % 2 == 1 {
        pixels.push(0);
    }
    Ok((frames, 8, pixels))
}

/// A frame for each slice that has a segment; a pixel is the number that its segment has in the file.
fn label_map(
    labels: &LabelVolume,
    index: &[Option<usize>],
    found: &[(usize, u64)],
    slices: usize,
) -> Result<Made, EncodeError> {
    let [columns, rows, _] = labels.geometry.size;
    let plane = columns * rows;
    let mut number = vec![0u16; found.iter().map(|&(s, _)| s + 1).max().unwrap_or(0)];
    for (written, &(s, _)) in (1u16..).zip(found) {
        number[s] = written;
    }
    let layers = |slice: usize| {
        let own = slice * plane..(slice + 1) * plane;
        labels.layers.iter().map(move |layer| &layer[own.clone()])
    };
    let filled: Vec<usize> = (0..slices)
        .filter(|&slice| layers(slice).flatten().any(|&label| label != 0))
        .collect();
    let frames: Vec<Frame> = (1u32..)
        .zip(&filled)
        .map(|(position, &slice)| Frame {
            segment: None,
            slice,
            position,
        })
        .collect();
    let bits = if found.len() <= usize::from(u8::MAX) {
        8
    } else {
        16
    };
    let mut pixels = room_for(&frames, plane, bits)?;
    let bytes = usize::from(bits / 8);
    for (frame, &slice) in filled.iter().enumerate() {
        let own = &mut pixels[frame * plane * bytes..(frame + 1) * plane * bytes];
        for layer in layers(slice) {
            for (pixel, &label) in own.chunks_exact_mut(bytes).zip(layer) {
                if label != 0
                    && let Some(&Some(s)) = index.get(usize::from(label))
                {
                    pixel.copy_from_slice(&number[s].to_le_bytes()[..bytes]);
                }
            }
        }
    }
    Ok((frames, bits, pixels))
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

/// Voxels of each segment on each slice: `counts[segment * slices + slice]`.
fn counts(
    labels: &LabelVolume,
    index: &[Option<usize>],
    segments: usize,
    plane: usize,
    slices: usize,
) -> Result<Vec<u64>, EncodeError> {
    let mut counts = vec![0u64; segments * slices];
    for layer in &labels.layers {
        for (slice, pixels) in layer.chunks_exact(plane).enumerate() {
            for &label in pixels.iter().filter(|&&label| label != 0) {
                let s = index[usize::from(label)].ok_or_else(|| {
                    EncodeError::Segments(format!(
                        "label {label} is on slice {slice} and no segment has that number"
                    ))
                })?;
                counts[s * slices + slice] += 1;
            }
        }
    }
    Ok(counts)
}

fn overlap(labels: &LabelVolume) -> bool {
    let mut layers = labels.layers.iter();
    let Some(first) = layers.next() else {
        return false;
    };
    if labels.layers.len() == 1 {
        return false;
    }
    let mut taken: Vec<bool> = first.iter().map(|&label| label != 0).collect();
    for layer in layers {
        for (taken, &label) in taken.iter_mut().zip(layer) {
            if label != 0 {
                if *taken {
                    return true;
                }
                *taken = true;
            }
        }
    }
    false
}
