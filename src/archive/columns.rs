//! The attributes by which studies, series and instances are looked for, and their columns in the index.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

/// An attribute and its column.
pub(super) type Column = (Tag, &'static str);

/// Columns of `studies`.
pub(super) const STUDY: [Column; 10] = [
    (tags::STUDY_DATE, "study_date"),
    (tags::STUDY_TIME, "study_time"),
    (tags::ACCESSION_NUMBER, "accession_number"),
    (tags::REFERRING_PHYSICIAN_NAME, "referring_physician_name"),
    (tags::STUDY_DESCRIPTION, "study_description"),
    (tags::PATIENT_NAME, "patient_name"),
    (tags::PATIENT_ID, "patient_id"),
    (tags::PATIENT_BIRTH_DATE, "patient_birth_date"),
    (tags::PATIENT_SEX, "patient_sex"),
    (tags::STUDY_ID, "study_id"),
];

/// Columns of `study_series`.
pub(super) const SERIES: [Column; 8] = [
    (tags::SERIES_DATE, "series_date"),
    (tags::SERIES_TIME, "series_time"),
    (tags::MODALITY, "modality"),
    (tags::SERIES_DESCRIPTION, "series_description"),
    (tags::BODY_PART_EXAMINED, "body_part_examined"),
    (tags::SERIES_NUMBER, "series_number"),
    (
        tags::PERFORMED_PROCEDURE_STEP_START_DATE,
        "performed_start_date",
    ),
    (
        tags::PERFORMED_PROCEDURE_STEP_START_TIME,
        "performed_start_time",
    ),
];

/// Columns of `instances` and `results`, beside their UIDs.
pub(super) const INSTANCE: [Column; 5] = [
    (tags::INSTANCE_NUMBER, "instance_number"),
    (tags::NUMBER_OF_FRAMES, "number_of_frames"),
    (tags::ROWS, "image_rows"),
    (tags::COLUMNS, "image_columns"),
    (tags::BITS_ALLOCATED, "bits_allocated"),
];
