//! The whole way from files to a volume.

use std::path::{Path, PathBuf};

use dicom_core::{Length, Tag, VR};
use dicom_object::InMemDicomObject;
use rayon::prelude::*;

use super::dicom_file::{read_header, transfer_syntax};
use super::image::Image;
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
    OpenSeries::of(files, choice)?.grid()
}

fn read(
    files: &[PathBuf],
    choice: &VolumeChoice,
    most_voxels: u64,
) -> Result<Series, AssembleError> {
    let series = OpenSeries::within(files, choice, most_voxels)?;
    let volume = series.volume()?;
    let unit = series.slices[0].rescale.unit.clone();
    let SeriesGrid { source, notes, .. } = series.grid()?;
    Ok(Series {
        volume,
        source,
        unit,
        notes,
    })
}

/// A volume of a series whose headers were read, and whose slices are decoded when they are asked for.
pub struct OpenSeries<'f> {
    files: &'f [PathBuf],
    /// Of the volume, in its order. At least [`super::stacking::FEWEST_SLICES`] of them.
    slices: Vec<SliceHeader>,
    /// Slices that are copies of these by their headers, and the index of what they are copies of.
    copies: Vec<(SliceHeader, usize)>,
    /// What is known of each file.
    file_headers: Vec<FileHeader>,
    geometry: Geometry,
    notes: Vec<String>,
}

/// What the header of a file says of the whole.
struct FileHeader {
    /// How many frames it has, those that are not taken among them.
    frames: usize,
    transfer_syntax: String,
}

impl<'f> OpenSeries<'f> {
    /// Lays out the chosen volume of some files, as [`read_volume`].
    ///
    /// # Errors
    /// As [`read_volume`], save for what is wrong with pixels.
    pub fn of(files: &'f [PathBuf], choice: &VolumeChoice) -> Result<Self, AssembleError> {
        Self::within(files, choice, MOST_VOXELS)
    }

    fn within(
        files: &'f [PathBuf],
        choice: &VolumeChoice,
        most_voxels: u64,
    ) -> Result<Self, AssembleError> {
        let headers: Vec<(FileHeader, Vec<SliceHeader>)> = files
            .par_iter()
            .enumerate()
            .map(|(file, path)| {
                let object = read_header(path)?
                    .ok_or_else(|| AssembleError::NotDicom { path: path.clone() })?;
                let slices = slices_of(file, &object)?;
                let header = FileHeader {
                    frames: slices.len(),
                    transfer_syntax: transfer_syntax(&object),
                };
                Ok((header, slices))
            })
            .collect::<Result<_, AssembleError>>()?;
        let (file_headers, headers): (Vec<FileHeader>, Vec<_>) = headers.into_iter().unzip();
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
        if let Some(metres) = geometry.beyond_patients() {
            return Err(AssembleError::BeyondPatients { metres });
        }
        Ok(Self {
            files,
            slices,
            copies,
            file_headers,
            geometry,
            notes,
        })
    }

    /// Where the voxels lie.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// What a result must know of the series.
    ///
    /// # Errors
    /// When the first file cannot be read again.
    pub fn grid(self) -> Result<SeriesGrid, AssembleError> {
        let attributes = attributes_of(&self.files[self.slices[0].file])?;
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

    /// Whether images look like copies of others: what they are shows only beside one another, in [`OpenSeries::volume`].
    pub fn has_copies(&self) -> bool {
        !self.copies.is_empty()
    }

    /// The file that slice `k` lies in.
    pub fn file(&self, k: usize) -> Option<&'f Path> {
        let slice = self.slices.get(k)?;
        Some(&self.files[slice.file])
    }

    /// Decodes slice after slice, those that are `wanted(k)`, for `take(k, voxels)`, in any order and on several threads,
    /// and keeps none. Voxels are modality values, and what is padding is no number.
    ///
    /// # Errors
    /// As [`read_volume`], save for copies that are none.
    pub fn each_slice(
        &self,
        wanted: impl Fn(usize) -> bool,
        take: impl Fn(usize, &[f32]) + Sync,
    ) -> Result<(), AssembleError> {
        let [columns, rows, _] = self.geometry.size;
        let slices = self.slices.iter().zip(0..).filter(|(_, k)| wanted(*k));
        by_file(self.files, slices)
            .into_par_iter()
            .enumerate()
            .filter(|(_, slices)| !slices.is_empty())
            .try_for_each_init(Vec::new, |own, (file, slices)| {
                let image = self.image(file)?;
                let give = |voxels: &mut Vec<f32>, (slice, k)| {
                    image.decode(slice, || {
                        voxels.resize(columns * rows, 0.0);
                        voxels
                    })?;
                    take(k, voxels);
                    Ok(())
                };
                match slices.as_slice() {
                    [one] => give(own, *one),
                    _ => slices.into_par_iter().try_for_each_init(Vec::new, give),
                }
            })
    }

    /// Decodes every slice, the files side by side.
    ///
    /// # Errors
    /// As [`read_volume`].
    pub fn volume(&self) -> Result<Volume, AssembleError> {
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
        by_file(self.files, slices)
            .into_par_iter()
            .enumerate()
            .try_for_each(|(file, slices)| {
                let image = self.image(file)?;
                slices
                    .into_par_iter()
                    .try_for_each(|(slice, voxels)| image.decode(slice, || voxels))
            })?;
        self.check_copies(&voxels)?;
        let mut padding = self.slices.iter().map(|slice| slice.stored.padding);
        if padding.any(|padding| padding.is_some()) {
            pixels::fill_padding(&mut voxels);
        }
        Ok(Volume {
            geometry: self.geometry.clone(),
            voxels,
        })
    }

    /// A file's pixels, to be decoded slice by slice.
    fn image(&self, file: usize) -> Result<Image<'_>, AssembleError> {
        let FileHeader {
            frames,
            transfer_syntax,
        } = &self.file_headers[file];
        let [columns, rows, _] = self.geometry.size;
        // Those that are not taken lie in the file, too.
        Image::open(&self.files[file], transfer_syntax, [columns, rows], *frames)
    }

    /// A copy has the pixels of what it is a copy of, or nobody knows which of the two is the image.
    fn check_copies(&self, voxels: &[f32]) -> Result<(), AssembleError> {
        let [columns, rows, _] = self.geometry.size;
        let per_slice = columns * rows;
        let copies = self.copies.iter();
        let copies = copies.map(|(copy, of)| (copy, &voxels[of * per_slice..][..per_slice]));
        let with_copies = by_file(self.files, copies)
            .into_par_iter()
            .enumerate()
            .filter(|(_, copies)| !copies.is_empty());
        with_copies.try_for_each(|(file, copies)| {
            let image = self.image(file)?;
            let mut found = vec![0.0; per_slice];
            for (copy, meant) in copies {
                image.decode(copy, || &mut found)?;
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
