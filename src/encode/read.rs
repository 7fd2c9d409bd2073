//! Reading a DICOM-SEG of any writer.

use super::attribute::{code, items, numbers, required, text, whole};
use super::color::srgb;
use super::read_error::ReadSegError;
use super::seg_pixels::pixels;
use crate::assemble::{AssembleError, read_object};
use crate::encode::{MadeBy, Segment};
use crate::terminology::{Code, SegmentDescription};
use crate::volume::{Vec3, cross, dot, norm};
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use dicom_object::{DefaultDicomObject, InMemDicomObject};
use std::collections::HashSet;
use std::path::Path;

/// Segmented property type of what is no segment (DCM 125040, Background).
const BACKGROUND: (&str, &str) = ("125040", "DCM");

/// A segmentation as it lies in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct SegObject {
    /// SOP Instance UID (0008,0018).
    pub sop_instance_uid: String,
    /// Series Instance UID of the images it was made from, where it says so.
    pub referenced_series_uid: Option<String>,
    /// SOP Instance UIDs of those images, where it says so.
    pub referenced_instance_uids: Vec<String>,
    /// Frame of Reference UID (0020,0052); images with another lie elsewhere.
    pub frame_of_reference_uid: Option<String>,
    /// Its segments with the numbers they have in the file.
    pub segments: Vec<Segment>,
    pub(super) plane: Plane,
    pub(super) frames: Vec<SegFrame>,
    pub(super) kind: Kind,
    /// Values of a label map that mean no segment, besides 0.
    pub(super) background: Vec<u16>,
    pub(super) pixels: Vec<u8>,
}

/// What all frames have in common.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plane {
    pub columns: usize,
    pub rows: usize,
    /// Directions of a row (column index grows) and of a column.
    pub axes: [Vec3; 2],
    /// Between columns, between rows, mm.
    pub spacing: [f64; 2],
    /// Between slices, mm, where the file says so.
    pub between: Option<f64>,
}

/// One frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SegFrame {
    /// Centre of its first pixel, LPS, mm.
    pub position: Vec3,
    /// Segment it belongs to; `None` in a label map.
    pub segment: Option<u16>,
}

/// What a pixel means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One bit: in or out.
    Bits,
    /// 8-bit fraction; in from this value.
    Fraction(u16),
    /// 8-bit segment number.
    Labels8,
    /// 16-bit segment number, little endian.
    Labels16,
}

/// Reads a DICOM-SEG: BINARY, FRACTIONAL (a pixel belongs to the segment from half of Maximum Fractional Value on,
/// be it a probability or an occupancy) or LABELMAP (8 or 16 bit, grey or palette; Pixel Padding Value and segments
/// that are coded as background are no segment), of one orientation and pixel spacing. Compressed frames are read;
/// those of BINARY when they are deflated one by one. FRACTIONAL pixels that are all 0 and 1 are taken for bits.
///
/// # Errors
/// When the file is no segmentation, is damaged, or does not say where its frames lie in the patient.
pub fn read_seg(path: &Path) -> Result<SegObject, ReadSegError> {
    let object = read_object(path).map_err(|error| match error {
        AssembleError::Unreadable { path, reason } => ReadSegError::Unreadable { path, reason },
        other => ReadSegError::Unreadable {
            path: path.to_owned(),
            reason: other.to_string(),
        },
    })?;
    SegObject::from_object(&object)
}

impl SegObject {
    /// Reads a DICOM-SEG that is in memory; as [`read_seg`].
    pub fn from_object(object: &DefaultDicomObject) -> Result<Self, ReadSegError> {
        let class = text(object, tags::SOP_CLASS_UID).unwrap_or_default();
        if class != uids::SEGMENTATION_STORAGE && class != uids::LABEL_MAP_SEGMENTATION_STORAGE {
            return Err(ReadSegError::OtherClass(class));
        }
        let kind = kind(object)?;
        let groups = Groups::read(object)?;
        let plane = plane(object, &groups)?;
        let (segments, background) = segments(object, kind)?;
        let frames = frames(&groups, &segments, kind)?;
        let pixels = pixels(object, kind, &plane, frames.len())?;
        // dcmjs (OHIF) calls a BINARY segmentation FRACTIONAL of 255 to compress it, and leaves its pixels 0 and 1.
        let kind = match kind {
            Kind::Fraction(_) if pixels.iter().max() == Some(&1) => Kind::Fraction(1),
            other => other,
        };
        let listed: HashSet<u16> = segments.iter().map(|s| s.number).collect();
        let unknown = |v: &u16| *v != 0 && !background.contains(v) && !listed.contains(v);
        let unlisted = match kind {
            Kind::Labels8 => pixels.iter().map(|&v| u16::from(v)).find(unknown),
            Kind::Labels16 => pixels
                .chunks_exact(2)
                .map(|v| u16::from_le_bytes([v[0], v[1]]))
                .find(unknown),
            Kind::Bits | Kind::Fraction(_) => None,
        };
        if let Some(value) = unlisted {
            return Err(ReadSegError::Malformed(format!(
                "pixels have value {value} and no segment has that number"
            )));
        }
        let series = items(object, tags::REFERENCED_SERIES_SEQUENCE).first();
        let referenced_instance_uids = series
            .map(|series| items(series, tags::REFERENCED_INSTANCE_SEQUENCE))
            .unwrap_or_default()
            .iter()
            .filter_map(|instance| text(instance, tags::REFERENCED_SOP_INSTANCE_UID))
            .collect();
        Ok(Self {
            sop_instance_uid: text(object, tags::SOP_INSTANCE_UID).unwrap_or_default(),
            referenced_series_uid: series.and_then(|s| text(s, tags::SERIES_INSTANCE_UID)),
            referenced_instance_uids,
            frame_of_reference_uid: text(object, tags::FRAME_OF_REFERENCE_UID),
            segments,
            plane,
            frames,
            kind,
            background,
            pixels,
        })
    }

    /// Number of frames.
    pub fn frame_count(&self) -> usize {
        self.frames.len()
    }
}

fn kind(object: &InMemDicomObject) -> Result<Kind, ReadSegError> {
    let kind = text(object, tags::SEGMENTATION_TYPE).unwrap_or_default();
    let bits = required(object, tags::BITS_ALLOCATED)?;
    match (kind.as_str(), bits) {
        ("BINARY", 1) => Ok(Kind::Bits),
        ("FRACTIONAL", 8) => {
            let most = whole(object, tags::MAXIMUM_FRACTIONAL_VALUE).unwrap_or(255);
            if !(1..=255).contains(&most) {
                return Err(ReadSegError::Malformed(format!(
                    "Maximum Fractional Value is {most}"
                )));
            }
            Ok(Kind::Fraction(most.div_ceil(2) as u16))
        }
        ("LABELMAP", 8) => Ok(Kind::Labels8),
        ("LABELMAP", 16) => Ok(Kind::Labels16),
        _ => Err(ReadSegError::Unsupported(format!(
            "Segmentation Type \"{kind}\" with {bits} bits a pixel"
        ))),
    }
}

/// The functional groups: those of each frame, and those all share.
struct Groups<'a> {
    shared: Option<&'a InMemDicomObject>,
    per_frame: Vec<Option<&'a InMemDicomObject>>,
}

impl<'a> Groups<'a> {
    fn read(object: &'a InMemDicomObject) -> Result<Self, ReadSegError> {
        let count = required(object, tags::NUMBER_OF_FRAMES)? as usize;
        let per_frame = items(object, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        // One frame may have everything among the shared groups.
        let per_frame: Vec<_> = if per_frame.is_empty() && count == 1 {
            vec![None]
        } else {
            per_frame.iter().map(Some).collect()
        };
        if count == 0 || per_frame.len() != count {
            return Err(ReadSegError::Malformed(format!(
                "it has {count} frames and functional groups of {}",
                per_frame.len()
            )));
        }
        Ok(Self {
            shared: items(object, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first(),
            per_frame,
        })
    }

    /// A macro's item for a frame, its own before the shared.
    fn find(&self, frame: usize, tag: Tag) -> Option<&'a InMemDicomObject> {
        let own = self.per_frame[frame].and_then(|groups| items(groups, tag).first());
        own.or_else(|| self.shared.and_then(|groups| items(groups, tag).first()))
    }
}

fn plane(object: &InMemDicomObject, groups: &Groups<'_>) -> Result<Plane, ReadSegError> {
    let of_frame = |frame: usize| -> Result<Plane, ReadSegError> {
        let missing = |missing| ReadSegError::NoPlace {
            frame: frame + 1,
            missing,
        };
        let [a, b, c, d, e, f] = groups
            .find(frame, tags::PLANE_ORIENTATION_SEQUENCE)
            .and_then(|item| numbers(item, tags::IMAGE_ORIENTATION_PATIENT))
            .ok_or_else(|| missing("Image Orientation (Patient)"))?;
        let measures = groups
            .find(frame, tags::PIXEL_MEASURES_SEQUENCE)
            .ok_or_else(|| missing("Pixel Measures Sequence"))?;
        let [between_rows, between_columns]: [f64; 2] = numbers(measures, tags::PIXEL_SPACING)
            .filter(|s: &[f64; 2]| s.iter().all(|s| *s > 0.0))
            .ok_or_else(|| missing("Pixel Spacing"))?;
        let axes: [Vec3; 2] = [[a, b, c], [d, e, f]];
        let upright = axes.iter().all(|axis| (norm(*axis) - 1.0).abs() < 1e-2);
        if !upright || dot(axes[0], axes[1]).abs() > 1e-2 {
            return Err(ReadSegError::Malformed(format!(
                "the directions of frame {} are no right angle",
                frame + 1
            )));
        }
        let [between] = numbers(measures, tags::SPACING_BETWEEN_SLICES).unwrap_or([f64::NAN]);
        Ok(Plane {
            columns: required(object, tags::COLUMNS)? as usize,
            rows: required(object, tags::ROWS)? as usize,
            axes: axes.map(|axis| axis.map(|v| v / norm(axis))),
            spacing: [between_columns, between_rows],
            between: (between > 0.0).then_some(between),
        })
    };
    let first = of_frame(0)?;
    if first.columns == 0 || first.rows == 0 {
        return Err(ReadSegError::Malformed("its frames have no pixels".into()));
    }
    for frame in 1..groups.per_frame.len() {
        let other = of_frame(frame)?;
        let turned = (0..2).any(|axis| dot(first.axes[axis], other.axes[axis]) < 1.0 - 1e-6);
        let scaled =
            (0..2).any(|axis| (other.spacing[axis] / first.spacing[axis] - 1.0).abs() > 1e-3);
        if turned || scaled {
            return Err(ReadSegError::Unsupported(format!(
                "frame {} has another orientation or pixel spacing than frame 1",
                frame + 1
            )));
        }
    }
    Ok(first)
}

fn frames(
    groups: &Groups<'_>,
    segments: &[Segment],
    kind: Kind,
) -> Result<Vec<SegFrame>, ReadSegError> {
    let known: HashSet<u16> = segments.iter().map(|s| s.number).collect();
    (0..groups.per_frame.len())
        .map(|frame| {
            let position = groups
                .find(frame, tags::PLANE_POSITION_SEQUENCE)
                .and_then(|item| numbers(item, tags::IMAGE_POSITION_PATIENT))
                .ok_or(ReadSegError::NoPlace {
                    frame: frame + 1,
                    missing: "Image Position (Patient)",
                })?;
            let segment = match kind {
                Kind::Labels8 | Kind::Labels16 => None,
                Kind::Bits | Kind::Fraction(_) => {
                    let number = groups
                        .find(frame, tags::SEGMENT_IDENTIFICATION_SEQUENCE)
                        .and_then(|item| whole(item, tags::REFERENCED_SEGMENT_NUMBER))
                        .and_then(|number| u16::try_from(number).ok())
                        .filter(|number| known.contains(number));
                    Some(number.ok_or_else(|| {
                        ReadSegError::Malformed(format!(
                            "frame {} belongs to no segment of the list",
                            frame + 1
                        ))
                    })?)
                }
            };
            Ok(SegFrame { position, segment })
        })
        .collect()
}

/// The segments, and the values of a label map that mean none of them.
fn segments(
    object: &InMemDicomObject,
    kind: Kind,
) -> Result<(Vec<Segment>, Vec<u16>), ReadSegError> {
    let label_map = matches!(kind, Kind::Labels8 | Kind::Labels16);
    let padding = whole(object, tags::PIXEL_PADDING_VALUE)
        .and_then(|value| u16::try_from(value).ok())
        .filter(|_| label_map);
    let mut background: Vec<u16> = padding.into_iter().collect();
    let mut seen = HashSet::new();
    let mut segments = Vec::new();
    for item in items(object, tags::SEGMENT_SEQUENCE) {
        let number = required(item, tags::SEGMENT_NUMBER)?;
        let number = u16::try_from(number)
            .ok()
            .filter(|&number| seen.insert(number))
            .ok_or_else(|| {
                ReadSegError::Malformed(format!("segment number {number} is not unique"))
            })?;
        // A label map lists its background too, under any number.
        let is_background = label_map
            && code(item, tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE)
                .is_some_and(|code| (code.value.as_str(), code.scheme.as_str()) == BACKGROUND);
        if is_background || padding == Some(number) {
            background.push(number);
        } else if number > 0 {
            segments.push(segment(number, item));
        } else if padding.is_some() {
            // Padding is something else, so that 0 is a structure; here it always means none.
            return Err(ReadSegError::Unsupported(
                "a label map in which 0 is a structure; number its segments from 1".into(),
            ));
        }
    }
    if segments.is_empty() {
        return Err(ReadSegError::Malformed("it lists no segment".into()));
    }
    Ok((segments, background))
}

fn segment(number: u16, item: &InMemDicomObject) -> Segment {
    let label = text(item, tags::SEGMENT_LABEL).unwrap_or_else(|| format!("Segment {number}"));
    let generic = SegmentDescription::or_generic(&label);
    let types = items(item, tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE).first();
    let region = items(item, tags::ANATOMIC_REGION_SEQUENCE).first();
    let known = |tag: Tag| -> Option<Code> { code(item, tag) };
    let algorithm = items(item, tags::SEGMENTATION_ALGORITHM_IDENTIFICATION_SEQUENCE).first();
    Segment {
        number,
        made_by: made_by(item, algorithm),
        algorithm_name: algorithm
            .and_then(|a| text(a, tags::ALGORITHM_NAME))
            .or_else(|| text(item, tags::SEGMENT_ALGORITHM_NAME))
            .unwrap_or_default(),
        algorithm_version: algorithm
            .and_then(|a| text(a, tags::ALGORITHM_VERSION))
            .unwrap_or_default(),
        references: Vec::new(),
        description: SegmentDescription {
            category: known(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE)
                .unwrap_or(generic.category),
            property_type: known(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE)
                .unwrap_or(generic.property_type),
            property_type_modifier: types
                .and_then(|t| code(t, tags::SEGMENTED_PROPERTY_TYPE_MODIFIER_CODE_SEQUENCE)),
            anatomic_region: known(tags::ANATOMIC_REGION_SEQUENCE),
            anatomic_region_modifier: region
                .and_then(|r| code(r, tags::ANATOMIC_REGION_MODIFIER_SEQUENCE)),
            color: color(item).unwrap_or(generic.color),
            label,
        },
    }
}

fn made_by(item: &InMemDicomObject, algorithm: Option<&InMemDicomObject>) -> MadeBy {
    let source = algorithm.and_then(|a| text(a, tags::ALGORITHM_SOURCE));
    match text(item, tags::SEGMENT_ALGORITHM_TYPE).as_deref() {
        Some("MANUAL") => MadeBy::Manual,
        Some("SEMIAUTOMATIC") => MadeBy::Semiautomatic,
        _ if source.is_some_and(|source| source.starts_with("irisnode ")) => MadeBy::Iris,
        _ => MadeBy::Automatic,
    }
}

fn color(item: &InMemDicomObject) -> Option<[u8; 3]> {
    let values = item
        .element(tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE)
        .ok()?
        .to_multi_int::<u16>()
        .ok()?;
    Some(srgb(values.try_into().ok()?))
}

impl Plane {
    /// The normal of every frame.
    pub(super) fn normal(&self) -> Vec3 {
        cross(self.axes[0], self.axes[1])
    }
}
