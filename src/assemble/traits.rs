//! What may tell apart the volumes of a series that holds several.

use dicom_core::value::Value;
use dicom_core::{DataDictionary, Tag};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::InMemDicomObject;

use super::slice_header::{integer, text};

/// A DICOM keyword and the value a slice has for it.
pub(super) type Trait = (&'static str, String);

/// One attribute: its keyword, where a classic instance has it, and where the functional groups of a frame do.
struct Place {
    keyword: &'static str,
    classic: Option<Tag>,
    in_groups: &'static [(Tag, Tag)],
}

const fn place(
    keyword: &'static str,
    classic: Option<Tag>,
    in_groups: &'static [(Tag, Tag)],
) -> Place {
    Place {
        keyword,
        classic,
        in_groups,
    }
}

/// In the order in which they are tried: what an acquisition is planned by comes before what merely follows from it.
const PLACES: &[Place] = &[
    place(
        "StackID",
        None,
        &[(tags::FRAME_CONTENT_SEQUENCE, tags::STACK_ID)],
    ),
    place("EchoNumbers", Some(tags::ECHO_NUMBERS), &[]),
    place(
        "EchoTime",
        Some(tags::ECHO_TIME),
        &[(tags::MR_ECHO_SEQUENCE, tags::EFFECTIVE_ECHO_TIME)],
    ),
    place(
        "DiffusionBValue",
        Some(tags::DIFFUSION_B_VALUE),
        &[(tags::MR_DIFFUSION_SEQUENCE, tags::DIFFUSION_B_VALUE)],
    ),
    place(
        "DiffusionDirectionality",
        Some(tags::DIFFUSION_DIRECTIONALITY),
        &[(tags::MR_DIFFUSION_SEQUENCE, tags::DIFFUSION_DIRECTIONALITY)],
    ),
    place(
        "DiffusionGradientOrientation",
        Some(tags::DIFFUSION_GRADIENT_ORIENTATION),
        &[],
    ),
    place(
        "TemporalPositionIdentifier",
        Some(tags::TEMPORAL_POSITION_IDENTIFIER),
        &[],
    ),
    place(
        "TemporalPositionIndex",
        None,
        &[(tags::FRAME_CONTENT_SEQUENCE, tags::TEMPORAL_POSITION_INDEX)],
    ),
    place(
        "NominalPercentageOfCardiacPhase",
        Some(tags::NOMINAL_PERCENTAGE_OF_CARDIAC_PHASE),
        &[(
            tags::CARDIAC_SYNCHRONIZATION_SEQUENCE,
            tags::NOMINAL_PERCENTAGE_OF_CARDIAC_PHASE,
        )],
    ),
    place(
        "NominalCardiacTriggerDelayTime",
        None,
        &[(
            tags::CARDIAC_SYNCHRONIZATION_SEQUENCE,
            tags::NOMINAL_CARDIAC_TRIGGER_DELAY_TIME,
        )],
    ),
    place(
        "InversionTime",
        Some(tags::INVERSION_TIME),
        &[(tags::MR_MODIFIER_SEQUENCE, tags::INVERSION_TIMES)],
    ),
    place(
        "FlipAngle",
        Some(tags::FLIP_ANGLE),
        &[(
            tags::MR_TIMING_AND_RELATED_PARAMETERS_SEQUENCE,
            tags::FLIP_ANGLE,
        )],
    ),
    place(
        "ImageType",
        Some(tags::IMAGE_TYPE),
        &[
            (tags::MR_IMAGE_FRAME_TYPE_SEQUENCE, tags::FRAME_TYPE),
            (tags::CT_IMAGE_FRAME_TYPE_SEQUENCE, tags::FRAME_TYPE),
            (tags::PET_FRAME_TYPE_SEQUENCE, tags::FRAME_TYPE),
        ],
    ),
    place(
        "ComplexImageComponent",
        Some(tags::COMPLEX_IMAGE_COMPONENT),
        &[(
            tags::MR_IMAGE_FRAME_TYPE_SEQUENCE,
            tags::COMPLEX_IMAGE_COMPONENT,
        )],
    ),
    place("ConvolutionKernel", Some(tags::CONVOLUTION_KERNEL), &[]),
    place("KVP", Some(tags::KVP), &[]),
    place(
        "AcquisitionNumber",
        Some(tags::ACQUISITION_NUMBER),
        &[(tags::FRAME_CONTENT_SEQUENCE, tags::FRAME_ACQUISITION_NUMBER)],
    ),
    place("TriggerTime", Some(tags::TRIGGER_TIME), &[]),
    place("FrameReferenceTime", Some(tags::FRAME_REFERENCE_TIME), &[]),
    place(
        "AcquisitionTime",
        Some(tags::ACQUISITION_TIME),
        &[(
            tags::FRAME_CONTENT_SEQUENCE,
            tags::FRAME_ACQUISITION_DATE_TIME,
        )],
    ),
];

/// Dimensions along which a volume itself extends: its slices differ in them.
const OF_A_STACK: [Tag; 4] = [
    tags::IN_STACK_POSITION_NUMBER,
    tags::IMAGE_POSITION_PATIENT,
    tags::IMAGE_POSITION_VOLUME,
    tags::SLICE_LOCATION,
];

/// The traits of a slice; `groups` are the functional groups of its frame, its own first.
pub(super) fn traits_of(
    object: &InMemDicomObject,
    groups: &[&InMemDicomObject],
    frame: Option<u32>,
) -> Vec<Trait> {
    let mut traits = Vec::new();
    for place in PLACES {
        let in_groups = place.in_groups.iter().find_map(|(sequence, tag)| {
            groups
                .iter()
                .find_map(|group| value(group.get(*sequence)?.items()?.first()?, *tag))
        });
        let found = in_groups.or_else(|| place.classic.and_then(|tag| value(object, tag)));
        traits.extend(found.map(|found| (place.keyword, found)));
    }
    diffusion(object, groups, &mut traits);
    if frame.is_some() {
        dimensions(object, groups, &mut traits);
        // Several multi-frame instances of one series are a volume each, or several.
        let number = integer(object, tags::INSTANCE_NUMBER);
        traits.extend(number.map(|number| ("InstanceNumber", number.to_string())));
    }
    traits
}

/// What classic instances keep to themselves, and enhanced ones keep deeper.
fn diffusion(object: &InMemDicomObject, groups: &[&InMemDicomObject], traits: &mut Vec<Trait>) {
    let has = |traits: &[Trait], keyword: &str| traits.iter().any(|(k, _)| *k == keyword);
    if !has(traits, "DiffusionBValue") {
        let siemens = value(object, Tag(0x0019, 0x100C));
        // GE adds a billion to mark values of several excitations.
        let ge = value(object, Tag(0x0043, 0x1039)).and_then(|values| {
            let first: f64 = values.split('\\').next()?.trim().parse().ok()?;
            Some((first % 1e9).to_string())
        });
        traits.extend(siemens.or(ge).map(|b| ("DiffusionBValue", b)));
    }
    if !has(traits, "DiffusionGradientOrientation") {
        let enhanced = groups.iter().find_map(|group| {
            let diffusion = group.get(tags::MR_DIFFUSION_SEQUENCE)?.items()?.first()?;
            let direction = diffusion
                .get(tags::DIFFUSION_GRADIENT_DIRECTION_SEQUENCE)?
                .items()?
                .first()?;
            value(direction, tags::DIFFUSION_GRADIENT_ORIENTATION)
        });
        let siemens = || value(object, Tag(0x0019, 0x100E));
        traits.extend(
            enhanced
                .or_else(siemens)
                .map(|direction| ("DiffusionGradientOrientation", direction)),
        );
    }
}

/// Dimension Index Values (PS3.3 C.7.6.17) but those along the stack.
fn dimensions(object: &InMemDicomObject, groups: &[&InMemDicomObject], traits: &mut Vec<Trait>) {
    let pointers = object
        .get(tags::DIMENSION_INDEX_SEQUENCE)
        .and_then(|sequence| sequence.items())
        .unwrap_or_default();
    let values = groups.iter().find_map(|group| {
        let content = group.get(tags::FRAME_CONTENT_SEQUENCE)?.items()?.first()?;
        let values = content.get(tags::DIMENSION_INDEX_VALUES)?;
        values.to_multi_int::<u32>().ok()
    });
    for (item, value) in pointers.iter().zip(values.unwrap_or_default()) {
        let pointer = item
            .get(tags::DIMENSION_INDEX_POINTER)
            .and_then(|element| element.value().to_tag().ok());
        let Some(pointer) = pointer.filter(|pointer| !OF_A_STACK.contains(pointer)) else {
            continue;
        };
        let keyword = StandardDataDictionary
            .by_tag(pointer)
            .map_or("DimensionIndexValues", |entry| entry.alias);
        // The value itself, where it is known, says more than its place among them.
        if !traits.iter().any(|(known, _)| *known == keyword) {
            traits.push((keyword, value.to_string()));
        }
    }
}

/// The value as text, several with backslashes between; `None` when it is missing or empty.
fn value(object: &InMemDicomObject, tag: Tag) -> Option<String> {
    let Value::Primitive(primitive) = object.get(tag)?.value() else {
        return None;
    };
    let text = match primitive {
        // A private value of unknown VR.
        dicom_core::PrimitiveValue::U8(bytes) => std::str::from_utf8(bytes).ok()?.to_owned(),
        _ => text(object, tag),
    };
    let text = text
        .trim_matches(|c: char| c == ' ' || c == '\0')
        .to_owned();
    let readable = !text.is_empty() && !text.contains(char::is_control);
    readable.then_some(text)
}
