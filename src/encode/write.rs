//! Writing a DICOM-SEG.

use super::element::{item, limited, sequence, text, us};
use super::file;
use super::frame_pixels::write_pixels;
use super::frames::{self, Frames};
use super::per_frame::write_per_frame;
use super::seg_form::{SegForm, SegmentationType};
use super::uid::ResultUids;
use super::{functional_groups, modules, segment_sequence};
use crate::assemble::SourceSeries;
use crate::encode::{EncodeError, Provenance, SegFile, SegInstance, Segment, WrittenSegment};
use crate::volume::{LabelRuns, LabelVolume};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use std::io::{BufWriter, Write};

/// Writes a label map as a BINARY segmentation of the series it was made from (PS3.3 A.51), into memory.
///
/// # Errors
/// As [`write_seg_to`].
pub fn write_seg(
    labels: &LabelVolume,
    segments: &[Segment],
    source: &SourceSeries,
    provenance: &Provenance,
) -> Result<SegFile, EncodeError> {
    write_seg_as(SegForm::Binary, labels, segments, source, provenance)
}

/// [`write_seg`] in any of the forms.
///
/// # Errors
/// As [`write_seg_to`].
pub fn write_seg_as(
    form: SegForm<'_>,
    labels: &LabelVolume,
    segments: &[Segment],
    source: &SourceSeries,
    provenance: &Provenance,
) -> Result<SegFile, EncodeError> {
    let mut bytes = Vec::new();
    let labels = LabelRuns::of(labels)?;
    let instance = write_seg_to(&mut bytes, form, &labels, segments, source, provenance)?;
    Ok(SegFile { bytes, instance })
}

/// Writes a label map as a segmentation of the series it was made from: the whole DICOM file, preamble, file meta
/// information, and the data set in Explicit VR Little Endian. Pixels are made as they are written, a few frames at a
/// time, from labels that are runs: neither the file nor a label for each voxel is in memory.
///
/// The label map lies on the source's own grid: its slice `k` is `source.slices[k]`. Each frame is one segment on
/// one slice; slices without a pixel of a segment have no frame, and a segment without a voxel is left out and
/// named in [`SegInstance::empty_segments`]. Segments are numbered from 1 in the order of `segments`. FRACTIONAL has
/// frames wherever a segment that was found is likelier than nothing; LABELMAP is an object of its own class, Label Map
/// Segmentation Storage, with one frame a slice. The result depends on the arguments alone, so the same input twice
/// gives the same bytes and the same UIDs.
///
/// # Errors
/// [`EncodeError::NothingFound`] when every segment is empty; [`EncodeError::Overlap`] where segments of a LABELMAP
/// overlap; else when label map, segments and source do not fit one another, or when the result would not fit a DICOM
/// object. Until then nothing was written; [`EncodeError::Write`] when `out` fails.
pub fn write_seg_to(
    out: &mut impl Write,
    form: SegForm<'_>,
    labels: &LabelRuns,
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
    data_set.put(sequence(
        tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
        vec![functional_groups::shared(labels.geometry(), source)],
    ));

    // What comes in thousands, frames and pixels, is written piece by piece; its tags come last.
    let mut out = BufWriter::with_capacity(1 << 18, out);
    file::write_file(&mut out, &data_set, class, &sop_instance_uid)?;
    write_per_frame(&mut out, &frames, labels.geometry(), source)?;
    let vr = if frames.bits == 16 { VR::OW } else { VR::OB };
    file::write_header(&mut out, tags::PIXEL_DATA, vr, frames.length)?;
    write_pixels(form, labels, segments, &frames, &mut out)?;
    out.flush().map_err(|e| EncodeError::Write(e.to_string()))?;

    let mut frames_of = vec![0u32; frames.segments.len()];
    for written in frames.frames.iter().filter_map(|frame| frame.segment) {
        frames_of[written] += 1;
    }
    let written_segments = (1u16..)
        .zip(&frames.segments)
        .zip(frames_of)
        .map(|((number, &(s, voxels)), frames)| WrittenSegment {
            number,
            source_number: segments[s].number,
            label: segments[s].description.label.clone(),
            voxels,
            frames,
        })
        .collect();
    let empty_segments = segments
        .iter()
        .enumerate()
        .filter(|(s, _)| !frames.segments.iter().any(|(found, _)| found == s))
        .map(|(_, segment)| segment.description.label.clone())
        .collect();
    Ok(SegInstance {
        segmentation_type: kind,
        sop_instance_uid,
        series_instance_uid: result_uids.of("series"),
        written_segments,
        empty_segments,
    })
}

fn check_grid(labels: &LabelRuns, source: &SourceSeries) -> Result<(), EncodeError> {
    let geometry = labels.geometry();
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
    Ok(())
}

/// Image Pixel and Segmentation Image modules.
fn put_image(
    data_set: &mut InMemDicomObject,
    labels: &LabelRuns,
    frames: &Frames,
    kind: SegmentationType,
    provenance: &Provenance,
) {
    let [columns, rows, _] = labels.geometry().size;
    let description = limited(&provenance.series_description, 64);
    for element in [
        text(tags::IMAGE_TYPE, VR::CS, "DERIVED\\PRIMARY"),
        text(tags::INSTANCE_NUMBER, VR::IS, "1"),
        text(tags::CONTENT_LABEL, VR::CS, "SEGMENTATION"),
        text(tags::CONTENT_DESCRIPTION, VR::LO, description),
        text(tags::CONTENT_CREATOR_NAME, VR::PN, "irisnode^"),
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
