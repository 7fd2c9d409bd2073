//! What the header of an instance says of each of its slices.

use std::sync::Arc;

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::{InMemDicomObject, mem::InMemElement};

use super::modality_lut::ModalityLut;
use super::traits::{Trait, traits_of};
use super::{AssembleError, suv};
use crate::volume::Vec3;

/// One slice: an instance, or one frame of a multi-frame instance.
#[derive(Debug, Clone)]
pub(super) struct SliceHeader {
    /// Index of the file among those given.
    pub(super) file: usize,
    /// Frame number from 1 when the instance is multi-frame.
    pub(super) frame: Option<u32>,
    pub(super) instance_number: Option<i64>,
    pub(super) sop_class_uid: String,
    pub(super) sop_instance_uid: String,
    pub(super) series_instance_uid: String,
    pub(super) frame_of_reference_uid: String,
    pub(super) localiser: bool,
    /// Columns, rows.
    pub(super) size: [usize; 2],
    /// Distance between columns, between rows, mm.
    pub(super) spacing: [f64; 2],
    /// Row and column direction.
    pub(super) orientation: [Vec3; 2],
    pub(super) position: Vec3,
    pub(super) stored: StoredPixels,
    pub(super) rescale: Rescale,
    /// The table that takes the place of the rescaling.
    pub(super) lut: Option<Arc<ModalityLut>>,
    /// For PT: what makes stored values SUV by body weight, or why nothing does.
    pub(super) suv: Option<Result<Rescale, String>>,
    /// What may tell it apart from another slice at its place.
    pub(super) traits: Vec<Trait>,
}

/// How numbers are stored in pixel cells (PS3.5 section 8.1.1).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StoredPixels {
    pub(super) bits_allocated: u32,
    pub(super) bits_stored: u32,
    pub(super) high_bit: u32,
    pub(super) signed: bool,
    /// High values are dark and the modality's numbers have no unit.
    pub(super) inverted: bool,
    /// Pixel Padding Value, to Pixel Padding Range Limit, in ascending order.
    pub(super) padding: Option<[i64; 2]>,
}

/// Stored value to modality value (PS3.3 C.11.1).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rescale {
    pub(super) slope: f64,
    pub(super) intercept: f64,
    /// Rescale Type, or `none`.
    pub(super) unit: String,
}

impl SliceHeader {
    /// `image 12` or `image 1, frame 7`, by Instance Number where there is one.
    pub(super) fn name(&self) -> String {
        name(self.instance_number, self.frame)
    }
}

fn name(instance_number: Option<i64>, frame: Option<u32>) -> String {
    let image = match instance_number {
        Some(number) => format!("image {number}"),
        None => "an image without a number".into(),
    };
    match frame {
        Some(frame) => format!("{image}, frame {frame}"),
        None => image,
    }
}

/// The slices of one instance: one, or one per frame of an enhanced multi-frame instance.
pub(super) fn slices_of(
    file: usize,
    object: &InMemDicomObject,
) -> Result<Vec<SliceHeader>, AssembleError> {
    let instance_number = integer(object, tags::INSTANCE_NUMBER);
    let frames = integer(object, tags::NUMBER_OF_FRAMES).unwrap_or(1);
    let enhanced = object.get(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
    let Some(enhanced) = enhanced else {
        if frames > 1 {
            return Err(AssembleError::Unsupported {
                slice: name(instance_number, None),
                reason: format!(
                    "it has {frames} frames but no Per-Frame Functional Groups Sequence to say where each lies"
                ),
            });
        }
        return Source {
            object,
            groups: Vec::new(),
            instance_number,
            frame: None,
        }
        .slice(file)
        .map(|slice| vec![slice]);
    };
    let per_frame = enhanced.items().unwrap_or_default();
    if per_frame.len() as i64 != frames {
        return Err(AssembleError::Unsupported {
            slice: name(instance_number, None),
            reason: format!(
                "it has {frames} frames and functional groups for {}",
                per_frame.len()
            ),
        });
    }
    let shared = object
        .get(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE)
        .and_then(|e| e.items())
        .and_then(<[_]>::first);
    per_frame
        .iter()
        .zip(1..)
        .map(|(own, frame)| {
            Source {
                object,
                groups: std::iter::once(own).chain(shared).collect(),
                instance_number,
                frame: Some(frame),
            }
            .slice(file)
        })
        .collect()
}

/// Where the attributes of one slice are found: the frame's functional groups, the shared ones, the data set.
struct Source<'a> {
    object: &'a InMemDicomObject,
    groups: Vec<&'a InMemDicomObject>,
    instance_number: Option<i64>,
    frame: Option<u32>,
}

impl Source<'_> {
    fn slice(&self, file: usize) -> Result<SliceHeader, AssembleError> {
        let object = self.object;
        let modality = text(object, tags::MODALITY);
        if integer(object, tags::SAMPLES_PER_PIXEL).unwrap_or(1) != 1 {
            return Err(self.unsupported("it is a colour image; a volume has one number per pixel"));
        }
        let photometric = text(object, tags::PHOTOMETRIC_INTERPRETATION);
        if !photometric.starts_with("MONOCHROME") {
            return Err(
                self.unsupported("it is not a monochrome image; a volume has one number per pixel")
            );
        }
        let size = [
            self.count(tags::COLUMNS, "Columns")?,
            self.count(tags::ROWS, "Rows")?,
        ];
        let spacing = self.numbers::<2>(
            tags::PIXEL_MEASURES_SEQUENCE,
            tags::PIXEL_SPACING,
            "PixelSpacing",
        )?;
        if spacing.iter().any(|&s| !(1e-4..1e4).contains(&s)) {
            return Err(self.attribute("PixelSpacing"));
        }
        let o = self.numbers::<6>(
            tags::PLANE_ORIENTATION_SEQUENCE,
            tags::IMAGE_ORIENTATION_PATIENT,
            "ImageOrientationPatient",
        )?;
        let position = self.numbers::<3>(
            tags::PLANE_POSITION_SEQUENCE,
            tags::IMAGE_POSITION_PATIENT,
            "ImagePositionPatient",
        )?;
        let stored = self.stored()?;
        let lut = self.modality_lut(stored.signed)?;
        let rescale = self.rescale(&modality, lut.as_ref())?;
        // CT numbers are Hounsfield units and PET activity whichever way they are shown.
        let has_unit = modality == "CT" || modality == "PT";
        let suv = (modality == "PT").then(|| match &lut {
            None => suv::rescale_to_suv(object, &self.groups, &rescale),
            Some(_) => Err("its values come from a Modality LUT".into()),
        });
        Ok(SliceHeader {
            file,
            frame: self.frame,
            instance_number: self.instance_number,
            sop_class_uid: text(object, tags::SOP_CLASS_UID),
            sop_instance_uid: text(object, tags::SOP_INSTANCE_UID),
            series_instance_uid: text(object, tags::SERIES_INSTANCE_UID),
            frame_of_reference_uid: text(object, tags::FRAME_OF_REFERENCE_UID),
            localiser: text(object, tags::IMAGE_TYPE)
                .split('\\')
                .any(|value| value.trim() == "LOCALIZER"),
            size,
            // Pixel Spacing is given as the distance between rows, then between columns (PS3.3 10.7.1.3).
            spacing: [spacing[1], spacing[0]],
            orientation: [[o[0], o[1], o[2]], [o[3], o[4], o[5]]],
            position,
            stored: StoredPixels {
                // A table says of every stored value what it is.
                inverted: photometric == "MONOCHROME1" && !has_unit && lut.is_none(),
                ..stored
            },
            rescale,
            lut: lut.map(Arc::new),
            suv,
            traits: traits_of(object, &self.groups, self.frame),
        })
    }

    fn modality_lut(&self, signed: bool) -> Result<Option<ModalityLut>, AssembleError> {
        let sequence = self.object.get(tags::MODALITY_LUT_SEQUENCE);
        let Some(item) = sequence.and_then(|s| s.items()).and_then(<[_]>::first) else {
            return Ok(None);
        };
        ModalityLut::read(item, signed)
            .map(Some)
            .map_err(|reason| self.unsupported(&reason))
    }

    fn stored(&self) -> Result<StoredPixels, AssembleError> {
        let bits_allocated = self.count(tags::BITS_ALLOCATED, "BitsAllocated")? as u32;
        if ![8, 16, 32].contains(&bits_allocated) {
            return Err(self.unsupported(&format!(
                "its pixels have {bits_allocated} bits; 8, 16 and 32 are supported"
            )));
        }
        let bits_stored =
            integer(self.object, tags::BITS_STORED).unwrap_or(i64::from(bits_allocated));
        if bits_stored < 1 || bits_stored > i64::from(bits_allocated) {
            return Err(self.attribute("BitsStored"));
        }
        let high_bit = integer(self.object, tags::HIGH_BIT).unwrap_or(bits_stored - 1);
        if high_bit < bits_stored - 1 || high_bit >= i64::from(bits_allocated) {
            return Err(self.attribute("HighBit"));
        }
        let signed = integer(self.object, tags::PIXEL_REPRESENTATION) == Some(1);
        // They have the sign of the pixels (PS3.3 C.7.5.1.1.2), which implicit VR files and some writers lose.
        let with_sign = |value: i64| match (signed, bits_allocated) {
            (true, 16) if value > 0x7FFF => value - 0x1_0000,
            (false, 16) if value < 0 => value + 0x1_0000,
            _ => value,
        };
        let padding = integer(self.object, tags::PIXEL_PADDING_VALUE).map(|value| {
            let limit = integer(self.object, tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(value);
            let (value, limit) = (with_sign(value), with_sign(limit));
            [value.min(limit), value.max(limit)]
        });
        Ok(StoredPixels {
            bits_allocated,
            bits_stored: bits_stored as u32,
            high_bit: high_bit as u32,
            signed,
            inverted: false,
            padding,
        })
    }

    fn rescale(&self, modality: &str, lut: Option<&ModalityLut>) -> Result<Rescale, AssembleError> {
        let find = |tag| self.find(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, tag);
        let slope = find(tags::RESCALE_SLOPE);
        let intercept = find(tags::RESCALE_INTERCEPT);
        if let Some(lut) = lut {
            // One or the other (PS3.3 C.11.1): both would be two answers.
            if slope.is_some() || intercept.is_some() {
                return Err(self.unsupported(
                    "it has both a Modality LUT Sequence and a rescaling, which exclude one another",
                ));
            }
            return Ok(Rescale {
                slope: 1.0,
                intercept: 0.0,
                unit: lut.unit.clone(),
            });
        }
        if modality == "CT" {
            // Without them nobody knows what is water.
            slope.ok_or_else(|| self.attribute("RescaleSlope"))?;
            intercept.ok_or_else(|| self.attribute("RescaleIntercept"))?;
        }
        let number = |element: Option<&InMemElement>, otherwise: f64, keyword| match element {
            None => Ok(otherwise),
            Some(element) => {
                let value = element.to_float64().ok().filter(|x| x.is_finite());
                value.ok_or_else(|| self.attribute(keyword))
            }
        };
        let slope_value = number(slope, 1.0, "RescaleSlope")?;
        if slope_value == 0.0 {
            return Err(self.attribute("RescaleSlope"));
        }
        let unit = match find(tags::RESCALE_TYPE).and_then(|e| e.to_str().ok()) {
            Some(unit) if !unit.trim().is_empty() => unit.trim().to_owned(),
            // CT is in Hounsfield units when it does not say otherwise (PS3.3 C.8.2.1).
            _ if modality == "CT" => "HU".into(),
            _ if modality == "PT" && !text(self.object, tags::UNITS).is_empty() => {
                text(self.object, tags::UNITS)
            }
            _ if slope.is_some() => "unspecified".into(),
            _ => "none".into(),
        };
        Ok(Rescale {
            slope: slope_value,
            intercept: number(intercept, 0.0, "RescaleIntercept")?,
            unit,
        })
    }

    /// An attribute in its functional group, or where a single-frame instance has it.
    fn find(&self, group: Tag, tag: Tag) -> Option<&InMemElement> {
        let in_groups = self.groups.iter().find_map(|groups| {
            let item = groups.get(group)?.items()?.first()?;
            item.get(tag)
        });
        in_groups.or_else(|| self.object.get(tag))
    }

    fn numbers<const N: usize>(
        &self,
        group: Tag,
        tag: Tag,
        keyword: &'static str,
    ) -> Result<[f64; N], AssembleError> {
        let numbers = self
            .find(group, tag)
            .and_then(|e| e.to_multi_float64().ok());
        numbers
            .filter(|numbers| numbers.iter().all(|x| x.is_finite()))
            .and_then(|numbers| numbers.try_into().ok())
            .ok_or_else(|| self.attribute(keyword))
    }

    fn count(&self, tag: Tag, keyword: &'static str) -> Result<usize, AssembleError> {
        let value = integer(self.object, tag).filter(|n| (1..=65535).contains(n));
        value
            .map(|n| n as usize)
            .ok_or_else(|| self.attribute(keyword))
    }

    fn attribute(&self, attribute: &'static str) -> AssembleError {
        AssembleError::Attribute {
            slice: name(self.instance_number, self.frame),
            attribute,
        }
    }

    fn unsupported(&self, reason: &str) -> AssembleError {
        AssembleError::Unsupported {
            slice: name(self.instance_number, self.frame),
            reason: reason.into(),
        }
    }
}

/// A text value without its padding; empty when absent.
pub(super) fn text(object: &InMemDicomObject, tag: Tag) -> String {
    let value = object.get(tag).and_then(|e| e.to_str().ok());
    value
        .map(|v| v.trim_end_matches('\0').trim().to_owned())
        .unwrap_or_default()
}

/// A whole number; `None` when absent or none.
pub(super) fn integer(object: &InMemDicomObject, tag: Tag) -> Option<i64> {
    object.get(tag).and_then(|e| e.to_int::<i64>().ok())
}
