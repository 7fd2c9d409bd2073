//! Labels that a person drew, of either kind: DICOM-SEG or RTSTRUCT, what they refer to, and where they lie.

use super::attribute::{items, text};
use super::read_error::ReadSegError;
use super::rtstruct_error::ReadRtStructError;
use super::{read_rtstruct, read_seg};
use crate::assemble::{AssembleError, SourceSeries, read_attributes};
use crate::terminology::SegmentDescription;
use crate::volume::{Geometry, LabelVolume};
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use std::path::Path;

/// SOP classes of labels.
pub const LABEL_CLASSES: [&str; 3] = [
    uids::SEGMENTATION_STORAGE,
    uids::LABEL_MAP_SEGMENTATION_STORAGE,
    uids::RT_STRUCTURE_SET_STORAGE,
];

/// The images that labels were drawn on, as the labels say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawnOn {
    /// Study Instance UID of the images.
    pub study_uid: String,
    /// Series Instance UID of the images.
    pub series_uid: String,
    /// SOP Instance UIDs of images that are named; some writers name only those with a label on them.
    pub instance_uids: Vec<String>,
}

/// Labels on the grid of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelsOnGrid {
    /// Their voxels.
    pub labels: LabelVolume,
    /// Segments (ROIs) with their numbers in `labels`.
    pub segments: Vec<(u16, SegmentDescription)>,
    /// What a person should know of how they were read, in sentences.
    pub notes: Vec<String>,
}

/// Why labels cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LabelsError {
    /// The file cannot be opened or is no DICOM file.
    #[error(transparent)]
    Unreadable(#[from] AssembleError),
    /// As a DICOM-SEG.
    #[error(transparent)]
    Seg(#[from] ReadSegError),
    /// As an RTSTRUCT.
    #[error(transparent)]
    RtStruct(#[from] ReadRtStructError),
    /// The positions of labels and image cannot be compared.
    #[error(
        "the segmentation lies in another frame of reference than the image; give the segmentation of this very series, or of one with the same Frame of Reference UID"
    )]
    OtherFrameOfReference,
    /// The images are not named.
    #[error(
        "the labels do not name the series of images that they were drawn on (no Referenced Series Sequence)"
    )]
    NoSeries,
}

/// The images that a DICOM-SEG (PS3.3 C.12.4, Common Instance Reference) or an RTSTRUCT (C.8.8.5) was drawn on; of
/// several series the first.
///
/// # Errors
/// When the file cannot be read, is neither, or names no series.
pub fn drawn_on(path: &Path) -> Result<DrawnOn, LabelsError> {
    drawn_on_by(&read_attributes(path)?)
}

fn drawn_on_by(object: &InMemDicomObject) -> Result<DrawnOn, LabelsError> {
    let class = text(object, tags::SOP_CLASS_UID).unwrap_or_default();
    let study = text(object, tags::STUDY_INSTANCE_UID).unwrap_or_default();
    let found = if class == uids::RT_STRUCTURE_SET_STORAGE {
        drawn_contours_on(object, &study)
    } else if LABEL_CLASSES.contains(&class.as_str()) {
        let elsewhere = items(
            object,
            tags::STUDIES_CONTAINING_OTHER_REFERENCED_INSTANCES_SEQUENCE,
        );
        first_series(object, &study, tags::REFERENCED_INSTANCE_SEQUENCE).or_else(|| {
            elsewhere.iter().find_map(|other| {
                let study = text(other, tags::STUDY_INSTANCE_UID)?;
                first_series(other, &study, tags::REFERENCED_INSTANCE_SEQUENCE)
            })
        })
    } else {
        return Err(ReadSegError::OtherClass(class).into());
    };
    found.ok_or(LabelsError::NoSeries)
}

/// The first item of a Referenced Series Sequence that names a series.
fn first_series(of: &InMemDicomObject, study: &str, instances: Tag) -> Option<DrawnOn> {
    items(of, tags::REFERENCED_SERIES_SEQUENCE)
        .iter()
        .find_map(|series| series_of(series, study, instances))
}

fn series_of(series: &InMemDicomObject, study: &str, instances: Tag) -> Option<DrawnOn> {
    Some(DrawnOn {
        study_uid: study.to_owned(),
        series_uid: text(series, tags::SERIES_INSTANCE_UID)?,
        instance_uids: items(series, instances)
            .iter()
            .filter_map(|instance| text(instance, tags::REFERENCED_SOP_INSTANCE_UID))
            .collect(),
    })
}

fn drawn_contours_on(object: &InMemDicomObject, study: &str) -> Option<DrawnOn> {
    let frames = items(object, tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE).iter();
    let studies = frames.flat_map(|frame| items(frame, tags::RT_REFERENCED_STUDY_SEQUENCE));
    let mut series = studies.flat_map(|study| items(study, tags::RT_REFERENCED_SERIES_SEQUENCE));
    series.find_map(|series| series_of(series, study, tags::CONTOUR_IMAGE_SEQUENCE))
}

/// Reads a DICOM-SEG or an RTSTRUCT onto a grid.
///
/// Of an RTSTRUCT only the ROIs of the numbers `wanted` are read, all where it is empty: others may be many, and drawn
/// on another series. `source` are the images on that grid, where they are DICOM.
///
/// # Errors
/// As [`crate::encode::SegObject::onto`] and [`crate::encode::RtStruct::onto`], and when labels and images lie in
/// different frames of reference.
pub fn labels_on(
    path: &Path,
    grid: &Geometry,
    source: Option<&SourceSeries>,
    wanted: &[u16],
) -> Result<LabelsOnGrid, LabelsError> {
    let class = text(&read_attributes(path)?, tags::SOP_CLASS_UID).unwrap_or_default();
    let ours = source.map(SourceSeries::frame_of_reference_uid);
    if class == uids::RT_STRUCTURE_SET_STORAGE {
        let rois = read_rtstruct(path)?.onto(grid, ours.as_deref(), wanted)?;
        let filled = rois.filled.iter().map(|filled| {
            format!(
                "ROI `{}` is drawn on every {} slices only; those between take the nearest contour",
                filled.roi, filled.every
            )
        });
        return Ok(LabelsOnGrid {
            notes: filled.collect(),
            segments: rois
                .segments
                .into_iter()
                .map(|segment| (segment.number, segment.description))
                .collect(),
            labels: rois.labels,
        });
    }
    let seg = read_seg(path)?;
    let theirs = seg.frame_of_reference_uid.as_deref().unwrap_or_default();
    // Positions of two frames of reference cannot be compared: an overlay would be wrong, and look right.
    if let Some(ours) = ours.filter(|ours| !ours.is_empty())
        && !theirs.is_empty()
        && theirs.trim() != ours
    {
        return Err(LabelsError::OtherFrameOfReference);
    }
    let (labels, segments) = seg.onto(grid)?;
    Ok(LabelsOnGrid {
        labels,
        segments: segments
            .into_iter()
            .map(|segment| (segment.number, segment.description))
            .collect(),
        notes: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::value::DataSetSequence;
    use dicom_core::{DataElement, PrimitiveValue, VR};

    type Element = DataElement<InMemDicomObject>;

    fn uid(tag: Tag, value: &str) -> Element {
        DataElement::new(tag, VR::UI, PrimitiveValue::from(value))
    }

    fn sequence(tag: Tag, item: impl IntoIterator<Item = Element>) -> Element {
        let item = InMemDicomObject::from_element_iter(item);
        DataElement::new(tag, VR::SQ, DataSetSequence::from(vec![item]))
    }

    fn labels(class: &str, more: Vec<Element>) -> InMemDicomObject {
        let mut object = InMemDicomObject::from_element_iter(more);
        object.put(uid(tags::SOP_CLASS_UID, class));
        object.put(uid(tags::STUDY_INSTANCE_UID, "1.2.3"));
        object
    }

    fn series(instances: Tag) -> [Element; 2] {
        let instance = [uid(tags::REFERENCED_SOP_INSTANCE_UID, "1.2.3.4.5")];
        [
            uid(tags::SERIES_INSTANCE_UID, "1.2.3.4"),
            sequence(instances, instance),
        ]
    }

    fn expected(study: &str) -> DrawnOn {
        DrawnOn {
            study_uid: study.into(),
            series_uid: "1.2.3.4".into(),
            instance_uids: vec!["1.2.3.4.5".into()],
        }
    }

    #[test]
    fn contours_name_their_images_three_sequences_down() {
        let series = series(tags::CONTOUR_IMAGE_SEQUENCE);
        let study = [sequence(tags::RT_REFERENCED_SERIES_SEQUENCE, series)];
        let frame = [sequence(tags::RT_REFERENCED_STUDY_SEQUENCE, study)];
        let frames = sequence(tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE, frame);
        let object = labels(uids::RT_STRUCTURE_SET_STORAGE, vec![frames]);
        assert_eq!(drawn_on_by(&object).unwrap(), expected("1.2.3"));
    }

    #[test]
    fn a_segmentation_names_its_images_in_its_study_or_in_another() {
        let series = || {
            sequence(
                tags::REFERENCED_SERIES_SEQUENCE,
                series(tags::REFERENCED_INSTANCE_SEQUENCE),
            )
        };
        let object = labels(uids::SEGMENTATION_STORAGE, vec![series()]);
        assert_eq!(drawn_on_by(&object).unwrap(), expected("1.2.3"));
        let other = sequence(
            tags::STUDIES_CONTAINING_OTHER_REFERENCED_INSTANCES_SEQUENCE,
            [uid(tags::STUDY_INSTANCE_UID, "9.9"), series()],
        );
        let object = labels(uids::SEGMENTATION_STORAGE, vec![other]);
        assert_eq!(drawn_on_by(&object).unwrap(), expected("9.9"));
        let object = labels(uids::SEGMENTATION_STORAGE, vec![]);
        assert!(matches!(drawn_on_by(&object), Err(LabelsError::NoSeries)));
    }
}
