//! Real World Value Mapping (PS3.3 C.7.6.16.2.11): what stored values are in the world, with a unit.

use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::slice_header::{Rescale, text};

/// A line from stored values to values in the world. It is taken to go on beyond the stored values it was given for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RealWorldValue {
    slope: f64,
    intercept: f64,
}

impl RealWorldValue {
    /// The mapping to values in `unit`, a code of UCUM; `None` when there is none. `groups` are the functional groups
    /// of a frame, its own first; a classic image has its mappings in the data set.
    ///
    /// # Errors
    /// When there are several that differ, or one that is no line.
    pub(super) fn of_unit(
        object: &InMemDicomObject,
        groups: &[&InMemDicomObject],
        unit: &str,
    ) -> Result<Option<Self>, String> {
        let mappings = groups
            .iter()
            .chain([&object])
            .find_map(|place| place.get(tags::REAL_WORLD_VALUE_MAPPING_SEQUENCE)?.items())
            .unwrap_or_default();
        let mut found = None;
        for mapping in mappings.iter().filter(|item| unit_of(item) == unit) {
            let of = |tag| mapping.get(tag).and_then(|e| e.to_float64().ok());
            let line = of(tags::REAL_WORLD_VALUE_SLOPE)
                .zip(of(tags::REAL_WORLD_VALUE_INTERCEPT))
                .filter(|(slope, intercept)| {
                    slope.is_finite() && *slope != 0.0 && intercept.is_finite()
                });
            let Some((slope, intercept)) = line else {
                return Err(format!(
                    "its Real World Value Mapping to {unit} has no slope and intercept"
                ));
            };
            let line = Self { slope, intercept };
            if found.replace(line).is_some_and(|other| other != line) {
                return Err(format!(
                    "it has several Real World Value Mappings to {unit}"
                ));
            }
        }
        Ok(found)
    }

    /// What makes stored values those of the world, times `factor`.
    pub(super) fn times(self, factor: f64, unit: &str) -> Rescale {
        Rescale {
            slope: self.slope * factor,
            intercept: self.intercept * factor,
            unit: unit.into(),
        }
    }
}

fn unit_of(mapping: &InMemDicomObject) -> String {
    let code = mapping
        .get(tags::MEASUREMENT_UNITS_CODE_SEQUENCE)
        .and_then(|sequence| sequence.items()?.first());
    code.map_or_else(String::new, |code| text(code, tags::CODE_VALUE))
}
