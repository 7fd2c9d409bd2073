//! Whether two segments are the same structure: by their codes, else by their names.

use crate::tasks::same_name;
use crate::terminology::{Code, SegmentDescription};

/// Property types that say nothing of which structure it is: what viewers write when nobody chose.
const GENERIC: [(&str, &str); 8] = [
    ("85756007", "SCT"),  // Tissue
    ("T-D0050", "SRT"),   // Tissue
    ("91723000", "SCT"),  // Anatomical structure
    ("T-D000A", "SRT"),   // Anatomical structure
    ("123037004", "SCT"), // Body structure
    ("T-D0010", "SRT"),   // Body structure
    ("49755003", "SCT"),  // Morphologically abnormal structure
    ("M-01000", "SRT"),   // Morphologically abnormal structure
];

/// What shows that two segments are the same structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Their codes.
    Code,
    /// Their names; one of them has no code that says which structure it is, or they are of different schemes.
    Name,
}

/// Whether two segments are the same structure, and what shows it.
///
/// Codes decide where both say which structure it is: property type with its modifier, anatomic region with its own. A
/// finding without a region says so only together with its name: a tumour may be of any organ.
pub(super) fn same_structure(
    one: &SegmentDescription,
    other: &SegmentDescription,
) -> Option<Basis> {
    let (named, coded) = (
        same_name(&one.label, &other.label),
        is_coded(one) && is_coded(other) && one.property_type.scheme == other.property_type.scheme,
    );
    if !coded {
        return named.then_some(Basis::Name);
    }
    let same_code = code(&one.property_type) == code(&other.property_type)
        && same(&one.property_type_modifier, &other.property_type_modifier)
        && same(&one.anatomic_region, &other.anatomic_region)
        && same(
            &one.anatomic_region_modifier,
            &other.anatomic_region_modifier,
        );
    let tells_place = one.is_anatomical() || one.anatomic_region.is_some();
    (same_code && (tells_place || named)).then_some(Basis::Code)
}

/// Whether its property type says which structure it is.
pub(super) fn is_coded(segment: &SegmentDescription) -> bool {
    !GENERIC.contains(&code(&segment.property_type))
}

fn code(code: &Code) -> (&str, &str) {
    (code.value.as_str(), code.scheme.as_str())
}

fn same(one: &Option<Code>, other: &Option<Code>) -> bool {
    one.as_ref().map(code) == other.as_ref().map(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> SegmentDescription {
        SegmentDescription::for_name(name).unwrap()
    }

    fn named(label: &str, of: SegmentDescription) -> SegmentDescription {
        SegmentDescription {
            label: label.into(),
            ..of
        }
    }

    #[test]
    fn codes_decide_where_both_have_one_and_names_elsewhere() {
        let spleen = known("spleen");
        let mine = named("Milz", spleen.clone());
        assert_eq!(same_structure(&spleen, &mine), Some(Basis::Code));
        // The same word for something else.
        let wrong = named("spleen", known("liver"));
        assert_eq!(same_structure(&spleen, &wrong), None);
        assert_eq!(
            same_structure(&known("kidney_left"), &known("kidney_right")),
            None
        );
        // As OHIF writes it when nobody chose a code.
        let plain = SegmentDescription::or_generic("spleen xyz");
        assert_eq!(
            same_structure(&named("SPLEEN", plain.clone()), &spleen),
            Some(Basis::Name)
        );
        assert_eq!(same_structure(&plain, &spleen), None);
    }

    #[test]
    fn a_finding_that_does_not_say_where_is_known_by_its_name_too() {
        let abnormal = Code::new("49755003", "SCT", "Morphologically abnormal structure");
        let tumour = |label: &str| SegmentDescription {
            category: abnormal.clone(),
            property_type: Code::new("108369006", "SCT", "Neoplasm"),
            ..named(label, SegmentDescription::or_generic(label))
        };
        assert_eq!(
            same_structure(&tumour("liver tumour"), &tumour("Liver-Tumour")),
            Some(Basis::Code)
        );
        assert_eq!(
            same_structure(&tumour("liver tumour"), &tumour("lung tumour")),
            None
        );
    }
}
