//! The frames of an instance, one at a time: as they are stored, or decoded.

use super::codestream::stated_size;
use super::dicom_file::{read_header, read_object, transfer_syntax, with_causes};
use super::pixel_data::{Extent, PIXEL_DATA, PixelData, find, frames_of_fragments};
use dicom_core::value::{DataSetSequence, PixelFragmentSequence};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, FileDicomObject, InMemDicomObject};
use dicom_pixeldata::{DecodedPixelData, PixelDecoder};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Bytes of a decoded frame, at most: a code stream of some bytes must not ask for all memory.
const MOST_DECODED: u64 = 1 << 30;
/// Bytes of a stored frame, at most.
const MOST_STORED: u64 = 1 << 30;
const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// Why there is no such frame, in a sentence without a word of the patient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The instance has no pixel data.
    #[error("the instance has no pixel data")]
    NoPixelData,
    /// It has fewer frames.
    #[error("the instance has {0} frames")]
    NoSuchFrame(u32),
    /// The file or its pixel data cannot be read, or not in this way.
    #[error("{0}")]
    Unreadable(String),
}

/// An instance that frames are read of.
#[derive(Debug)]
pub struct StoredFrames {
    path: PathBuf,
    header: DefaultDicomObject,
    count: u32,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// In the file, one after the other.
    Native(Extent),
    /// Fragments of the file for each frame.
    Encapsulated(Vec<Vec<Extent>>),
    /// In memory: the data set was deflated.
    Inflated(Vec<u8>),
}

impl StoredFrames {
    /// Opens a file of the archive and looks where its frames are. Reads no pixel, unless the data set is deflated.
    ///
    /// # Errors
    /// When it cannot be read, or has no pixel data.
    pub fn open(path: &Path) -> Result<Self, FrameError> {
        let unreadable = |reason: String| FrameError::Unreadable(reason);
        // The path of a file is nobody's business outside.
        let header = read_header(path)
            .ok()
            .flatten()
            .ok_or_else(|| unreadable("the instance cannot be read back".into()))?;
        let syntax = transfer_syntax(&header);
        let found = find(path, &syntax, &PIXEL_DATA).map_err(unreadable)?;
        let count = number(&header, tags::NUMBER_OF_FRAMES).unwrap_or(1).max(1);
        let place = match found {
            PixelData::Absent => return Err(FrameError::NoPixelData),
            PixelData::Native(extent) => Place::Native(extent),
            PixelData::Deflated => Place::Inflated(inflated(path)?),
            PixelData::Encapsulated { offsets, fragments } => {
                let frames = frames_of_fragments(&offsets, &fragments, count as usize);
                let why = "nothing tells the fragments of its frames apart";
                Place::Encapsulated(frames.ok_or_else(|| unreadable(why.into()))?)
            }
        };
        Ok(Self {
            path: path.to_owned(),
            header,
            count,
            place,
        })
    }

    /// Attributes before the pixel data.
    pub fn attributes(&self) -> &InMemDicomObject {
        &self.header
    }

    /// Transfer Syntax UID it is stored in.
    pub fn transfer_syntax(&self) -> String {
        transfer_syntax(&self.header)
    }

    /// How many frames there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether pixels are stored as code streams.
    pub fn is_encapsulated(&self) -> bool {
        matches!(self.place, Place::Encapsulated(_))
    }

    /// A frame (from 1) as it is stored: a code stream, or pixels in little endian.
    ///
    /// # Errors
    /// When there is none of that number, or it cannot be read.
    pub fn stored(&self, frame: u32) -> Result<Vec<u8>, FrameError> {
        let at = self.index(frame)?;
        match &self.place {
            Place::Encapsulated(frames) => {
                let mut stream = Vec::new();
                for fragment in self.fragments(frames, at)? {
                    stream.extend(fragment);
                }
                Ok(stream)
            }
            Place::Native((begins, length)) => {
                let bits = self.bits_of_a_frame()?;
                let bytes = |from, to: u64| {
                    let to = to.min(*length);
                    self.read((begins + from, to.saturating_sub(from)))
                };
                Ok(self.in_little_endian(cut(bits, at as u64, bytes)?))
            }
            Place::Inflated(pixels) => cut(self.bits_of_a_frame()?, at as u64, |from, to| {
                let to = to.min(pixels.len() as u64);
                let part = pixels.get(from as usize..to as usize);
                Ok(part.unwrap_or_default().to_vec())
            }),
        }
    }

    /// Bytes of all pixel data, where it is one value as it is kept; `None` for code streams.
    pub fn raw_length(&self) -> Option<u64> {
        match &self.place {
            Place::Native((_, length)) => Some(*length),
            Place::Inflated(pixels) => Some(pixels.len() as u64),
            Place::Encapsulated(_) => None,
        }
    }

    /// A piece of all pixel data, in little endian.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn raw_piece(&self, from: u64, most: u64) -> Result<Vec<u8>, FrameError> {
        let length = self.raw_length().ok_or(FrameError::NoPixelData)?;
        let to = from.saturating_add(most).min(length);
        match &self.place {
            Place::Inflated(pixels) => {
                let part = pixels.get(from as usize..to as usize);
                Ok(part.unwrap_or_default().to_vec())
            }
            Place::Native((begins, _)) => {
                let bytes = self.read((begins + from, to.saturating_sub(from)))?;
                Ok(self.in_little_endian(bytes))
            }
            Place::Encapsulated(_) => Err(FrameError::NoPixelData),
        }
    }

    /// A frame (from 1) as pixels in little endian, decoded where it is a code stream.
    ///
    /// # Errors
    /// As [`StoredFrames::stored`], and when it cannot be decoded.
    pub fn decoded(&self, frame: u32) -> Result<Vec<u8>, FrameError> {
        if !self.is_encapsulated() {
            return self.stored(frame);
        }
        self.with_decoded(frame, |decoded| Ok(decoded.data().to_vec()))
    }

    /// Does something with a frame (from 1) that was decoded; its attributes are those of the instance.
    ///
    /// # Errors
    /// As [`StoredFrames::decoded`], and what `work` says. A decoder that panics is an error too.
    pub fn with_decoded<T>(
        &self,
        frame: u32,
        work: impl FnOnce(&DecodedPixelData<'_>) -> Result<T, String>,
    ) -> Result<T, FrameError> {
        let object = self.alone(frame)?;
        let decode = || {
            let decoded = object.decode_pixel_data_frame(0);
            work(&decoded.map_err(|error| with_causes(&error))?)
        };
        // Decoders are given what came over the network.
        catch_unwind(AssertUnwindSafe(decode))
            .unwrap_or_else(|_| Err("the code stream is damaged".into()))
            .map_err(FrameError::Unreadable)
    }

    /// An instance of this frame alone.
    fn alone(&self, frame: u32) -> Result<DefaultDicomObject, FrameError> {
        let at = self.index(frame)?;
        if self.bits_of_a_frame()? / 8 > MOST_DECODED {
            return Err(FrameError::Unreadable("a frame is too large".into()));
        }
        let mut object: FileDicomObject<InMemDicomObject> = self.header_of(at);
        object.put(DataElement::new(
            tags::NUMBER_OF_FRAMES,
            VR::IS,
            PrimitiveValue::from("1"),
        ));
        let Place::Encapsulated(frames) = &self.place else {
            let pixels = PrimitiveValue::from(self.stored(frame)?);
            object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, pixels));
            object.meta_mut().set_transfer_syntax(
                &dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN,
            );
            return Ok(object);
        };
        let fragments = self.fragments(frames, at)?;
        let size = [tags::COLUMNS, tags::ROWS].map(|tag| number(&self.header, tag).unwrap_or(0));
        let stated = fragments.first().and_then(|fragment| stated_size(fragment));
        if stated.is_some_and(|stated| stated != size.map(|side| side as usize)) {
            let why = "the code stream is of another size than Rows and Columns say";
            return Err(FrameError::Unreadable(why.into()));
        }
        object.put(DataElement::new(
            tags::PIXEL_DATA,
            VR::OB,
            PixelFragmentSequence::new_fragments(fragments),
        ));
        Ok(object)
    }

    /// The header with what it says of this frame alone.
    fn header_of(&self, at: usize) -> DefaultDicomObject {
        let groups = self.header.get(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        let group = groups.and_then(|groups| groups.items()?.get(at));
        let others = self
            .header
            .iter()
            .filter(|element| element.header().tag != tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        let mut object = InMemDicomObject::from_element_iter(others.cloned());
        if let Some(group) = group {
            object.put(DataElement::new(
                tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
                VR::SQ,
                DataSetSequence::from(vec![group.clone()]),
            ));
        }
        object.with_exact_meta(self.header.meta().clone())
    }

    fn fragments(&self, frames: &[Vec<Extent>], at: usize) -> Result<Vec<Vec<u8>>, FrameError> {
        let extents = frames.get(at).ok_or(FrameError::NoSuchFrame(self.count))?;
        extents.iter().map(|extent| self.read(*extent)).collect()
    }

    fn index(&self, frame: u32) -> Result<usize, FrameError> {
        match frame {
            1.. if frame <= self.count => Ok(frame as usize - 1),
            _ => Err(FrameError::NoSuchFrame(self.count)),
        }
    }

    fn bits_of_a_frame(&self) -> Result<u64, FrameError> {
        let of = |tag| number(&self.header, tag).map(u64::from);
        let samples = of(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
        let sides = of(tags::ROWS).zip(of(tags::COLUMNS));
        sides
            .zip(of(tags::BITS_ALLOCATED))
            .and_then(|((rows, columns), bits)| {
                rows.checked_mul(columns)?
                    .checked_mul(bits)?
                    .checked_mul(samples)
            })
            .ok_or_else(|| FrameError::Unreadable("it does not say how large a frame is".into()))
    }

    fn in_little_endian(&self, mut pixels: Vec<u8>) -> Vec<u8> {
        let cell = number(&self.header, tags::BITS_ALLOCATED).unwrap_or(8) / 8;
        if self.transfer_syntax() == EXPLICIT_VR_BIG_ENDIAN && cell > 1 {
            for cell in pixels.chunks_exact_mut(cell as usize) {
                cell.reverse();
            }
        }
        pixels
    }

    fn read(&self, (at, length): Extent) -> Result<Vec<u8>, FrameError> {
        if length > MOST_STORED {
            return Err(FrameError::Unreadable("a frame is too large".into()));
        }
        let mut bytes = vec![0; length as usize];
        File::open(&self.path)
            .and_then(|file| file.read_exact_at(&mut bytes, at))
            .map_err(|_| FrameError::Unreadable("the instance cannot be read back".into()))?;
        Ok(bytes)
    }
}

fn number(object: &InMemDicomObject, tag: Tag) -> Option<u32> {
    object.get(tag)?.to_int().ok()
}

/// Frame `at` (from 0) of `bits`, of pixels that `bytes` gives from one byte to another. Frames of one bit a pixel follow
/// each other bit by bit (PS3.5 section 8.1.1); alone it begins at a byte.
fn cut(
    bits: u64,
    at: u64,
    bytes: impl FnOnce(u64, u64) -> Result<Vec<u8>, FrameError>,
) -> Result<Vec<u8>, FrameError> {
    let begins = bits
        .checked_mul(at)
        .ok_or_else(|| FrameError::Unreadable("a frame is too large".into()))?;
    let end = begins.saturating_add(bits);
    let found = bytes(begins / 8, end.div_ceil(8))?;
    let expected = end.div_ceil(8) - begins / 8;
    if (found.len() as u64) < expected {
        return Err(FrameError::Unreadable(
            "its pixel data ends before the frame does".into(),
        ));
    }
    let shift = begins % 8;
    if shift == 0 {
        return Ok(found);
    }
    let shifted = (0..bits.div_ceil(8) as usize).map(|byte| {
        let next = found.get(byte + 1).copied().unwrap_or(0);
        (u16::from_le_bytes([found[byte], next]) >> shift) as u8
    });
    Ok(shifted.collect())
}

fn inflated(path: &Path) -> Result<Vec<u8>, FrameError> {
    let object = read_object(path)
        .map_err(|_| FrameError::Unreadable("the instance cannot be inflated".into()))?;
    let element = PIXEL_DATA.iter().find_map(|tag| object.get(*tag));
    let bytes = element
        .ok_or(FrameError::NoPixelData)?
        .to_bytes()
        .map_err(|_| FrameError::Unreadable("its pixel data cannot be read".into()))?;
    Ok(bytes.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_frame_of_bits_is_cut_out_wherever_it_begins(bits in 1u64..50, frames in 1u64..6, seed in any::<u64>()) {
            let bit = |at: u64| seed.rotate_left((at % 64) as u32) & 1 == 1;
            let total = (bits * frames).div_ceil(8) as usize;
            let mut all = vec![0u8; total];
            for at in (0..bits * frames).filter(|at| bit(*at)) {
                all[(at / 8) as usize] |= 1 << (at % 8);
            }
            for frame in 0..frames {
                let cut = cut(bits, frame, |from, to| Ok(all[from as usize..to as usize].to_vec())).unwrap();
                for at in 0..bits {
                    let is = cut[(at / 8) as usize] >> (at % 8) & 1 == 1;
                    prop_assert_eq!(is, bit(frame * bits + at));
                }
            }
        }
    }
}
