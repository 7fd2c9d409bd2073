//! Per-frame Functional Groups Sequence (5200,9230) (PS3.3 C.7.6.16), written frame by frame.
//!
//! A segmentation has thousands of frames, and frames on one slice say the same of where they lie and what they came
//! from: that is encoded once a slice.

use super::file::{encoded, write_delimiter, write_item, write_sequence};
use super::frames::{Frame, Frames};
use super::functional_groups::{content, derivation, place, segment};
use crate::assemble::SourceSeries;
use crate::encode::EncodeError;
use crate::volume::Geometry;
use dicom_dictionary_std::tags;
use rayon::prelude::*;
use std::io::Write;

/// Frames encoded at the same time.
const FRAMES_AT_ONCE: usize = 512;

/// What all frames on one slice have in common, encoded.
#[derive(Debug, Default)]
struct OfSlice {
    derivation: Vec<u8>,
    place: Vec<u8>,
}

/// Writes the sequence.
///
/// # Errors
/// When an item cannot be encoded or `out` fails.
pub(super) fn write_per_frame(
    out: &mut impl Write,
    frames: &Frames,
    geometry: &Geometry,
    source: &SourceSeries,
) -> Result<(), EncodeError> {
    let mut used = vec![false; source.slices.len()];
    for frame in &frames.frames {
        used[frame.slice] = true;
    }
    let of_slices: Vec<OfSlice> = used
        .into_par_iter()
        .enumerate()
        .map(|(k, used)| {
            if !used {
                return Ok(OfSlice::default());
            }
            Ok(OfSlice {
                derivation: encoded(derivation(&source.slices[k]))?,
                place: encoded(place(k, geometry))?,
            })
        })
        .collect::<Result<_, EncodeError>>()?;
    let of_segments: Vec<Vec<u8>> = (0..frames.segments.len())
        .map(|written| encoded(segment(written)))
        .collect::<Result<_, EncodeError>>()?;
    write_sequence(out, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)?;
    for frames in frames.frames.chunks(FRAMES_AT_ONCE) {
        let items: Vec<Vec<u8>> = frames
            .par_iter()
            .map(|frame| {
                let of_segment = frame.segment.map(|written| &of_segments[written]);
                item(frame, &of_slices[frame.slice], of_segment)
            })
            .collect::<Result<_, EncodeError>>()?;
        for item in items {
            write_item(out, &item)?;
        }
    }
    write_delimiter(out)
}

/// The elements of one frame's item, in the order of their tags.
fn item(
    frame: &Frame,
    of_slice: &OfSlice,
    of_segment: Option<&Vec<u8>>,
) -> Result<Vec<u8>, EncodeError> {
    let content = encoded(content(frame))?;
    let parts = [&of_slice.derivation, &content, &of_slice.place];
    Ok(parts
        .into_iter()
        .chain(of_segment)
        .flatten()
        .copied()
        .collect())
}
