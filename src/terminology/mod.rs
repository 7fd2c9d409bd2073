//! Coded concepts (SNOMED CT and DCM) and the description of a segment that viewers show.

mod structures;

/// A coded concept: Code Value, Coding Scheme Designator, Code Meaning (PS3.3 section 8.8).
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Code {
    /// Code Value (0008,0100), e.g. `78961009`.
    pub value: String,
    /// Coding Scheme Designator (0008,0102), e.g. `SCT`.
    pub scheme: String,
    /// Code Meaning (0008,0104), e.g. `Spleen`.
    pub meaning: String,
}

impl Code {
    /// A code from its three parts.
    pub fn new(
        value: impl Into<String>,
        scheme: impl Into<String>,
        meaning: impl Into<String>,
    ) -> Self {
        Self {
            value: value.into(),
            scheme: scheme.into(),
            meaning: meaning.into(),
        }
    }
}

/// Category of the structures of a body, CID 7150.
const ANATOMICAL_STRUCTURE: &str = "91723000";
/// What 3D Slicer and others write for it: SNOMED CT's Body structure.
const BODY_STRUCTURE: &str = "123037004";

/// What a segment is, in the words and codes of PS3.3 C.8.20.4 (Segment Description Macro).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SegmentDescription {
    /// Segment Label (0062,0005): the name a viewer shows.
    pub label: String,
    /// Segmented Property Category (0062,0003), CID 7150.
    pub category: Code,
    /// Segmented Property Type (0062,000F).
    pub property_type: Code,
    /// Segmented Property Type Modifier, e.g. left or right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property_type_modifier: Option<Code>,
    /// Anatomic Region (0008,2218), for findings whose type does not name the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anatomic_region: Option<Code>,
    /// Anatomic Region Modifier (0008,2220).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anatomic_region_modifier: Option<Code>,
    /// Colour as 8-bit sRGB; written as Recommended Display CIELab Value (0062,000D).
    pub color: [u8; 3],
}

impl SegmentDescription {
    /// Whether it is a structure of the body by its category, and not a finding or mere tissue.
    pub fn is_anatomical(&self) -> bool {
        let structure = [ANATOMICAL_STRUCTURE, BODY_STRUCTURE];
        self.category.scheme == "SCT" && structure.contains(&self.category.value.as_str())
    }
}
