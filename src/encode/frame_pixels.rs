//! The pixels of a segmentation's frames, a few frames at a time: the whole of them is never in memory.

use super::frames::{Frame, Frames};
use super::seg_form::SegForm;
use crate::encode::{EncodeError, Segment};
use crate::volume::LabelVolume;
use rayon::prelude::*;
use std::io::Write;

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
    labels: &LabelVolume,
    segments: &[Segment],
    frames: &Frames,
    out: &mut impl Write,
) -> Result<(), EncodeError> {
    let [columns, rows, _] = labels.geometry.size;
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
    labels: &'a LabelVolume,
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

    fn layers(&self, slice: usize) -> impl Iterator<Item = &[u16]> {
        let own = slice * self.plane..(slice + 1) * self.plane;
        self.labels
            .layers
            .iter()
            .map(move |layer| &layer[own.clone()])
    }

    /// Sets the bit of every pixel of a segment; bit 0 of the frame is bit `first` of `group`.
    fn set_bits(&self, frame: &Frame, number: u16, first: usize, group: &mut [u8]) {
        let columns = self.labels.geometry.size[0];
        let [over_columns, over_rows] = &frame.within;
        for layer in self.layers(frame.slice) {
            for row in over_rows.clone() {
                let start = row * columns + over_columns.start;
                let pixels = &layer[start..start + over_columns.len()];
                set_bits_of(pixels, number, first + start, group);
            }
        }
    }

    /// Gives every pixel of a slice the number that its segment has in the file, in one or two bytes.
    fn set_numbers(&self, slice: usize, own: &mut [u8]) {
        let bytes = own.len() / self.plane;
        for layer in self.layers(slice) {
            for (pixel, &label) in own.chunks_exact_mut(bytes).zip(layer) {
                if label != 0 {
                    let number = self.numbers[usize::from(label)].to_le_bytes();
                    pixel.copy_from_slice(&number[..bytes]);
                }
            }
        }
    }
}

/// Sets the bit of every pixel of a label; bit `first` of `bits` is that of the first pixel.
fn set_bits_of(pixels: &[u16], label: u16, first: usize, bits: &mut [u8]) {
    let (before, whole) = pixels.split_at(pixels.len().min(first.wrapping_neg() % 8));
    for (bit, &pixel) in (first..).zip(before) {
        bits[bit / 8] |= u8::from(pixel == label) << (bit % 8);
    }
    let bytes = &mut bits[(first + before.len()) / 8..];
    let (eights, after) = whole.as_chunks::<8>();
    for (byte, pixels) in bytes.iter_mut().zip(eights) {
        *byte |= byte_of(pixels.map(|pixel| u8::from(pixel == label)));
    }
    for (bit, &pixel) in after.iter().enumerate() {
        bytes[eights.len()] |= u8::from(pixel == label) << bit;
    }
}

/// Eight bytes that are 0 or 1 as the bits of one, the first lowest: the product has bit `i` of the result at `56 + i`,
/// and no two of its terms at the same place.
fn byte_of(bits: [u8; 8]) -> u8 {
    (u64::from_le_bytes(bits).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
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
        fn a_bit_is_set_where_the_label_is_and_nowhere_else(
            pixels in prop::collection::vec(0u16..3, 0..70),
            first in 0usize..20,
        ) {
            let mut bits = vec![0u8; 12];
            set_bits_of(&pixels, 2, first, &mut bits);
            for bit in 0..96 {
                let meant = bit >= first && pixels.get(bit - first) == Some(&2);
                prop_assert_eq!(bits[bit / 8] >> (bit % 8) & 1 == 1, meant, "bit {}", bit);
            }
        }
    }
}
