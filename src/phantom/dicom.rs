//! A phantom as a DICOM CT series (PS3.3 A.3, CT Image IOD).

use super::Phantom;
use crate::volume::Volume;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Pixels are kept as CT numbers above this, HU.
const INTERCEPT: i32 = -1024;
/// Twelve bits.
const HIGHEST: f32 = 4095.0;

/// Why a series cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum SeriesError {
    /// The folder or a file cannot be written.
    #[error("cannot write {}: {reason}", path.display())]
    Unwritable {
        /// The folder or file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// Columns, rows or slices are more than DICOM can count.
    #[error("a slice of {0} x {1} pixels cannot be written")]
    Size(usize, usize),
}

impl Phantom {
    /// Writes the volume as uncompressed CT images, one file a slice, and gives their paths from
    /// the lowest slice on.
    ///
    /// The patient is `PHANTOM^<number>`; UIDs follow from `number` and the slice, so the same
    /// phantom gives the same files.
    pub fn write_series(&self, folder: &Path, number: u64) -> Result<Vec<PathBuf>, SeriesError> {
        let failed = |path: &Path, reason: &dyn std::fmt::Display| SeriesError::Unwritable {
            path: path.to_owned(),
            reason: reason.to_string(),
        };
        std::fs::create_dir_all(folder).map_err(|e| failed(folder, &e))?;
        (0..self.volume.geometry.size[2])
            .map(|k| {
                let path = folder.join(format!("{:03}.dcm", k + 1));
                let instance = uid(number, &format!("image {k}"));
                let meta = FileMetaTableBuilder::new()
                    .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
                    .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
                    .media_storage_sop_instance_uid(instance.as_str());
                slice(&self.volume, k, number, &instance)?
                    .with_meta(meta)
                    .map_err(|e| failed(&path, &e))?
                    .write_to_file(&path)
                    .map_err(|e| failed(&path, &e))?;
                Ok(path)
            })
            .collect()
    }
}

/// A UID under 2.25 (PS3.5 B.2) from a name.
fn uid(number: u64, name: &str) -> String {
    let name = format!("irisnode phantom {number} {name}");
    format!(
        "2.25.{}",
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).as_u128()
    )
}

fn slice(
    volume: &Volume,
    k: usize,
    number: u64,
    instance: &str,
) -> Result<InMemDicomObject, SeriesError> {
    let geometry = &volume.geometry;
    let [columns, rows, _] = geometry.size;
    let (Ok(width), Ok(height)) = (u16::try_from(columns), u16::try_from(rows)) else {
        return Err(SeriesError::Size(columns, rows));
    };
    let start = geometry.index(0, 0, k);
    let pixels: Vec<u16> = volume.voxels[start..start + columns * rows]
        .iter()
        .map(|hu| (hu - INTERCEPT as f32).round().clamp(0.0, HIGHEST) as u16)
        .collect();
    let position = geometry.to_patient([0.0, 0.0, k as f64]);
    let orientation = [geometry.direction[0], geometry.direction[1]].concat();
    let text =
        |tag: Tag, vr: VR, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
    let us = |tag: Tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
    Ok(InMemDicomObject::from_element_iter([
        text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL"),
        text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        text(tags::SOP_INSTANCE_UID, VR::UI, instance),
        text(tags::STUDY_DATE, VR::DA, "20260101"),
        text(tags::SERIES_DATE, VR::DA, "20260101"),
        text(tags::ACQUISITION_DATE, VR::DA, "20260101"),
        text(tags::CONTENT_DATE, VR::DA, "20260101"),
        text(tags::STUDY_TIME, VR::TM, "120000"),
        text(tags::SERIES_TIME, VR::TM, "120000"),
        text(tags::ACQUISITION_TIME, VR::TM, "120000"),
        text(tags::CONTENT_TIME, VR::TM, "120000"),
        text(tags::ACCESSION_NUMBER, VR::SH, &format!("PHANTOM{number}")),
        text(tags::MODALITY, VR::CS, "CT"),
        text(tags::MANUFACTURER, VR::LO, "irisnode"),
        text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, ""),
        text(tags::STUDY_DESCRIPTION, VR::LO, "Drawn torso"),
        text(
            tags::SERIES_DESCRIPTION,
            VR::LO,
            "Abdomen, drawn by irisnode",
        ),
        text(tags::MANUFACTURER_MODEL_NAME, VR::LO, "irisnode phantom"),
        text(tags::PATIENT_NAME, VR::PN, &format!("PHANTOM^{number}")),
        text(tags::PATIENT_ID, VR::LO, &format!("PHANTOM{number}")),
        text(tags::PATIENT_BIRTH_DATE, VR::DA, ""),
        text(tags::PATIENT_SEX, VR::CS, "O"),
        text(tags::BODY_PART_EXAMINED, VR::CS, "ABDOMEN"),
        text(tags::SLICE_THICKNESS, VR::DS, &decimal(geometry.spacing[2])),
        text(tags::KVP, VR::DS, "120"),
        text(tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION")),
        text(tags::DEVICE_SERIAL_NUMBER, VR::LO, "0"),
        text(tags::PATIENT_POSITION, VR::CS, "HFS"),
        text(tags::STUDY_INSTANCE_UID, VR::UI, &uid(number, "study")),
        text(tags::SERIES_INSTANCE_UID, VR::UI, &uid(number, "series")),
        text(tags::STUDY_ID, VR::SH, "1"),
        text(tags::SERIES_NUMBER, VR::IS, "1"),
        text(tags::ACQUISITION_NUMBER, VR::IS, "1"),
        text(tags::INSTANCE_NUMBER, VR::IS, &(k + 1).to_string()),
        text(tags::IMAGE_POSITION_PATIENT, VR::DS, &decimals(&position)),
        text(
            tags::IMAGE_ORIENTATION_PATIENT,
            VR::DS,
            &decimals(&orientation),
        ),
        text(
            tags::FRAME_OF_REFERENCE_UID,
            VR::UI,
            &uid(number, "frame of reference"),
        ),
        text(tags::POSITION_REFERENCE_INDICATOR, VR::LO, ""),
        us(tags::SAMPLES_PER_PIXEL, 1),
        text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        us(tags::ROWS, height),
        us(tags::COLUMNS, width),
        text(
            tags::PIXEL_SPACING,
            VR::DS,
            &decimals(&[geometry.spacing[1], geometry.spacing[0]]),
        ),
        us(tags::BITS_ALLOCATED, 16),
        us(tags::BITS_STORED, 12),
        us(tags::HIGH_BIT, 11),
        us(tags::PIXEL_REPRESENTATION, 0),
        text(tags::WINDOW_CENTER, VR::DS, "40"),
        text(tags::WINDOW_WIDTH, VR::DS, "400"),
        text(tags::RESCALE_INTERCEPT, VR::DS, &INTERCEPT.to_string()),
        text(tags::RESCALE_SLOPE, VR::DS, "1"),
        text(tags::RESCALE_TYPE, VR::LO, "HU"),
        DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into())),
    ]))
}

/// A decimal string of at most 16 characters (PS3.5 6.2, DS).
fn decimal(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn decimals(values: &[f64]) -> String {
    let all: Vec<String> = values.iter().map(|&v| decimal(v)).collect();
    all.join("\\")
}
