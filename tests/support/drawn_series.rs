//! Slices of the drawn subject of `dicom-fixtures/query`, as a series of their own.

use super::root;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{FileDicomObject, InMemDicomObject};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Slices of the drawn subject, about to be written as files; change them first to spoil them.
pub struct DrawnSeries {
    /// The slices, from the feet up.
    pub slices: Vec<FileDicomObject<InMemDicomObject>>,
}

impl DrawnSeries {
    /// The slices at `range` of the 24, under UIDs that start with `uid`.
    pub fn new(uid: &str, range: Range<usize>) -> Self {
        let slices = range.map(|at| {
            let file = root().join(format!("dicom-fixtures/query/series/{:03}.dcm", at + 1));
            let mut slice = dicom_object::open_file(file).expect("a slice of dicom-fixtures");
            put(
                &mut slice,
                tags::STUDY_INSTANCE_UID,
                VR::UI,
                &format!("{uid}.1"),
            );
            put(
                &mut slice,
                tags::SERIES_INSTANCE_UID,
                VR::UI,
                &format!("{uid}.2"),
            );
            let sop_instance = format!("{uid}.3.{at}");
            put(&mut slice, tags::SOP_INSTANCE_UID, VR::UI, &sop_instance);
            slice
        });
        Self {
            slices: slices.collect(),
        }
    }

    /// The same body on a grid of so many times the columns, rows and slices: as large as one likes, and quickly drawn.
    pub fn finer(self, times: usize) -> Self {
        let of = |slice: &FileDicomObject<InMemDicomObject>, tag| -> usize {
            slice
                .element(tag)
                .expect("a size")
                .to_int()
                .expect("a number")
        };
        let first = &self.slices[0];
        let (rows, columns) = (of(first, tags::ROWS), of(first, tags::COLUMNS));
        let uid = first.element(tags::SERIES_INSTANCE_UID).expect("a UID");
        let uid = uid.to_str().expect("a UID").into_owned();
        let mut slices = Vec::new();
        for (at, slice) in self.slices.iter().enumerate() {
            let pixels = slice.element(tags::PIXEL_DATA).expect("pixels");
            let pixels = pixels.to_multi_int::<u16>().expect("16 bits");
            let mut fine: Vec<u16> = Vec::with_capacity(pixels.len() * times * times);
            for row in 0..rows * times {
                let row = &pixels[row / times * columns..][..columns];
                fine.extend(
                    row.iter()
                        .flat_map(|value| std::iter::repeat_n(*value, times)),
                );
            }
            for nth in 0..times {
                let number = at * times + nth;
                let mut one = slice.clone();
                let spacing = |mm: f64| mm / times as f64;
                put(
                    &mut one,
                    tags::SOP_INSTANCE_UID,
                    VR::UI,
                    &format!("{uid}.{number}"),
                );
                let position = format!("-190.5\\-166.5\\{}", spacing(4.0) * number as f64);
                put(&mut one, tags::IMAGE_POSITION_PATIENT, VR::DS, &position);
                let pixel = format!("{0}\\{0}", spacing(3.0));
                put(&mut one, tags::PIXEL_SPACING, VR::DS, &pixel);
                put(
                    &mut one,
                    tags::SLICE_THICKNESS,
                    VR::DS,
                    &spacing(4.0).to_string(),
                );
                for (tag, value) in [(tags::ROWS, rows), (tags::COLUMNS, columns)] {
                    let value = u16::try_from(value * times).expect("a size");
                    one.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
                }
                let pixels = PrimitiveValue::U16(fine.clone().into());
                one.put(DataElement::new(tags::PIXEL_DATA, VR::OW, pixels));
                slices.push(one);
            }
        }
        Self { slices }
    }

    /// Puts an attribute into one slice.
    pub fn set(&mut self, slice: usize, tag: Tag, vr: VR, value: &str) {
        put(&mut self.slices[slice], tag, vr, value);
    }

    /// Puts an attribute into every slice.
    pub fn set_all(&mut self, tag: Tag, vr: VR, value: &str) {
        for slice in &mut self.slices {
            put(slice, tag, vr, value);
        }
    }

    /// Writes the files into a folder.
    pub fn write(mut self, folder: &Path) -> Vec<PathBuf> {
        std::fs::create_dir_all(folder).expect("a folder");
        let mut files = Vec::new();
        for (at, slice) in self.slices.iter_mut().enumerate() {
            let sop_instance = slice
                .element(tags::SOP_INSTANCE_UID)
                .ok()
                .and_then(|element| element.to_str().ok().map(|uid| uid.into_owned()))
                .expect("a SOP Instance UID");
            slice.meta_mut().media_storage_sop_instance_uid = sop_instance;
            slice.meta_mut().update_information_group_length();
            let path = folder.join(format!("{at:03}.dcm"));
            slice.write_to_file(&path).expect("a DICOM file");
            files.push(path);
        }
        files
    }
}

fn put(slice: &mut FileDicomObject<InMemDicomObject>, tag: Tag, vr: VR, value: &str) {
    slice.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
}
