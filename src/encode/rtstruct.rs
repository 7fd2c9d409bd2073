//! Reading an RT Structure Set (PS3.3 A.19): named regions of interest (ROIs), each a set of contours.

use super::attribute::{code, items, text};
use super::rtstruct_error::ReadRtStructError;
use crate::assemble::read_object;
use crate::terminology::SegmentDescription;
use crate::volume::Vec3;
use dicom_core::VR;
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// Most points of all contours together.
const MOST_POINTS: usize = 10_000_000;
/// Farther from the origin than this, mm, there is no patient.
const FARTHEST: f64 = 1e6;

/// An RT Structure Set as it lies in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct RtStruct {
    /// SOP Instance UID (0008,0018).
    pub sop_instance_uid: String,
    /// The ROIs that have an area: at least one closed planar contour. Points, open lines and empty ROIs are no
    /// labels and are left out.
    pub rois: Vec<Roi>,
}

/// A region of interest.
#[derive(Debug, Clone, PartialEq)]
pub struct Roi {
    /// ROI Number (3006,0022); where the file has one that is not from 1 to 65535, its ROIs are counted from 1.
    pub number: u16,
    /// ROI Name (3006,0026), its colour, its code or the code of that name.
    pub description: SegmentDescription,
    /// Frame of Reference UID that its points are given in, where the file says so.
    pub frame_of_reference_uid: Option<String>,
    /// Closed planar contours, LPS, mm; the last point is joined to the first.
    pub(super) contours: Vec<Vec<Vec3>>,
}

impl Roi {
    /// Its name, for a sentence.
    pub(super) fn name(&self) -> String {
        self.description.label.clone()
    }
}

/// Reads an RT Structure Set.
///
/// Contours of type CLOSED_PLANAR and CLOSEDPLANAR_XOR are read (PS3.3 C.8.8.6.1). A CLOSED_PLANAR contour that an
/// ROI has twice, point for point, counts once: some writers repeat one, and taken twice it would cancel itself.
///
/// # Errors
/// When the file is no RT Structure Set, is damaged, has no area, or more than ten million points.
pub fn read_rtstruct(path: &Path) -> Result<RtStruct, ReadRtStructError> {
    let object = read_object(path)?;
    RtStruct::from_object(&object)
}

/// What the ROI Contour Sequence says of an ROI.
#[derive(Default)]
struct Drawn {
    color: Option<[u8; 3]>,
    contours: Vec<Vec<Vec3>>,
}

impl RtStruct {
    /// Reads an RT Structure Set that is in memory; as [`read_rtstruct`].
    pub fn from_object(object: &InMemDicomObject) -> Result<Self, ReadRtStructError> {
        let class = text(object, tags::SOP_CLASS_UID).unwrap_or_default();
        if class != uids::RT_STRUCTURE_SET_STORAGE {
            return Err(ReadRtStructError::OtherClass(class));
        }
        let listed = items(object, tags::STRUCTURE_SET_ROI_SEQUENCE);
        let mut numbers: Vec<i64> = Vec::new();
        for item in listed {
            numbers.push(number(item, tags::ROI_NUMBER, "an ROI has no number")?);
        }
        let mut seen = HashSet::new();
        if let Some(twice) = numbers.iter().find(|&&number| !seen.insert(number)) {
            return Err(ReadRtStructError::Malformed(format!(
                "two ROIs have number {twice}"
            )));
        }
        let mut drawn = drawn(object, &names(listed, &numbers))?;
        let codes: BTreeMap<i64, &InMemDicomObject> =
            items(object, tags::RTROI_OBSERVATIONS_SEQUENCE)
                .iter()
                .filter_map(|item| {
                    let number = item.element(tags::REFERENCED_ROI_NUMBER).ok()?;
                    Some((number.to_int().ok()?, item))
                })
                .collect();
        let frames = items(object, tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE);
        let only_frame = match frames {
            [one] => text(one, tags::FRAME_OF_REFERENCE_UID),
            _ => text(object, tags::FRAME_OF_REFERENCE_UID),
        };
        let own = |number: &i64| u16::try_from(*number).ok().filter(|&n| n > 0);
        let numbered = numbers.iter().all(|number| own(number).is_some());
        let mut rois = Vec::new();
        for (at, (item, number)) in listed.iter().zip(&numbers).enumerate() {
            let Some(Drawn { color, contours }) = drawn.remove(number) else {
                continue;
            };
            if contours.is_empty() {
                continue;
            }
            let taken = if numbered {
                own(number)
            } else {
                u16::try_from(at + 1).ok()
            };
            let Some(taken) = taken else {
                return Err(ReadRtStructError::TooLarge("more than 65535 ROIs".into()));
            };
            let name = text(item, tags::ROI_NAME).unwrap_or_else(|| format!("ROI {taken}"));
            let known = SegmentDescription::or_generic(&name);
            let coded = codes
                .get(number)
                .and_then(|item| code(item, tags::RTROI_IDENTIFICATION_CODE_SEQUENCE));
            rois.push(Roi {
                number: taken,
                description: SegmentDescription {
                    label: name,
                    property_type: coded.unwrap_or(known.property_type),
                    color: color.unwrap_or(known.color),
                    ..known
                },
                frame_of_reference_uid: text(item, tags::REFERENCED_FRAME_OF_REFERENCE_UID)
                    .or_else(|| only_frame.clone()),
                contours,
            });
        }
        if rois.is_empty() {
            return Err(ReadRtStructError::NoArea);
        }
        Ok(Self {
            sop_instance_uid: text(object, tags::SOP_INSTANCE_UID).unwrap_or_default(),
            rois,
        })
    }
}

/// The name of each ROI number, for sentences.
fn names(listed: &[InMemDicomObject], numbers: &[i64]) -> BTreeMap<i64, String> {
    let named = listed.iter().zip(numbers).map(|(item, &number)| {
        let name = text(item, tags::ROI_NAME).unwrap_or_else(|| number.to_string());
        (number, name)
    });
    named.collect()
}

/// Contours and colours by ROI number.
fn drawn(
    object: &InMemDicomObject,
    names: &BTreeMap<i64, String>,
) -> Result<BTreeMap<i64, Drawn>, ReadRtStructError> {
    let mut all: BTreeMap<i64, Drawn> = BTreeMap::new();
    let mut left = MOST_POINTS;
    for item in items(object, tags::ROI_CONTOUR_SEQUENCE) {
        let of = number(
            item,
            tags::REFERENCED_ROI_NUMBER,
            "contours belong to no ROI",
        )?;
        let Some(name) = names.get(&of) else {
            return Err(ReadRtStructError::Malformed(format!(
                "contours belong to ROI {of}, which is not in its list"
            )));
        };
        let roi = all.entry(of).or_default();
        roi.color = roi.color.or_else(|| color(item));
        let mut plain = HashSet::new();
        for contour in items(item, tags::CONTOUR_SEQUENCE) {
            let kind = text(contour, tags::CONTOUR_GEOMETRIC_TYPE).unwrap_or_default();
            let repeats = match kind.as_str() {
                "CLOSED_PLANAR" => false,
                "CLOSEDPLANAR_XOR" => true,
                _ => continue,
            };
            let points = points(contour, name)?;
            left = left.checked_sub(points.len()).ok_or_else(|| {
                ReadRtStructError::TooLarge(format!("more than {MOST_POINTS} points"))
            })?;
            let bits: Vec<_> = points.iter().map(|point| point.map(f64::to_bits)).collect();
            if !points.is_empty() && (repeats || plain.insert(bits)) {
                roi.contours.push(points);
            }
        }
    }
    Ok(all)
}

/// The points of a contour, LPS, mm.
fn points(contour: &InMemDicomObject, roi: &str) -> Result<Vec<Vec3>, ReadRtStructError> {
    let damaged =
        |what: &str| ReadRtStructError::Malformed(format!("a contour of ROI `{roi}` {what}"));
    let Ok(element) = contour.element(tags::CONTOUR_DATA) else {
        return Ok(Vec::new());
    };
    // A contour longer than the 65534 bytes that explicit VR has for DS is written as UN (PS3.5 6.2.2).
    let text = if element.vr() == VR::UN {
        let bytes = element.to_bytes().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    } else {
        element.to_str().unwrap_or_default().into_owned()
    };
    let text = text.trim_matches([' ', '\0']);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let values = text.split('\\').map(|value| value.trim().parse().ok());
    let values: Option<Vec<f64>> = values.collect();
    let values = values.ok_or_else(|| damaged("has coordinates that are no numbers"))?;
    if values.iter().any(|v| v.is_nan() || v.abs() > FARTHEST) {
        return Err(damaged("has coordinates that are no place in a patient"));
    }
    let (points, rest) = values.as_chunks::<3>();
    if !rest.is_empty() {
        return Err(damaged("has a point without three coordinates"));
    }
    let count = contour.element(tags::NUMBER_OF_CONTOUR_POINTS).ok();
    let count = count.and_then(|count| count.to_int::<u64>().ok());
    if count.is_some_and(|count| count != points.len() as u64) {
        return Err(damaged(
            "has not as many points as its Number of Contour Points says",
        ));
    }
    Ok(points.to_vec())
}

fn number(
    item: &InMemDicomObject,
    tag: dicom_core::Tag,
    missing: &str,
) -> Result<i64, ReadRtStructError> {
    let number = item.element(tag).ok().and_then(|n| n.to_int().ok());
    number.ok_or_else(|| ReadRtStructError::Malformed(missing.to_owned()))
}

/// ROI Display Color (3006,002A).
fn color(item: &InMemDicomObject) -> Option<[u8; 3]> {
    let values = item.element(tags::ROI_DISPLAY_COLOR).ok()?;
    let values: Vec<i64> = values.to_multi_int().ok()?;
    let [r, g, b] = <[i64; 3]>::try_from(values).ok()?;
    Some([
        u8::try_from(r).ok()?,
        u8::try_from(g).ok()?,
        u8::try_from(b).ok()?,
    ])
}
