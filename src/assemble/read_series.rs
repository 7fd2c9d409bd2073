//! The whole way from files to a volume.

use std::path::{Path, PathBuf};

use dicom_core::{Length, Tag, VR};
use dicom_object::{DefaultDicomObject, InMemDicomObject};
use rayon::prelude::*;

use super::dicom_file::{read_header, read_image};
use super::pixels;
use super::slice_header::{SliceHeader, slices_of};
use super::volume_choice::VolumeChoice;
use super::volumes::{CopyOf, Taken, another_of_its_name, take};
use super::{AssembleError, Series, SeriesGrid, SourceSeries, SourceSlice};
use crate::volume::{Geometry, Volume};

/// Most voxels of a series: 2³⁰, 4 GiB of float32.
pub const MOST_VOXELS: u64 = 1 << 30;
/// Private values longer than this are not kept.
const LONG_PRIVATE_VALUE: u32 = 1024;

/// Reads the files of one series as one volume in modality values (CT: Hounsfield units; PT: SUV by body weight
/// where that follows from the header).
///
/// The files may come in any order. Slices are ordered by the projection of Image Position (Patient) on the
/// slice normal; they must be parallel (within 0.001 rad), of one size, spacing and unit, at distinct
/// positions (0.01 mm), equally spaced (1 % or 0.02 mm) and over one another (0.1 mm), or each shifted by the same
/// against the one before: then the volume's third axis leans as the gantry did ([`Geometry::lean`]). Of a series
/// that holds several volumes the fullest is taken ([`read_volume`] takes another), localisers beside slices are
/// left out, and [`Series::notes`] say so. Stored values are
/// taken from their stored bits, sign-extended and scaled by each slice's own Rescale Slope and Intercept, or looked
/// up in its Modality LUT.
/// Pixels of Pixel Padding Value get the lowest value of the series. MONOCHROME1 is mirrored where values
/// have no unit, so that bright is bright. Enhanced multi-frame instances are read frame by frame.
///
/// # Errors
/// An [`AssembleError`] that says in a sentence why the series is not one consistent volume.
pub fn read_series(files: &[PathBuf]) -> Result<Series, AssembleError> {
    read(files, &VolumeChoice::default(), MOST_VOXELS)
}

/// [`read_series`] with a choice of the volume, where there are several.
///
/// # Errors
/// As [`read_series`], and when the volume asked for is not there.
pub fn read_volume(files: &[PathBuf], choice: &VolumeChoice) -> Result<Series, AssembleError> {
    read(files, choice, MOST_VOXELS)
}

/// [`read_series`] with another limit on the number of voxels.
///
/// # Errors
/// As [`read_series`].
pub fn read_series_within(files: &[PathBuf], most_voxels: u64) -> Result<Series, AssembleError> {
    read(files, &VolumeChoice::default(), most_voxels)
}

/// Where the slices of a series lie and what a result must know of them, from their headers alone: pixels are not
/// looked at.
///
/// # Errors
/// As [`read_volume`], save for what is wrong with pixels.
pub fn read_grid(files: &[PathBuf], choice: &VolumeChoice) -> Result<SeriesGrid, AssembleError> {
    LaidOut::of(files, choice, MOST_VOXELS)?.grid(files)
}

fn read(
    files: &[PathBuf],
    choice: &VolumeChoice,
    most_voxels: u64,
) -> Result<Series, AssembleError> {
    let laid_out = LaidOut::of(files, choice, most_voxels)?;
    let voxels = laid_out.decode(files)?;
    let unit = laid_out.slices[0].rescale.unit.clone();
    let SeriesGrid {
        geometry,
        source,
        notes,
    } = laid_out.grid(files)?;
    Ok(Series {
        volume: Volume { geometry, voxels },
        source,
        unit,
        notes,
    })
}

/// The slices of the volume that is taken, in its order.
struct LaidOut {
    /// At least [`super::stacking::FEWEST_SLICES`] of them.
    slices: Vec<SliceHeader>,
    /// Slices that are copies of these by their headers, and the index of what they are copies of.
    copies: Vec<(SliceHeader, usize)>,
    /// How many frames each file has, those that are not taken among them.
    frames: Vec<usize>,
    geometry: Geometry,
    notes: Vec<String>,
}

impl LaidOut {
    fn of(
        files: &[PathBuf],
        choice: &VolumeChoice,
        most_voxels: u64,
    ) -> Result<Self, AssembleError> {
        let headers: Vec<Vec<SliceHeader>> = files
            .par_iter()
            .enumerate()
            .map(|(file, path)| {
                let object = read_header(path)?
                    .ok_or_else(|| AssembleError::NotDicom { path: path.clone() })?;
                slices_of(file, &object)
            })
            .collect::<Result<_, _>>()?;
        let frames: Vec<usize> = headers.iter().map(Vec::len).collect();
        let mut headers: Vec<SliceHeader> = headers.into_iter().flatten().collect();
        let Taken {
            slices: taken,
            stack,
            copies,
            mut notes,
        } = take(&headers, choice)?;
        notes.extend(to_suv(&mut headers, &taken));
        let slices: Vec<SliceHeader> = taken.iter().map(|&at| headers[at].clone()).collect();
        let copies = copies.iter().filter_map(|CopyOf { copy, of }| {
            let place = taken.iter().position(|at| at == of)?;
            let rescale = slices[place].rescale.clone();
            let header = headers[*copy].clone();
            Some((SliceHeader { rescale, ..header }, place))
        });
        let copies = copies.collect();
        let first = &slices[0];
        let [columns, rows] = first.size;
        let voxels = columns as u64 * rows as u64 * slices.len() as u64;
        if voxels > most_voxels {
            return Err(AssembleError::TooLarge {
                columns,
                rows,
                slices: slices.len(),
                limit: most_voxels,
            });
        }
        let geometry = Geometry {
            size: [columns, rows, slices.len()],
            spacing: [first.spacing[0], first.spacing[1], stack.step],
            direction: stack.direction,
            origin: first.position,
        };
        Ok(Self {
            slices,
            copies,
            frames,
            geometry,
            notes,
        })
    }

    fn grid(self, files: &[PathBuf]) -> Result<SeriesGrid, AssembleError> {
        let attributes = attributes_of(&files[self.slices[0].file])?;
        let slices = self.slices.into_iter().map(|slice| SourceSlice {
            sop_class_uid: slice.sop_class_uid,
            sop_instance_uid: slice.sop_instance_uid,
            frame: slice.frame,
        });
        Ok(SeriesGrid {
            geometry: self.geometry,
            source: SourceSeries {
                attributes,
                slices: slices.collect(),
            },
            notes: self.notes,
        })
    }

    /// Decodes every slice, the files side by side.
    fn decode(&self, files: &[PathBuf]) -> Result<Vec<f32>, AssembleError> {
        let [columns, rows, slices] = self.geometry.size;
        let per_slice = columns * rows;
        // The largest allocation there is: where it cannot be had the series is refused, and the node does not end for it.
        // All threads touch its pages first: that takes as long as decoding does.
        let count = per_slice * slices;
        let mut voxels: Vec<f32> = Vec::new();
        voxels
            .try_reserve_exact(count)
            .map_err(|_| AssembleError::NoMemory { voxels: count })?;
        voxels.par_extend((0..count).into_par_iter().map(|_| 0.0));
        let slices = self.slices.iter().zip(voxels.chunks_exact_mut(per_slice));
        by_file(files, slices)
            .into_par_iter()
            .enumerate()
            .try_for_each(|(file, slices)| {
                let object = self.image(files, file)?;
                slices
                    .into_par_iter()
                    .try_for_each(|(slice, voxels)| pixels::decode(&object, slice, voxels))
            })?;
        self.check_copies(files, &voxels)?;
        pixels::fill_padding(&mut voxels);
        Ok(voxels)
    }

    /// A file with its pixels.
    fn image(&self, files: &[PathBuf], file: usize) -> Result<DefaultDicomObject, AssembleError> {
        let [columns, rows, _] = self.geometry.size;
        // Those that are not taken lie in the file, too.
        let pixels = (columns * rows).saturating_mul(self.frames[file]);
        read_image(&files[file], pixels as u64)
    }

    /// A copy has the pixels of what it is a copy of, or nobody knows which of the two is the image.
    fn check_copies(&self, files: &[PathBuf], voxels: &[f32]) -> Result<(), AssembleError> {
        let [columns, rows, _] = self.geometry.size;
        let per_slice = columns * rows;
        let copies = self.copies.iter();
        let copies = copies.map(|(copy, of)| (copy, &voxels[of * per_slice..][..per_slice]));
        let with_copies = by_file(files, copies)
            .into_par_iter()
            .enumerate()
            .filter(|(_, copies)| !copies.is_empty());
        with_copies.try_for_each(|(file, copies)| {
            let object = self.image(files, file)?;
            let mut found = vec![0.0; per_slice];
            for (copy, meant) in copies {
                pixels::decode(&object, copy, &mut found)?;
                // Bit for bit: what marks padding is no number.
                let same = found
                    .iter()
                    .map(|x| x.to_bits())
                    .eq(meant.iter().map(|x| x.to_bits()));
                if !same {
                    return Err(another_of_its_name(copy));
                }
            }
            Ok(())
        })
    }
}

/// What belongs to the slices of each file.
fn by_file<'s, T>(
    files: &[PathBuf],
    slices: impl Iterator<Item = (&'s SliceHeader, T)>,
) -> Vec<Vec<(&'s SliceHeader, T)>> {
    let mut of_file = Vec::new();
    of_file.resize_with(files.len(), Vec::new);
    for (slice, of_slice) in slices {
        of_file[slice.file].push((slice, of_slice));
    }
    of_file
}

/// Makes the values of PT slices SUV by body weight where every one of them says how, and says in a sentence what
/// the values are.
fn to_suv(headers: &mut [SliceHeader], taken: &[usize]) -> Option<String> {
    let rescales = taken.iter().map(|&at| headers[at].suv.clone());
    let rescales: Option<Result<Vec<_>, String>> = rescales.collect();
    match rescales? {
        Ok(rescales) => {
            for (&at, rescale) in taken.iter().zip(rescales) {
                headers[at].rescale = rescale;
            }
            Some("values are SUV by body weight, g/ml".into())
        }
        Err(why) => Some(format!(
            "values are as the scanner gave them ({}), for SUV does not follow from the header: {why}",
            headers[*taken.first()?].rescale.unit
        )),
    }
}

/// The data set of an instance without pixel data, overlays, per-frame groups and long private values.
fn attributes_of(path: &Path) -> Result<InMemDicomObject, AssembleError> {
    let object = read_header(path)?.ok_or_else(|| AssembleError::NotDicom { path: path.into() })?;
    let mut attributes = object.into_inner();
    let dropped: Vec<Tag> = attributes
        .iter()
        .filter(|element| {
            let Tag(group, _) = element.header().tag;
            let private = group % 2 == 1;
            let long = element.header().vr == VR::SQ || element.header().len.0 > LONG_PRIVATE_VALUE;
            let overlay = (0x6000..0x6100).contains(&group) || (0x5000..0x5100).contains(&group);
            let undefined = element.header().len == Length::UNDEFINED;
            group >= 0x7FE0
                || overlay
                || (private && (long || undefined))
                || element.header().tag
                    == dicom_dictionary_std::tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE
                || element.header().tag == dicom_dictionary_std::tags::ICON_IMAGE_SEQUENCE
        })
        .map(|element| element.header().tag)
        .collect();
    for tag in dropped {
        attributes.remove_element(tag);
    }
    Ok(attributes)
}
