//! A small CT slice as a DICOM file, for tests of the way rather than of the image.

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use std::path::{Path, PathBuf};

/// A CT slice of 16 x 16 pixels, explicit VR little endian.
#[derive(Debug, Clone)]
pub struct CtSlice {
    /// SOP Class UID.
    pub sop_class: String,
    /// Series Instance UID.
    pub series: String,
    /// Position in the series, from 1.
    pub number: u16,
}

impl CtSlice {
    /// The first slice of a series.
    pub fn new(series: &str) -> Self {
        Self {
            sop_class: uids::CT_IMAGE_STORAGE.to_owned(),
            series: series.to_owned(),
            number: 1,
        }
    }

    /// SOP Instance UID.
    pub fn sop_instance(&self) -> String {
        format!("{}.{}", self.series, self.number)
    }

    /// The pixels: 12 bits, different in every slice.
    pub fn pixels(&self) -> Vec<u16> {
        (0..256).map(|i| (i * 16 + self.number) & 0x0FFF).collect()
    }

    /// Writes it into a folder.
    pub fn write(&self, folder: &Path) -> PathBuf {
        let text = |tag, vr, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
        let us = |tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
        let sop_instance = self.sop_instance();
        let position = format!("0\\0\\{}", self.number);
        let object = InMemDicomObject::from_element_iter([
            text(tags::SOP_CLASS_UID, VR::UI, &self.sop_class),
            text(tags::SOP_INSTANCE_UID, VR::UI, &sop_instance),
            text(tags::STUDY_DATE, VR::DA, "20260101"),
            text(tags::STUDY_TIME, VR::TM, "120000"),
            text(tags::ACCESSION_NUMBER, VR::SH, ""),
            text(tags::MODALITY, VR::CS, "CT"),
            text(tags::REFERRING_PHYSICIAN_NAME, VR::PN, ""),
            text(tags::PATIENT_NAME, VR::PN, "Test^Nobody"),
            text(tags::PATIENT_ID, VR::LO, "TEST"),
            text(tags::PATIENT_BIRTH_DATE, VR::DA, ""),
            text(tags::PATIENT_SEX, VR::CS, ""),
            text(tags::SLICE_THICKNESS, VR::DS, "1"),
            text(
                tags::STUDY_INSTANCE_UID,
                VR::UI,
                &format!("{}.0", self.series),
            ),
            text(tags::SERIES_INSTANCE_UID, VR::UI, &self.series),
            text(tags::STUDY_ID, VR::SH, "1"),
            text(tags::SERIES_NUMBER, VR::IS, "1"),
            text(tags::INSTANCE_NUMBER, VR::IS, &self.number.to_string()),
            text(tags::IMAGE_POSITION_PATIENT, VR::DS, &position),
            text(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0"),
            text(
                tags::FRAME_OF_REFERENCE_UID,
                VR::UI,
                &format!("{}.9", self.series),
            ),
            us(tags::SAMPLES_PER_PIXEL, 1),
            text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
            us(tags::ROWS, 16),
            us(tags::COLUMNS, 16),
            text(tags::PIXEL_SPACING, VR::DS, "1\\1"),
            us(tags::BITS_ALLOCATED, 16),
            us(tags::BITS_STORED, 12),
            us(tags::HIGH_BIT, 11),
            us(tags::PIXEL_REPRESENTATION, 0),
            text(tags::RESCALE_INTERCEPT, VR::DS, "-1024"),
            text(tags::RESCALE_SLOPE, VR::DS, "1"),
            DataElement::new(
                tags::PIXEL_DATA,
                VR::OW,
                PrimitiveValue::U16(self.pixels().into()),
            ),
        ]);
        let meta = FileMetaTableBuilder::new()
            .media_storage_sop_class_uid(self.sop_class.as_str())
            .media_storage_sop_instance_uid(sop_instance.as_str())
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
        let path = folder.join(format!("{:04}.dcm", self.number));
        object
            .with_meta(meta)
            .expect("file meta information")
            .write_to_file(&path)
            .expect("a DICOM file");
        path
    }
}

/// The bytes of a file's data set: all that follows the file meta information.
pub fn data_set(file: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(file).expect("a file");
    // Preamble, `DICM`, then (0002,0000) with the length of the rest of the group (PS3.10 section 7.1).
    let length: [u8; 4] = bytes[140..144].try_into().expect("a group length");
    bytes.split_off(144 + u32::from_le_bytes(length) as usize)
}
