//! Known structures: the names of TotalSegmentator's classes and a few findings, with their codes.
//!
//! `structures.tsv` holds SNOMED CT codes as DICOM's context groups list them (CID 7151 and others); those that no
//! context group lists (single ribs, gluteal, iliopsoas and deep back muscles, S1, portal and splenic vein together)
//! are the ones TotalSegmentator publishes. A structure whose code is in doubt is not in the table.

use super::{Code, SegmentDescription};
use std::collections::HashMap;
use std::sync::LazyLock;

const TABLE: &str = include_str!("structures.tsv");

/// From every spelling of a name to its description.
static STRUCTURES: LazyLock<HashMap<String, SegmentDescription>> = LazyLock::new(|| {
    let mut structures = HashMap::new();
    for line in TABLE.lines().skip(1) {
        if let Some((name, described)) = read(line) {
            structures.insert(key(&described.label), described.clone());
            structures.insert(key(name), described);
        }
    }
    structures
});

impl SegmentDescription {
    /// The description of a structure known by name, such as `kidney_left`, `Left kidney` or `vertebrae_L1`.
    pub fn for_name(name: &str) -> Option<Self> {
        STRUCTURES.get(&key(name)).cloned()
    }

    /// The description of a structure by name; where the name is unknown, tissue that carries the name as its label.
    pub fn or_generic(name: &str) -> Self {
        Self::for_name(name).unwrap_or_else(|| {
            let tissue = Code::new("85756007", "SCT", "Tissue");
            Self {
                label: name.trim().to_owned(),
                category: tissue.clone(),
                property_type: tissue,
                property_type_modifier: None,
                anatomic_region: None,
                anatomic_region_modifier: None,
                color: color_of(name),
            }
        })
    }
}

/// One spelling for all: lower case, British to American, sides last.
fn key(name: &str) -> String {
    let plain = name
        .trim()
        .to_lowercase()
        .replace([' ', '-', '.'], "_")
        .replace("oesophagus", "esophagus")
        .replace("oedema", "edema")
        .replace("tumour", "tumor");
    let plain = match plain.as_str() {
        "bladder" => "urinary_bladder",
        "thyroid" => "thyroid_gland",
        "bowel" | "small_intestine" => "small_bowel",
        "ivc" => "inferior_vena_cava",
        other => other,
    };
    for side in ["left", "right"] {
        if let Some(rest) = plain.strip_prefix(&format!("{side}_")) {
            return format!("{rest}_{side}");
        }
    }
    plain.to_owned()
}

fn read(line: &str) -> Option<(&str, SegmentDescription)> {
    let mut columns = line.split('\t');
    let mut next = || columns.next();
    let (name, label, category) = (next()?, next()?, next()?);
    let property_type = Code::new(next()?, "SCT", next()?);
    let side = match next()? {
        "L" => Some(Code::new("7771000", "SCT", "Left")),
        "R" => Some(Code::new("24028007", "SCT", "Right")),
        _ => None,
    };
    let (region, meaning) = (next()?, next()?);
    let anatomic_region = (region != "-").then(|| Code::new(region, "SCT", meaning));
    let color = u32::from_str_radix(next()?, 16).ok()?.to_be_bytes();
    let category = match category {
        "A" => Code::new(super::ANATOMICAL_STRUCTURE, "SCT", "Anatomical Structure"),
        _ => Code::new("49755003", "SCT", "Morphologically Abnormal Structure"),
    };
    // The side is the side of the organ: of the finding's region where the type is a finding.
    let (property_type_modifier, anatomic_region_modifier) = if anatomic_region.is_some() {
        (None, side)
    } else {
        (side, None)
    };
    let described = SegmentDescription {
        label: label.to_owned(),
        category,
        property_type,
        property_type_modifier,
        anatomic_region,
        anatomic_region_modifier,
        color: [color[1], color[2], color[3]],
    };
    Some((name, described))
}

/// A lively colour that follows from the name (FNV-1a chooses the hue).
fn color_of(name: &str) -> [u8; 3] {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let (sector, part) = (hash % 6, (hash / 6 % 160) as u8);
    let (low, rising, falling, high) = (60, 60 + part, 220 - part, 220);
    match sector {
        0 => [high, rising, low],
        1 => [falling, high, low],
        2 => [low, high, rising],
        3 => [low, falling, high],
        4 => [rising, low, high],
        _ => [high, low, falling],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_side_is_a_modifier_whichever_way_it_is_written() {
        let kidney = SegmentDescription::for_name("kidney_left").unwrap();
        assert_eq!(kidney.property_type.value, "64033007");
        assert_eq!(
            kidney.property_type_modifier.as_ref().unwrap().meaning,
            "Left"
        );
        assert_eq!(SegmentDescription::for_name("Left kidney").unwrap(), kidney);
        let cyst = SegmentDescription::for_name("kidney_cyst_right").unwrap();
        assert_eq!(cyst.category.value, "49755003");
        assert_eq!(cyst.anatomic_region.unwrap().value, "64033007");
        assert_eq!(cyst.anatomic_region_modifier.unwrap().meaning, "Right");
    }

    #[test]
    fn british_and_american_spelling_are_one() {
        for (british, american) in [
            ("oesophagus", "esophagus"),
            ("tumour", "tumor"),
            ("oedema", "edema"),
        ] {
            assert_eq!(
                SegmentDescription::for_name(british).unwrap(),
                SegmentDescription::for_name(american).unwrap()
            );
        }
    }

    #[test]
    fn an_unknown_name_stays_the_label() {
        assert_eq!(SegmentDescription::for_name("zebra"), None);
        let zebra = SegmentDescription::or_generic("zebra");
        assert_eq!(
            (zebra.label.as_str(), zebra.property_type.value.as_str()),
            ("zebra", "85756007")
        );
        assert_ne!(
            zebra.color,
            SegmentDescription::or_generic("crossing").color
        );
    }

    #[test]
    fn every_line_of_the_table_is_sound() {
        let mut colors = HashSet::new();
        for line in TABLE.lines().skip(1) {
            let (name, described) = read(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(
                SegmentDescription::for_name(name).as_ref(),
                Some(&described),
                "{name}"
            );
            assert!(described.property_type.value.len() <= 16);
            assert!(described.property_type.meaning.len() <= 64);
            assert!(
                colors.insert(described.color),
                "{name} has the colour of another"
            );
        }
        assert!(colors.len() > 120);
    }
}
