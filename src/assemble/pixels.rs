//! From the pixel data of an instance to modality values.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dicom_core::value::Value;
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::TransferSyntaxIndex;
use dicom_object::DefaultDicomObject;
use dicom_pixeldata::PixelDecoder;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use super::AssembleError;
use super::codestream::stated_size;
use super::dicom_file::with_causes;
use super::native::NativePixels;
use super::slice_header::{SliceHeader, StoredPixels};

/// Marks a padding pixel until the lowest value of the series is known.
pub(super) const PADDING: f32 = f32::NAN;

/// Decodes one slice of an instance into the `room` for its columns times rows: modality values, and [`PADDING`]. No room
/// is asked for when the pixels are not there.
pub(super) fn decode<'v>(
    object: &DefaultDicomObject,
    slice: &SliceHeader,
    room: impl FnOnce() -> &'v mut [f32],
) -> Result<(), AssembleError> {
    let failed = |reason: String| unreadable(slice, object.meta().transfer_syntax(), reason);
    let frame = index(slice);
    check_stated_size(object, slice, frame).map_err(failed)?;
    // Code stream decoders are given what came over the network: should one panic, it is this slice that fails.
    let decoded = catch_unwind(AssertUnwindSafe(|| object.decode_pixel_data_frame(frame)));
    let decoded = match decoded {
        Ok(decoded) => decoded.map_err(|e| failed(with_causes(&e)))?,
        Err(_) => return Err(failed("the code stream is damaged".into())),
    };
    let expected = bytes_of(slice);
    let Some(bytes) = decoded.data().get(..expected) else {
        let found = decoded.data().len();
        return Err(failed(format!(
            "{found} bytes of pixels instead of {expected}"
        )));
    };
    let encapsulated = matches!(
        object.get(tags::PIXEL_DATA).map(|e| e.value()),
        Some(Value::PixelSequence(_))
    );
    // Run lengths are of the cells as they are; what else decodes gives numbers.
    let is_decoded = encapsulated && object.meta().transfer_syntax() != uids::RLE_LOSSLESS;
    to_values(bytes, slice, is_decoded, room());
    Ok(())
}

/// [`decode`] of pixels that need no decoding.
pub(super) fn read<'v>(
    pixels: &NativePixels,
    transfer_syntax: &str,
    slice: &SliceHeader,
    room: impl FnOnce() -> &'v mut [f32],
) -> Result<(), AssembleError> {
    thread_local! {
        // One slice after the other has the same size.
        static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    BYTES.with_borrow_mut(|bytes| {
        pixels
            .frame(index(slice), bytes_of(slice), bytes)
            .map_err(|reason| unreadable(slice, transfer_syntax, reason))?;
        to_values(bytes, slice, false, room());
        Ok(())
    })
}

/// Its frame, from 0.
fn index(slice: &SliceHeader) -> u32 {
    slice.frame.map_or(0, |frame| frame - 1)
}

fn bytes_of(slice: &SliceHeader) -> usize {
    let [columns, rows] = slice.size;
    columns * rows * slice.stored.bits_allocated as usize / 8
}

fn unreadable(slice: &SliceHeader, transfer_syntax: &str, reason: String) -> AssembleError {
    AssembleError::Pixels {
        slice: slice.name(),
        transfer_syntax: transfer_syntax_name(transfer_syntax),
        reason,
    }
}

/// Pixel cells to modality values; `is_decoded` where a decoder gave numbers for them.
fn to_values(bytes: &[u8], slice: &SliceHeader, is_decoded: bool, voxels: &mut [f32]) {
    let cell = slice.stored.bits_allocated as usize / 8;
    let cells = Cells::new(&slice.stored, is_decoded);
    let (slope, intercept) = (slice.rescale.slope, slice.rescale.intercept);
    if let (2, None) = (cell, &slice.lut) {
        cells.rescaled(bytes.as_chunks().0, slope, intercept, voxels);
        return;
    }
    for (voxel, bytes) in voxels.iter_mut().zip(bytes.chunks_exact(cell)) {
        *voxel = match cells.value(bytes) {
            Some(value) => {
                let value = slice
                    .lut
                    .as_ref()
                    .map_or(value as f64, |lut| lut.value(value));
                (value * slope + intercept) as f32
            }
            None => PADDING,
        };
    }
}

fn transfer_syntax_name(uid: &str) -> String {
    match TransferSyntaxRegistry.get(uid) {
        Some(syntax) => syntax.name().to_owned(),
        None => uid.to_owned(),
    }
}

/// A code stream must not claim another size than Rows and Columns: it would be allocated.
fn check_stated_size(
    object: &DefaultDicomObject,
    slice: &SliceHeader,
    frame: u32,
) -> Result<(), String> {
    let Some(element) = object.get(tags::PIXEL_DATA) else {
        return Err("there is no Pixel Data".into());
    };
    let Value::PixelSequence(sequence) = element.value() else {
        return Ok(());
    };
    let fragments = sequence.fragments();
    // One fragment per frame is the rule; else the first tells at least of the first.
    let fragment = fragments.get(frame as usize).or(fragments.first());
    match fragment.and_then(|fragment| stated_size(fragment)) {
        Some(stated) if stated != slice.size => {
            let [columns, rows] = slice.size;
            Err(format!(
                "the code stream is of {} x {} pixels and the image of {columns} x {rows}",
                stated[0], stated[1]
            ))
        }
        _ => Ok(()),
    }
}

/// How a pixel cell becomes a stored value.
struct Cells {
    shift: u32,
    bits_stored: u32,
    signed: bool,
    cell_mask: u64,
    padding: Option<[i64; 2]>,
    /// Sum of the lowest and the highest storable value, to mirror values in.
    mirror: Option<i64>,
}

impl Cells {
    fn new(stored: &StoredPixels, is_decoded: bool) -> Self {
        let span = 1i64 << stored.bits_stored;
        Self {
            // A decoder gives numbers, wherever the high bit was.
            shift: if is_decoded {
                0
            } else {
                stored.high_bit + 1 - stored.bits_stored
            },
            bits_stored: stored.bits_stored,
            signed: stored.signed,
            cell_mask: u64::MAX >> (64 - stored.bits_allocated),
            padding: stored.padding,
            mirror: stored
                .inverted
                .then_some(if stored.signed { -1 } else { span - 1 }),
        }
    }

    /// Values of cells of 16 bits, rescaled: as [`Cells::value`] and far quicker, for nearly all images have such
    /// cells. Nothing in the loop depends on what came before or branches, so that it runs several pixels at once.
    fn rescaled(&self, cells: &[[u8; 2]], slope: f64, intercept: f64, voxels: &mut [f32]) {
        let mask = (u32::MAX >> (32 - self.bits_stored)) as i32;
        // Flipping the sign bit and taking it off extends the sign.
        let sign = if self.signed {
            1 << (self.bits_stored - 1)
        } else {
            0
        };
        // No value of 16 bits is in the empty range, and no cell is above them.
        let [low, high] = self.padding.unwrap_or([1, 0]);
        let whole_cell = if low == high {
            (low as u64 & self.cell_mask) as i32
        } else {
            i32::MAX
        };
        let clamped = |value: i64| value.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
        let (low, high) = (clamped(low), clamped(high));
        let (turn, from) = match self.mirror {
            Some(mirror) => (-1, clamped(mirror)),
            None => (1, 0),
        };
        for (voxel, &cell) in voxels.iter_mut().zip(cells) {
            let cell = i32::from(u16::from_le_bytes(cell));
            let value = (((cell >> self.shift) & mask) ^ sign) - sign;
            let is_padding = (value >= low) & (value <= high) | (cell == whole_cell);
            let rescaled = (f64::from(from + turn * value) * slope + intercept) as f32;
            *voxel = if is_padding { PADDING } else { rescaled };
        }
    }

    /// The stored value; `None` for padding.
    fn value(&self, bytes: &[u8]) -> Option<i64> {
        let mut le = [0; 8];
        le[..bytes.len()].copy_from_slice(bytes);
        let cell = u64::from_le_bytes(le);
        let bits = (cell >> self.shift) & (u64::MAX >> (64 - self.bits_stored));
        let sign = 1u64 << (self.bits_stored - 1);
        let value = if self.signed && bits & sign != 0 {
            bits as i64 - (1i64 << self.bits_stored)
        } else {
            bits as i64
        };
        if let Some([low, high]) = self.padding {
            // Some writers fill the whole cell with a padding value that the stored bits cannot hold.
            let whole_cell = low == high && cell == low as u64 & self.cell_mask;
            if whole_cell || (low..=high).contains(&value) {
                return None;
            }
        }
        Some(self.mirror.map_or(value, |mirror| mirror - value))
    }
}

/// Gives padding pixels the lowest value of the rest.
pub(super) fn fill_padding(voxels: &mut [f32]) {
    use rayon::prelude::*;
    let any = voxels.par_iter().any(|v| v.is_nan());
    if !any {
        return;
    }
    let lowest = voxels.par_iter().copied().reduce(|| f32::NAN, f32::min);
    let lowest = if lowest.is_nan() { 0.0 } else { lowest };
    voxels
        .par_iter_mut()
        .filter(|v| v.is_nan())
        .for_each(|v| *v = lowest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stored(bits_allocated: u32, bits_stored: u32, signed: bool) -> StoredPixels {
        StoredPixels {
            bits_allocated,
            bits_stored,
            high_bit: bits_stored - 1,
            signed,
            inverted: false,
            padding: None,
        }
    }

    proptest! {
        #[test]
        fn every_storable_value_survives_whatever_lies_in_the_other_bits(
            (bits_allocated, bits_stored) in prop_oneof![Just((8u32, 8u32)), Just((16, 8)), Just((16, 10)), Just((16, 12)), Just((16, 16)), Just((32, 20)), Just((32, 32))],
            shift_up in 0u32..4, signed in any::<bool>(), raw in any::<u64>(), junk in any::<u64>(),
        ) {
            let shift = shift_up.min(bits_allocated - bits_stored);
            let span = 1i64 << bits_stored;
            let value = (raw % span as u64) as i64 - if signed { span / 2 } else { 0 };
            let mask = (u64::MAX >> (64 - bits_stored)) << shift;
            let cell = ((value as u64) << shift & mask) | (junk & !mask);
            let stored = StoredPixels { high_bit: bits_stored - 1 + shift, ..stored(bits_allocated, bits_stored, signed) };
            let cells = Cells::new(&stored, false);
            prop_assert_eq!(cells.value(&cell.to_le_bytes()[..bits_allocated as usize / 8]), Some(value));
        }
    }

    proptest! {
        #[test]
        fn cells_of_16_bits_are_the_same_values_all_at_once(
            bits_stored in 1u32..=16, up in 0u32..16, signed in any::<bool>(), inverted in any::<bool>(),
            is_decoded in any::<bool>(), padding in prop::option::of((-40_000i64..70_000, prop_oneof![Just(0i64), 0..3000i64])),
            cells in prop::collection::vec(any::<[u8; 2]>(), 64),
        ) {
            let stored = StoredPixels {
                high_bit: bits_stored - 1 + up.min(16 - bits_stored),
                inverted,
                padding: padding.map(|(low, more)| [low, low + more]),
                ..stored(16, bits_stored, signed)
            };
            // One cell is the padding, where it is one.
            let mut cells = cells;
            cells[0] = (stored.padding.map_or(0, |[low, _]| low) as u16).to_le_bytes();
            let of = Cells::new(&stored, is_decoded);
            let mut found = vec![0.0; cells.len()];
            of.rescaled(&cells, 0.5, -3.0, &mut found);
            for (cell, found) in cells.iter().zip(found) {
                match of.value(cell) {
                    Some(value) => prop_assert_eq!(found, (value as f64 * 0.5 - 3.0) as f32),
                    None => prop_assert!(found.is_nan()),
                }
            }
        }
    }

    #[test]
    fn padding_is_found_in_the_stored_bits_and_in_the_whole_cell() {
        let range = StoredPixels {
            padding: Some([-2048, -2000]),
            ..stored(16, 16, true)
        };
        let cells = Cells::new(&range, false);
        assert_eq!(cells.value(&(-2000i16).to_le_bytes()), None);
        assert_eq!(cells.value(&(-1999i16).to_le_bytes()), Some(-1999));
        // -2000 in the cell of an unsigned 12-bit image, as some scanners have it.
        let odd = StoredPixels {
            padding: Some([63536, 63536]),
            ..stored(16, 12, false)
        };
        let cells = Cells::new(&odd, false);
        assert_eq!(cells.value(&63536u16.to_le_bytes()), None);
        assert_eq!(cells.value(&2096u16.to_le_bytes()), Some(2096));
    }

    #[test]
    fn inverted_values_are_mirrored_in_what_can_be_stored() {
        let cells = Cells::new(
            &StoredPixels {
                inverted: true,
                ..stored(16, 12, false)
            },
            false,
        );
        assert_eq!(cells.value(&0u16.to_le_bytes()), Some(4095));
        let cells = Cells::new(
            &StoredPixels {
                inverted: true,
                ..stored(16, 12, true)
            },
            false,
        );
        assert_eq!(cells.value(&(-2048i16).to_le_bytes()), Some(2047));
    }

    #[test]
    fn padding_becomes_the_lowest_value() {
        let mut voxels = [PADDING, 5.0, -3.0, PADDING];
        fill_padding(&mut voxels);
        assert_eq!(voxels, [-3.0, 5.0, -3.0, -3.0]);
        let mut nothing = [PADDING; 2];
        fill_padding(&mut nothing);
        assert_eq!(nothing, [0.0; 2]);
    }
}
