//! The whole way from files to a volume.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dicom_core::{Length, Tag, VR};
use dicom_object::InMemDicomObject;
use rayon::prelude::*;

use super::dicom_file::{read_header, read_object};
use super::pixels;
use super::slice_header::{SliceHeader, slices_of};
use super::stacking::{FEWEST_SLICES, NoStack, Stack, stack};
use super::{AssembleError, Series, SourceSeries, SourceSlice};
use crate::volume::{Geometry, Volume};

/// Most voxels of a series: 2³⁰, 4 GiB of float32.
pub const MOST_VOXELS: u64 = 1 << 30;
/// Pixel spacings within this share of each other are the same.
const SAME_SPACING: f64 = 1e-4;
/// Private values longer than this are not kept.
const LONG_PRIVATE_VALUE: u32 = 1024;

/// Reads the files of one series as one volume in modality values (CT: Hounsfield units).
///
/// The files may come in any order. Slices are ordered by the projection of Image Position (Patient) on the
/// slice normal; they must be parallel (within 0.001 rad), of one size, spacing and unit, at distinct
/// positions (0.01 mm), equally spaced (1 % or 0.02 mm) and over one another (0.1 mm). Stored values are
/// taken from their stored bits, sign-extended and scaled by each slice's own Rescale Slope and Intercept.
/// Pixels of Pixel Padding Value get the lowest value of the series. MONOCHROME1 is mirrored where values
/// have no unit, so that bright is bright. Enhanced multi-frame instances are read frame by frame.
///
/// # Errors
/// An [`AssembleError`] that says in a sentence why the series is not one consistent volume.
pub fn read_series(files: &[PathBuf]) -> Result<Series, AssembleError> {
    read_series_within(files, MOST_VOXELS)
}

/// [`read_series`] with another limit on the number of voxels.
///
/// # Errors
/// As [`read_series`].
pub fn read_series_within(files: &[PathBuf], most_voxels: u64) -> Result<Series, AssembleError> {
    let headers: Vec<Vec<SliceHeader>> = files
        .par_iter()
        .enumerate()
        .map(|(file, path)| {
            let object =
                read_header(path)?.ok_or_else(|| AssembleError::NotDicom { path: path.clone() })?;
            slices_of(file, &object)
        })
        .collect::<Result<_, _>>()?;
    let slices: Vec<SliceHeader> = headers.into_iter().flatten().collect();
    check_alike(&slices)?;
    let orientations: Vec<_> = slices.iter().map(|slice| slice.orientation).collect();
    let positions: Vec<_> = slices.iter().map(|slice| slice.position).collect();
    let Stack {
        order,
        step,
        direction,
    } = stack(&orientations, &positions).map_err(|no| in_words(no, &slices))?;
    let slices: Vec<&SliceHeader> = order.iter().map(|&at| &slices[at]).collect();
    let first = slices[0];
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
        spacing: [first.spacing[0], first.spacing[1], step],
        direction,
        origin: first.position,
    };
    let voxels = decode_all(files, &slices, columns * rows)?;
    let attributes = attributes_of(&files[first.file])?;
    let slices = slices.into_iter().map(|slice| SourceSlice {
        sop_class_uid: slice.sop_class_uid.clone(),
        sop_instance_uid: slice.sop_instance_uid.clone(),
        frame: slice.frame,
    });
    Ok(Series {
        volume: Volume { geometry, voxels },
        source: SourceSeries {
            attributes,
            slices: slices.collect(),
        },
    })
}

/// Decodes every slice, the files side by side.
fn decode_all(
    files: &[PathBuf],
    slices: &[&SliceHeader],
    per_slice: usize,
) -> Result<Vec<f32>, AssembleError> {
    let mut voxels = vec![0.0; per_slice * slices.len()];
    let mut of_file: Vec<Vec<(&SliceHeader, &mut [f32])>> = Vec::new();
    of_file.resize_with(files.len(), Vec::new);
    for (slice, voxels) in slices.iter().zip(voxels.chunks_exact_mut(per_slice)) {
        of_file[slice.file].push((slice, voxels));
    }
    of_file
        .into_par_iter()
        .zip(files)
        .try_for_each(|(slices, path)| {
            let object = read_object(path)?;
            slices
                .into_par_iter()
                .try_for_each(|(slice, voxels)| pixels::decode(&object, slice, voxels))
        })?;
    pixels::fill_padding(&mut voxels);
    Ok(voxels)
}

/// What all slices must have in common, positions apart.
fn check_alike(slices: &[SliceHeader]) -> Result<(), AssembleError> {
    let Some(first) = slices.first() else {
        return Err(AssembleError::Empty);
    };
    let series: BTreeSet<&str> = slices
        .iter()
        .map(|slice| slice.series_instance_uid.as_str())
        .collect();
    if series.len() > 1 {
        return Err(AssembleError::SeveralSeries {
            count: series.len(),
        });
    }
    let localisers: Vec<&SliceHeader> = slices.iter().filter(|slice| slice.localiser).collect();
    if !localisers.is_empty() && localisers.len() < slices.len() {
        return Err(AssembleError::Localiser {
            localisers: localisers.len(),
            others: slices.len() - localisers.len(),
            which: names(&localisers),
        });
    }
    if slices.len() < FEWEST_SLICES {
        return Err(AssembleError::TooFewSlices {
            found: slices.len(),
            needed: FEWEST_SLICES,
        });
    }
    let frames: BTreeSet<&str> = slices
        .iter()
        .map(|slice| slice.frame_of_reference_uid.as_str())
        .collect();
    if frames.len() > 1 {
        return Err(AssembleError::MixedFrameOfReference {
            count: frames.len(),
        });
    }
    for slice in slices {
        if slice.size != first.size {
            return Err(AssembleError::MixedSize {
                first: first.size,
                other: slice.size,
                slice: slice.name(),
            });
        }
        let other =
            |axis: usize| (slice.spacing[axis] / first.spacing[axis] - 1.0).abs() > SAME_SPACING;
        if other(0) || other(1) {
            return Err(AssembleError::MixedSpacing {
                first: first.spacing,
                other: slice.spacing,
                slice: slice.name(),
            });
        }
        if slice.rescale.unit != first.rescale.unit {
            return Err(AssembleError::MixedRescale {
                first: first.rescale.unit.clone(),
                other: slice.rescale.unit.clone(),
                slice: slice.name(),
            });
        }
    }
    Ok(())
}

fn names(slices: &[&SliceHeader]) -> String {
    const SHOWN: usize = 5;
    let mut names: Vec<String> = slices
        .iter()
        .take(SHOWN)
        .map(|slice| slice.name())
        .collect();
    if slices.len() > SHOWN {
        names.push(format!("and {} more", slices.len() - SHOWN));
    }
    names.join(", ")
}

fn in_words(no: NoStack, slices: &[SliceHeader]) -> AssembleError {
    let total = slices.len();
    match no {
        NoStack::TooFew => AssembleError::TooFewSlices {
            found: total,
            needed: FEWEST_SLICES,
        },
        NoStack::NoDirection { slice } => AssembleError::Attribute {
            slice: slices[slice].name(),
            attribute: "ImageOrientationPatient",
        },
        NoStack::Turned {
            slices: turned,
            degrees,
        } => AssembleError::MixedOrientation {
            count: turned.len(),
            total,
            degrees,
            slice: slices[turned[0]].name(),
        },
        NoStack::SeveralVolumes { volumes, slices } => {
            AssembleError::SeveralVolumes { volumes, slices }
        }
        NoStack::Duplicates {
            duplicates,
            at,
            slices: there,
        } => AssembleError::DuplicatePosition {
            duplicates,
            total,
            at,
            which: names(&there.iter().map(|&at| &slices[at]).collect::<Vec<_>>()),
        },
        NoStack::Missing {
            missing,
            before,
            after,
            gap,
            step,
            gaps,
        } => AssembleError::MissingSlices {
            missing,
            expected: total + missing,
            before: slices[before].name(),
            after: slices[after].name(),
            gap,
            step,
            more: match gaps {
                1 => String::new(),
                2 => ", and there is one more gap".into(),
                gaps => format!(", and there are {} more gaps", gaps - 1),
            },
        },
        NoStack::Irregular {
            smallest,
            largest,
            usual,
            slice,
        } => AssembleError::IrregularSpacing {
            smallest,
            largest,
            usual,
            total,
            slice: slices[slice].name(),
        },
        NoStack::Tilted { degrees } => AssembleError::Tilted { degrees },
        NoStack::Shifted { by, slice } => AssembleError::Shifted {
            by,
            slice: slices[slice].name(),
        },
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
