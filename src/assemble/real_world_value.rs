//! Real World Value Mapping (PS3.3 C.7.6.16.2.11): what stored values are in the world, with a unit.

use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::slice_header::{Rescale, text};

/// What makes stored values those of the world in `unit`, a code of UCUM; `None` when no mapping does. `groups` are the
/// functional groups of a frame, its own first; a classic image has its mappings in the data set. A mapping is taken to go
/// on beyond the stored values that it was given for.
///
/// # Errors
/// When there are several that differ, or one that is no line.
pub(super) fn to_world(
    object: &InMemDicomObject,
    groups: &[&InMemDicomObject],
    unit: &str,
) -> Result<Option<Rescale>, String> {
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
        let line = Rescale {
            slope,
            intercept,
            unit: unit.into(),
        };
        if found.as_ref().is_some_and(|other| *other != line) {
            return Err(format!(
                "it has several Real World Value Mappings to {unit}"
            ));
        }
        found = Some(line);
    }
    Ok(found)
}

fn unit_of(mapping: &InMemDicomObject) -> String {
    let code = mapping
        .get(tags::MEASUREMENT_UNITS_CODE_SEQUENCE)
        .and_then(|sequence| sequence.items()?.first());
    code.map_or_else(String::new, |code| text(code, tags::CODE_VALUE))
}
