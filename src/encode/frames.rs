//! Which frames a segmentation has, and their bits.

use crate::encode::{EncodeError, Segment};
use crate::volume::LabelVolume;

/// One frame: one segment on one slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Index into [`Frames::segments`].
    pub segment: usize,
    /// Slice `k` of the label volume.
    pub slice: usize,
    /// Where the slice comes among the slices that have a frame, from 1.
    pub position: u32,
}

/// The frames of a segmentation: segment by segment, each from the first slice to the last.
#[derive(Debug, Clone)]
pub(super) struct Frames {
    /// Indices of the segments that have a voxel, in the order of the list given, with their voxels.
    pub segments: Vec<(usize, u64)>,
    /// Only frames with a pixel set.
    pub frames: Vec<Frame>,
    /// All frames, 1 bit a pixel, packed without padding between frames, lowest bit first
    /// (PS3.5 section 8.1.1, annex D); even length.
    pub pixels: Vec<u8>,
    /// Whether a voxel belongs to two segments.
    pub overlap: bool,
}

/// Packs the segments of a label volume.
pub(super) fn pack(labels: &LabelVolume, segments: &[Segment]) -> Result<Frames, EncodeError> {
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
    let mut positions = vec![0u32; slices];
    let mut next = 1;
    for (slice, position) in positions.iter_mut().enumerate() {
        if (0..segments.len()).any(|s| counts[s * slices + slice] > 0) {
            *position = next;
            next += 1;
        }
    }
    // Where the frame of (segment, slice) comes, for the segments as listed.
    let mut places = vec![usize::MAX; counts.len()];
    let mut frames = Vec::new();
    for (written, &(s, _)) in found.iter().enumerate() {
        for slice in 0..slices {
            if counts[s * slices + slice] > 0 {
                places[s * slices + slice] = frames.len();
                frames.push(Frame {
                    segment: written,
                    slice,
                    position: positions[slice],
                });
            }
        }
    }

    let bytes = (frames.len() as u64 * plane as u64)
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
    let mut pixels = vec![0u8; usize::try_from(bytes).map_err(|_| too_large)?];
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
    Ok(Frames {
        segments: found,
        frames,
        pixels,
        overlap: overlap(labels),
    })
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
