//! The pixels of a segmentation's frames, a few frames at a time: the whole of them is never in memory.

use super::frames::{Frame, Frames};
use super::seg_form::SegForm;
use crate::encode::{EncodeError, Segment};
use crate::volume::LabelRuns;
use rayon::prelude::*;
use std::io::Write;
use std::ops::Range;

/// Frames that end at a whole byte, whatever the size of one.
const FRAMES_OF_A_GROUP: usize = 8;
/// Groups made at the same time, for each thread.
const GROUPS_OF_A_THREAD: usize = 2;

/// Writes all Pixel Data of a segmentation, padded to its even length.
///
/// # Errors
/// When `out` fails.
pub(super) fn write_pixels(
    form: SegForm<'_>,
    labels: &LabelRuns,
    segments: &[Segment],
    frames: &Frames,
    out: &mut impl Write,
) -> Result<(), EncodeError> {
    let [columns, rows, _] = labels.geometry().size;
    let pixels = FramePixels {
        labels,
        plane: columns * rows,
        source_numbers: frames
            .segments
            .iter()
            .map(|&(s, _)| segments[s].number)
            .collect(),
        numbers: numbers_in_file(segments, frames),
    };
    // Eight frames of one bit a pixel are as many bytes as one frame has pixels.
    let group = pixels.plane * usize::from(frames.bits);
    let groups = GROUPS_OF_A_THREAD * rayon::current_num_threads();
    let mut buffer = vec![0u8; group * groups];
    let mut left = u64::from(frames.length);
    for frames in frames.frames.chunks(FRAMES_OF_A_GROUP * groups) {
        buffer
            .par_chunks_exact_mut(group)
            .zip(frames.par_chunks(FRAMES_OF_A_GROUP))
            .for_each(|(into, frames)| {
                into.fill(0);
                for (at, frame) in frames.iter().enumerate() {
                    pixels.fill(form, frame, at, into);
                }
            });
        let filled = group * frames.len().div_ceil(FRAMES_OF_A_GROUP);
        // The last group may be of fewer frames.
        let written = left.min(filled as u64);
        let filled = &buffer[..usize::try_from(written).unwrap_or(filled)];
        out.write_all(filled)
            .map_err(|e| EncodeError::Write(e.to_string()))?;
        left -= written;
    }
    // At most the byte that makes the length even.
    out.write_all(&vec![0u8; usize::try_from(left).unwrap_or(0)])
        .map_err(|e| EncodeError::Write(e.to_string()))
}

/// What the frames are filled from.
struct FramePixels<'a> {
    labels: &'a LabelRuns,
    plane: usize,
    /// Number in the label volume of each segment in the file.
    source_numbers: Vec<u16>,
    /// Number in the file of each label, 0 for those that are not in it.
    numbers: Vec<u16>,
}

impl FramePixels<'_> {
    /// Fills the frame that is the `at`th of its group.
    fn fill(&self, form: SegForm<'_>, frame: &Frame, at: usize, group: &mut [u8]) {
        let bytes = group.len() / FRAMES_OF_A_GROUP;
        let number = frame.segment.map_or(0, |s| self.source_numbers[s]);
        match form {
            SegForm::Binary => self.set_bits(frame, number, at * self.plane, group),
            SegForm::Fractional(fractions) => {
                let own = &mut group[at * bytes..(at + 1) * bytes];
                fractions(number, frame.slice, own);
            }
            SegForm::Labelmap => {
                let own = &mut group[at * bytes..(at + 1) * bytes];
                self.set_numbers(frame.slice, own);
            }
        }
    }

    /// The labels of a row of a slice, layer after layer.
    fn row(&self, slice: usize, row: usize) -> impl Iterator<Item = (u16, Range<usize>)> + '_ {
        let row = row + self.labels.geometry().size[1] * slice;
        (0..self.labels.layers()).flat_map(move |layer| self.labels.row(layer, row))
    }

    /// Sets the bit of every pixel of a segment; bit 0 of the frame is bit `first` of `group`.
    fn set_bits(&self, frame: &Frame, number: u16, first: usize, group: &mut [u8]) {
        let width = self.labels.geometry().size[0];
        for row in frame.rows.clone() {
            let start = first + row * width;
            for (label, columns) in self.row(frame.slice, row) {
                if label == number {
                    set_bits(start + columns.start..start + columns.end, group);
                }
            }
        }
    }

    /// Gives every pixel of a slice the number that its segment has in the file, in one or two bytes.
    fn set_numbers(&self, slice: usize, own: &mut [u8]) {
        let bytes = own.len() / self.plane;
        let [width, rows, _] = self.labels.geometry().size;
        for row in 0..rows {
            for (label, columns) in self.row(slice, row) {
                let number = self.numbers[usize::from(label)].to_le_bytes();
                let start = row * width;
                let pixels =
                    &mut own[(start + columns.start) * bytes..(start + columns.end) * bytes];
                for pixel in pixels.chunks_exact_mut(bytes) {
                    pixel.copy_from_slice(&number[..bytes]);
                }
            }
        }
    }
}

/// Sets a range of bits, the lowest of each byte first.
fn set_bits(range: Range<usize>, bits: &mut [u8]) {
    let (first, last) = (range.start / 8, range.end / 8);
    // Those of the first byte from the range's start on, and those of the last before its end.
    let from = 0xffu8 << (range.start % 8);
    let to = !(0xffu8 << (range.end % 8));
    if first == last {
        if to != 0 {
            bits[first] |= from & to;
        }
        return;
    }
    bits[first] |= from;
    bits[first + 1..last].fill(0xff);
    if to != 0 {
        bits[last] |= to;
    }
}

/// From label to Segment Number in the file.
fn numbers_in_file(segments: &[Segment], frames: &Frames) -> Vec<u16> {
    let mut numbers = vec![0u16; usize::from(u16::MAX) + 1];
    for (number, &(s, _)) in (1u16..).zip(&frames.segments) {
        numbers[usize::from(segments[s].number)] = number;
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bit_is_set_in_the_range_and_nowhere_else(start in 0usize..96, length in 0usize..96, before in any::<u8>()) {
            let range = start..(start + length).min(96);
            let mut bits = vec![before; 12];
            set_bits(range.clone(), &mut bits);
            for bit in 0..96 {
                let meant = range.contains(&bit) || before >> (bit % 8) & 1 == 1;
                prop_assert_eq!(bits[bit / 8] >> (bit % 8) & 1 == 1, meant, "bit {}", bit);
            }
        }
    }
}
