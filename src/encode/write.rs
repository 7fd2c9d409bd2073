//! Writing a DICOM-SEG.

use super::element::{item, limited, sequence, text, us};
use super::frames::{self, Frames};
use super::seg_form::{SegForm, SegmentationType};
use super::uid::ResultUids;
use super::{functional_groups, modules, segment_sequence};
use crate::assemble::SourceSeries;
use crate::encode::{EncodeError, Provenance, SegInstance, Segment, WrittenSegment};
use crate::volume::LabelVolume;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

/// Writes a label map as a BINARY segmentation of the series it was made from (PS3.3 A.51).
///
/// The label map lies on the source's own grid: its slice `k` is `source.slices[k]`. Each frame is one segment on
/// one slice; slices without a pixel of a segment have no frame, and a segment without a voxel is left out and
/// named in [`SegInstance::empty_segments`]. Segments are numbered from 1 in the order of `segments`. The result
/// depends on the arguments alone, so the same input twice gives the same bytes and the same UIDs.
///
/// # Errors
/// [`EncodeError::NothingFound`] when every segment is empty; else when label map, segments and source do not fit
/// one another, or when the result would not fit a DICOM object.
pub fn write_seg(
    labels: &LabelVolume,
    segments: &[Segment],
    source: &SourceSeries,
    provenance: &Provenance,
) -> Result<SegInstance, EncodeError> {
    write_seg_as(SegForm::Binary, labels, segments, source, provenance)
}

/// [`write_seg`] in any of the forms. FRACTIONAL has frames wherever a segment that was found is likelier than
/// nothing; LABELMAP is an object of its own class, Label Map Segmentation Storage.
///
/// # Errors
/// As [`write_seg`], and [`EncodeError::Overlap`] where segments of a label map overlap.
pub fn write_seg_as(
    form: SegForm<'_>,
    labels: &LabelVolume,
    segments: &[Segment],
    source: &SourceSeries,
    provenance: &Provenance,
) -> Result<SegInstance, EncodeError> {
    check_grid(labels, source)?;
    let kind = form.segmentation_type();
    let frames = frames::frames(labels, segments, form)?;
    let result_uids = ResultUids::new(source, provenance, kind);
    let class = kind.sop_class_uid();
    let sop_instance_uid = result_uids.of("instance");

    let mut data_set = item([
        // Names in any script; the source's texts are held decoded and are written anew.
        text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        text(tags::SOP_CLASS_UID, VR::UI, class),
        text(tags::SOP_INSTANCE_UID, VR::UI, &sop_instance_uid),
    ]);
    let elements = modules::patient_and_study(source)?
        .into_iter()
        .chain(modules::series_and_equipment(
            source,
            provenance,
            &result_uids,
        )?)
        .chain([modules::references(source)?])
        .chain(modules::lossy_compression(source))
        .chain(functional_groups::dimensions(
            &result_uids,
            kind != SegmentationType::Labelmap,
        ));
    for element in elements {
        data_set.put(element);
    }
    put_image(&mut data_set, labels, &frames, kind, provenance);
    put_segments(&mut data_set, segments, &frames, provenance, &result_uids);
    put_functional_groups(&mut data_set, labels, source, &frames);

    let written_segments = frames
        .segments
        .iter()
        .enumerate()
        .map(|(written, &(s, voxels))| WrittenSegment {
            number: written as u16 + 1,
            source_number: segments[s].number,
            label: segments[s].description.label.clone(),
            voxels,
            frames: frames
                .frames
                .iter()
                .filter(|f| f.segment == Some(written))
                .count() as u32,
        })
        .collect();
    let empty_segments = segments
        .iter()
        .enumerate()
        .filter(|(s, _)| !frames.segments.iter().any(|(found, _)| found == s))
        .map(|(_, segment)| segment.description.label.clone())
        .collect();
    data_set.put(DataElement::new(
        tags::PIXEL_DATA,
        if frames.bits == 16 { VR::OW } else { VR::OB },
        PrimitiveValue::U8(frames.pixels.into()),
    ));
    Ok(SegInstance {
        bytes: to_file(data_set, class, &sop_instance_uid)?,
        segmentation_type: kind,
        sop_instance_uid,
        series_instance_uid: result_uids.of("series"),
        written_segments,
        empty_segments,
    })
}

fn check_grid(labels: &LabelVolume, source: &SourceSeries) -> Result<(), EncodeError> {
    let geometry = &labels.geometry;
    let [columns, rows, slices] = geometry.size;
    if !geometry.is_valid() {
        return Err(EncodeError::Grid("its grid is empty or degenerate".into()));
    }
    if slices != source.slices.len() {
        return Err(EncodeError::Grid(format!(
            "it has {slices} slices and the series has {}",
            source.slices.len()
        )));
    }
    if u16::try_from(columns).is_err() || u16::try_from(rows).is_err() {
        return Err(EncodeError::Grid(format!(
            "{columns} x {rows} pixels are more than a DICOM image has"
        )));
    }
    if labels
        .layers
        .iter()
        .any(|layer| layer.len() != geometry.len())
    {
        return Err(EncodeError::Grid(
            "a layer has not one label a voxel".into(),
        ));
    }
    Ok(())
}

/// Image Pixel and Segmentation Image modules.
fn put_image(
    data_set: &mut InMemDicomObject,
    labels: &LabelVolume,
    frames: &Frames,
    kind: SegmentationType,
    provenance: &Provenance,
) {
    let [columns, rows, _] = labels.geometry.size;
    let description = limited(&provenance.series_description, 64);
    for element in [
        text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY"),
        text(tags::INSTANCE_NUMBER, VR::IS, "1"),
        text(tags::CONTENT_LABEL, VR::CS, "SEGMENTATION"),
        text(tags::CONTENT_DESCRIPTION, VR::LO, description),
        text(tags::CONTENT_CREATOR_NAME, VR::PN, "irisnode"),
        us(tags::SAMPLES_PER_PIXEL, 1),
        text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        text(
            tags::NUMBER_OF_FRAMES,
            VR::IS,
            frames.frames.len().to_string(),
        ),
        us(tags::ROWS, rows as u16),
        us(tags::COLUMNS, columns as u16),
        us(tags::BITS_ALLOCATED, frames.bits),
        us(tags::BITS_STORED, frames.bits),
        us(tags::HIGH_BIT, frames.bits - 1),
        us(tags::PIXEL_REPRESENTATION, 0),
        text(tags::SEGMENTATION_TYPE, VR::CS, kind.name().to_uppercase()),
        text(
            tags::SEGMENTS_OVERLAP,
            VR::CS,
            if frames.overlap { "YES" } else { "NO" },
        ),
        text(tags::BURNED_IN_ANNOTATION, VR::CS, "NO"),
    ] {
        data_set.put(element);
    }
    if kind == SegmentationType::Fractional {
        data_set.put(text(
            tags::SEGMENTATION_FRACTIONAL_TYPE,
            VR::CS,
            "PROBABILITY",
        ));
        data_set.put(us(tags::MAXIMUM_FRACTIONAL_VALUE, 255));
    }
    if kind == SegmentationType::Labelmap {
        // What pixels of no segment have.
        data_set.put(us(tags::PIXEL_PADDING_VALUE, 0));
    }
}

fn put_segments(
    data_set: &mut InMemDicomObject,
    segments: &[Segment],
    frames: &Frames,
    provenance: &Provenance,
    result_uids: &ResultUids,
) {
    let items = frames
        .segments
        .iter()
        .enumerate()
        .map(|(written, &(s, _))| {
            segment_sequence::segment_item(
                written as u16 + 1,
                &segments[s],
                result_uids,
                &provenance.weights_hash,
            )
        })
        .collect();
    data_set.put(sequence(tags::SEGMENT_SEQUENCE, items));
}

fn put_functional_groups(
    data_set: &mut InMemDicomObject,
    labels: &LabelVolume,
    source: &SourceSeries,
    frames: &Frames,
) {
    let geometry = &labels.geometry;
    data_set.put(sequence(
        tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
        vec![functional_groups::shared(geometry, source)],
    ));
    let items = frames
        .frames
        .iter()
        .map(|&frame| functional_groups::of_frame(frame, geometry, &source.slices[frame.slice]))
        .collect();
    data_set.put(sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, items));
}

/// A data set as a file in Explicit VR Little Endian.
pub(super) fn to_file(
    data_set: InMemDicomObject,
    class: &str,
    sop_instance_uid: &str,
) -> Result<Vec<u8>, EncodeError> {
    let object = data_set
        .with_meta(
            FileMetaTableBuilder::new()
                .media_storage_sop_class_uid(class)
                .media_storage_sop_instance_uid(sop_instance_uid)
                .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN),
        )
        .map_err(|e| EncodeError::Write(e.to_string()))?;
    let mut bytes = Vec::new();
    object
        .write_all(&mut bytes)
        .map_err(|e| EncodeError::Write(e.to_string()))?;
    Ok(bytes)
}
