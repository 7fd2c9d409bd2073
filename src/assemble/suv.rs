//! Standardised uptake value by body weight, where a PET image says all that it takes.
//!
//! `SUVbw = activity · weight / decayed dose`, g/ml, after the vendor-neutral pseudo-code of the QIBA profile
//! "FDG-PET/CT as an Imaging Biomarker Measuring Response to Cancer Therapy" 1.13 (2016), appendix G. An Enhanced PET
//! image says in other attributes what a classic one says (PS3.3 C.8.22.4, C.8.22.6): its values get their unit by a
//! Real World Value Mapping, and decay was corrected to a date and time that it names. One that was converted from
//! classic images (PS3.3 A.71) keeps theirs as unassigned attributes.

use chrono::{Duration, FixedOffset, NaiveDateTime};
use dicom_core::value::deserialize::parse_datetime_partial;
use dicom_core::value::{AsRange, DicomDate, DicomTime};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::InMemDicomObject;

use super::real_world_value::to_world;
use super::slice_header::{Rescale, text};

/// The unit of what [`rescale_to_suv`] makes.
const SUV_BW: &str = "SUVbw";
/// Of UCUM (PS3.16 CID 84).
const UCUM_SUV_BW: &str = "{SUVbw}g/ml";
const UCUM_ACTIVITY: &str = "Bq/ml";
/// GE's own scan time (group of GEMS_PETD_01), for series that were processed later.
const GE_SCAN_DATE_TIME: Tag = Tag(0x0009, 0x100D);
/// Philips' own factor from counts to SUV.
const PHILIPS_SUV_FACTOR: Tag = Tag(0x7053, 0x1000);
/// Philips' own factor from counts to Bq/ml.
const PHILIPS_ACTIVITY_FACTOR: Tag = Tag(0x7053, 0x1009);
/// Longest time between injection and scan that is believed.
const LONGEST_UPTAKE: Duration = Duration::days(1);
/// What classic images say of their units, and converted ones keep as unassigned attributes.
const OF_CLASSIC: [Tag; 13] = [
    tags::UNITS,
    tags::SUV_TYPE,
    tags::CORRECTED_IMAGE,
    tags::DECAY_CORRECTION,
    tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE,
    tags::PATIENT_WEIGHT,
    tags::SERIES_DATE,
    tags::SERIES_TIME,
    tags::ACQUISITION_DATE,
    tags::ACQUISITION_TIME,
    GE_SCAN_DATE_TIME,
    PHILIPS_SUV_FACTOR,
    PHILIPS_ACTIVITY_FACTOR,
];

/// What makes stored values of a PET image SUVbw, or why that is not known. `groups` are the functional groups of its
/// frame, its own first, and `rescale` what makes them the modality's values.
pub(super) fn rescale_to_suv(
    object: &InMemDicomObject,
    groups: &[&InMemDicomObject],
    rescale: &Rescale,
) -> Result<Rescale, String> {
    if let Some(suv) = to_world(object, groups, UCUM_SUV_BW)? {
        return Ok(suv_of(&suv, 1.0));
    }
    if text(object, tags::SOP_CLASS_UID) == uids::ENHANCED_PET_IMAGE_STORAGE {
        let activity = to_world(object, groups, UCUM_ACTIVITY)?
            .ok_or("no Real World Value Mapping gives its values in Bq/ml or as SUV")?;
        return Ok(suv_of(&activity, per_activity_of_enhanced(object)?));
    }
    Ok(suv_of(rescale, factor(&as_classic(object, groups))?))
}

/// What makes stored values SUVbw, where that is `factor` times what `rescale` makes them.
fn suv_of(rescale: &Rescale, factor: f64) -> Rescale {
    Rescale {
        slope: rescale.slope * factor,
        intercept: rescale.intercept * factor,
        unit: SUV_BW.into(),
    }
}

/// What to multiply the modality values of a PET image by to get SUVbw, or why that is not known.
fn factor(object: &InMemDicomObject) -> Result<f64, String> {
    let units = text(object, tags::UNITS);
    if units == "GML" {
        let kind = text(object, tags::SUV_TYPE);
        return if kind.is_empty() || kind == "BW" {
            Ok(1.0)
        } else {
            Err(format!("its values are SUV of type {kind}"))
        };
    }
    let corrected = text(object, tags::CORRECTED_IMAGE);
    for needed in ["ATTN", "DECY"] {
        if !corrected.split('\\').any(|done| done.trim() == needed) {
            return Err(format!("Corrected Image does not list {needed}"));
        }
    }
    match units.as_str() {
        "BQML" => Ok(per_activity(object)?),
        "CNTS" => match number(object, PHILIPS_SUV_FACTOR).filter(|f| *f > 0.0) {
            Some(factor) => Ok(factor),
            None => {
                let activity = number(object, PHILIPS_ACTIVITY_FACTOR)
                    .filter(|f| *f > 0.0)
                    .ok_or("its Units are counts and no factor to SUV is there")?;
                Ok(activity * per_activity(object)?)
            }
        },
        "" => Err("it has no Units".into()),
        other => Err(format!("its Units are {other}")),
    }
}

/// Grams of patient per becquerel still there when decay was corrected to.
fn per_activity(object: &InMemDicomObject) -> Result<f64, String> {
    let drug = drug(object)?;
    let uptake = match text(object, tags::DECAY_CORRECTION).as_str() {
        "ADMIN" => Duration::zero(),
        "START" => {
            let scan = classic_scan(object)?;
            believed(scan.since(classic_injection(drug, scan)?))?
        }
        other => return Err(format!("its Decay Correction is \"{other}\"")),
    };
    grams_per_becquerel(object, drug, uptake)
}

/// As [`per_activity`], of an Enhanced PET image.
fn per_activity_of_enhanced(object: &InMemDicomObject) -> Result<f64, String> {
    for (corrected, name) in [
        (tags::DECAY_CORRECTED, "Decay Corrected"),
        (tags::ATTENUATION_CORRECTED, "Attenuation Corrected"),
    ] {
        if text(object, corrected) != "YES" {
            return Err(format!("its {name} is not YES"));
        }
    }
    let drug = drug(object)?;
    let corrected_to = Moment::of(object, tags::DECAY_CORRECTION_DATE_TIME)
        .ok_or("it has no Decay Correction DateTime")?;
    let injected = Moment::of(drug, tags::RADIOPHARMACEUTICAL_START_DATE_TIME)
        .ok_or("it has no Radiopharmaceutical Start DateTime")?;
    grams_per_becquerel(object, drug, believed(corrected_to.since(injected))?)
}

/// Grams of patient per becquerel that is left `uptake` after the injection.
fn grams_per_becquerel(
    object: &InMemDicomObject,
    drug: &InMemDicomObject,
    uptake: Duration,
) -> Result<f64, String> {
    let above_zero = |object, tag| number(object, tag).filter(|number| *number > 0.0);
    let weight = above_zero(object, tags::PATIENT_WEIGHT).ok_or("it has no Patient's Weight")?;
    let dose = above_zero(drug, tags::RADIONUCLIDE_TOTAL_DOSE)
        .ok_or("it has no Radionuclide Total Dose")?;
    if uptake.is_zero() {
        return Ok(weight * 1000.0 / dose);
    }
    let half_life =
        above_zero(drug, tags::RADIONUCLIDE_HALF_LIFE).ok_or("it has no Radionuclide Half Life")?;
    let seconds = uptake.as_seconds_f64();
    Ok(weight * 1000.0 / (dose * (-seconds / half_life).exp2()))
}

fn drug(object: &InMemDicomObject) -> Result<&InMemDicomObject, String> {
    object
        .get(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE)
        .and_then(|sequence| sequence.items())
        .and_then(<[_]>::first)
        .ok_or_else(|| "it has no Radiopharmaceutical Information Sequence".into())
}

fn believed(uptake: Duration) -> Result<Duration, String> {
    if uptake < Duration::zero() || uptake > LONGEST_UPTAKE {
        return Err("its times of injection and scan do not fit one another".into());
    }
    Ok(uptake)
}

/// When the scan began, which decay was corrected to.
fn classic_scan(object: &InMemDicomObject) -> Result<Moment, String> {
    let at = |date: Tag, time: Tag| Moment::joined(&text(object, date), &text(object, time));
    let series = at(tags::SERIES_DATE, tags::SERIES_TIME);
    let acquisition = at(tags::ACQUISITION_DATE, tags::ACQUISITION_TIME);
    match (series, acquisition) {
        (Some(series), Some(acquisition)) if series.local <= acquisition.local => Ok(series),
        _ => Moment::of(object, GE_SCAN_DATE_TIME).ok_or_else(|| {
            "its Series Time is after its Acquisition Time or missing, so the start of the scan is not known"
                .into()
        }),
    }
}

/// When the drug was injected, before that scan.
fn classic_injection(drug: &InMemDicomObject, scan: Moment) -> Result<Moment, String> {
    if let Some(injected) = Moment::of(drug, tags::RADIOPHARMACEUTICAL_START_DATE_TIME) {
        return Ok(injected);
    }
    let scan = scan.local;
    let time = text(drug, tags::RADIOPHARMACEUTICAL_START_TIME).parse::<DicomTime>();
    let time = time.ok().and_then(|time| time.earliest().ok());
    let same_day = scan
        .date()
        .and_time(time.ok_or("it has no Radiopharmaceutical Start Time")?);
    // The day is not said: injection comes before the scan, also past midnight.
    let local = if same_day > scan {
        same_day - Duration::days(1)
    } else {
        same_day
    };
    Ok(Moment {
        local,
        offset: None,
    })
}

/// What a converted image took over from classic ones, as they had it.
fn as_classic(object: &InMemDicomObject, groups: &[&InMemDicomObject]) -> InMemDicomObject {
    let unassigned = groups.iter().flat_map(|group| {
        [
            tags::UNASSIGNED_PER_FRAME_CONVERTED_ATTRIBUTES_SEQUENCE,
            tags::UNASSIGNED_SHARED_CONVERTED_ATTRIBUTES_SEQUENCE,
        ]
        .into_iter()
        .filter_map(|tag| group.get(tag)?.items()?.first())
    });
    let places: Vec<&InMemDicomObject> = std::iter::once(object).chain(unassigned).collect();
    let found = OF_CLASSIC
        .iter()
        .filter_map(|tag| places.iter().find_map(|place| place.get(*tag)));
    let mut classic = InMemDicomObject::from_element_iter(found.cloned());
    // Acquisition Date and Time of each image went into its frame's content.
    let acquired = groups.iter().find_map(|group| {
        let content = group.get(tags::FRAME_CONTENT_SEQUENCE)?.items()?.first()?;
        Moment::of(content, tags::FRAME_ACQUISITION_DATE_TIME)
    });
    if let (Some(acquired), None) = (acquired, classic.get(tags::ACQUISITION_TIME)) {
        for (tag, vr, format) in [
            (tags::ACQUISITION_DATE, VR::DA, "%Y%m%d"),
            (tags::ACQUISITION_TIME, VR::TM, "%H%M%S%.6f"),
        ] {
            let value = acquired.local.format(format).to_string();
            classic.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
        }
    }
    classic
}

fn number(object: &InMemDicomObject, tag: Tag) -> Option<f64> {
    let element = object.get(tag)?;
    let value = element.to_float64().ok();
    // A private value of unknown VR is text here.
    let value = value.or_else(|| {
        let bytes = element.to_bytes().ok()?;
        std::str::from_utf8(&bytes)
            .ok()?
            .trim_matches(['\0', ' '])
            .parse()
            .ok()
    });
    value.filter(|number| number.is_finite())
}

/// A time on a clock, and how far that clock is from UTC where it says so.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Moment {
    local: NaiveDateTime,
    offset: Option<FixedOffset>,
}

impl Moment {
    /// DT (PS3.5 6.2); `None` also where it says no hour.
    fn of(object: &InMemDicomObject, tag: Tag) -> Option<Self> {
        let text = text(object, tag);
        let at = parse_datetime_partial(text.trim_matches(['\0', ' ']).as_bytes()).ok()?;
        let local = at
            .date()
            .earliest()
            .ok()?
            .and_time(at.time()?.earliest().ok()?);
        Some(Self {
            local,
            offset: at.time_zone().copied(),
        })
    }

    /// DA and TM.
    fn joined(date: &str, time: &str) -> Option<Self> {
        let date: DicomDate = date.parse().ok()?;
        let time: DicomTime = time.parse().ok()?;
        Some(Self {
            local: date.earliest().ok()?.and_time(time.earliest().ok()?),
            offset: None,
        })
    }

    /// From `earlier` to this; clocks of which one says nothing of UTC are taken for the same.
    fn since(self, earlier: Self) -> Duration {
        let apart = self.local - earlier.local;
        match (self.offset, earlier.offset) {
            (Some(here), Some(there)) => {
                apart
                    - Duration::seconds(i64::from(here.local_minus_utc() - there.local_minus_utc()))
            }
            _ => apart,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::value::DataSetSequence;

    #[test]
    fn times_are_read_as_far_as_they_are_given() {
        let at = |text: &str| {
            let element = DataElement::new(
                tags::DECAY_CORRECTION_DATE_TIME,
                VR::DT,
                PrimitiveValue::from(text),
            );
            let object = InMemDicomObject::from_element_iter([element]);
            Moment::of(&object, tags::DECAY_CORRECTION_DATE_TIME)
        };
        let joined = |time| Moment::joined("20260102", time);
        assert_eq!(at("202601020915"), joined("0915"));
        assert_eq!(at("20260102235959.25"), joined("235959.250000"));
        assert_eq!(at("2026"), None);
        assert_eq!(joined("9"), None);
        assert_eq!(joined("99"), None);
        let (here, there) = (at("20260102091500.00+0100"), at("20260102091500-0500"));
        let apart = there.unwrap().since(here.unwrap());
        assert_eq!(apart, Duration::hours(6));
        // One clock says nothing of UTC: it is the same one.
        assert!(joined("091500").unwrap().since(here.unwrap()).is_zero());
    }

    /// 350 MBq an hour before the scan, half life two hours, 70 kg.
    fn image(changes: &[(Tag, VR, &str)], drug: &[(Tag, VR, &str)]) -> InMemDicomObject {
        let element = |(tag, vr, value): &(Tag, VR, &str)| {
            DataElement::new(*tag, *vr, PrimitiveValue::from(*value))
        };
        let mut injected = InMemDicomObject::from_element_iter(
            [
                (tags::RADIOPHARMACEUTICAL_START_TIME, VR::TM, "091500"),
                (tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, "3.5e8"),
                (tags::RADIONUCLIDE_HALF_LIFE, VR::DS, "7200"),
            ]
            .iter()
            .map(element),
        );
        let mut object = InMemDicomObject::from_element_iter(
            [
                (tags::UNITS, VR::CS, "BQML"),
                (tags::CORRECTED_IMAGE, VR::CS, "DECY\\ATTN"),
                (tags::DECAY_CORRECTION, VR::CS, "START"),
                (tags::PATIENT_WEIGHT, VR::DS, "70"),
                (tags::SERIES_DATE, VR::DA, "20260102"),
                (tags::SERIES_TIME, VR::TM, "101500"),
                (tags::ACQUISITION_DATE, VR::DA, "20260102"),
                (tags::ACQUISITION_TIME, VR::TM, "101800"),
            ]
            .iter()
            .map(element),
        );
        for change in drug {
            injected.put(element(change));
        }
        for change in changes {
            object.put(element(change));
        }
        object.put(DataElement::new(
            tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE,
            VR::SQ,
            DataSetSequence::from(vec![injected]),
        ));
        object
    }

    /// What stored values are multiplied by, of an image that has no rescaling of its own.
    fn factor(object: &InMemDicomObject) -> Result<f64, String> {
        let plain = Rescale {
            slope: 1.0,
            intercept: 0.0,
            unit: "BQML".into(),
        };
        rescale_to_suv(object, &[], &plain).map(|rescale| rescale.slope)
    }

    #[test]
    fn the_factor_is_grams_for_the_activity_that_is_left() {
        let near = |found: Result<f64, String>, meant: f64| {
            let found = found.unwrap();
            assert!((found / meant - 1.0).abs() < 1e-9, "{found} is not {meant}");
        };
        let left = 3.5e8 * (-0.5_f64).exp2();
        near(factor(&image(&[], &[])), 70_000.0 / left);
        // Injected before midnight, scanned an hour later.
        let night = [
            (tags::SERIES_TIME, VR::TM, "003000"),
            (tags::ACQUISITION_TIME, VR::TM, "003000"),
        ];
        let evening = [(tags::RADIOPHARMACEUTICAL_START_TIME, VR::TM, "233000")];
        near(factor(&image(&night, &evening)), 70_000.0 / left);
        let said = [(
            tags::RADIOPHARMACEUTICAL_START_DATE_TIME,
            VR::DT,
            "20260102081500",
        )];
        near(factor(&image(&[], &said)), 70_000.0 / (3.5e8 * 0.5));
        let admin = [(tags::DECAY_CORRECTION, VR::CS, "ADMIN")];
        near(factor(&image(&admin, &[])), 70_000.0 / 3.5e8);
        near(factor(&image(&[(tags::UNITS, VR::CS, "GML")], &[])), 1.0);
        let philips = [
            (tags::UNITS, VR::CS, "CNTS"),
            (PHILIPS_SUV_FACTOR, VR::DS, "0.0005"),
        ];
        near(factor(&image(&philips, &[])), 0.0005);
        let counts = [
            (tags::UNITS, VR::CS, "CNTS"),
            (PHILIPS_ACTIVITY_FACTOR, VR::DS, "2.5"),
        ];
        near(factor(&image(&counts, &[])), 2.5 * 70_000.0 / left);
        // Processed later: GE says itself when the scan was.
        let later = [
            (tags::SERIES_TIME, VR::TM, "180000"),
            (GE_SCAN_DATE_TIME, VR::DT, "20260102101500.00"),
        ];
        near(factor(&image(&later, &[])), 70_000.0 / left);
    }

    #[test]
    fn what_is_missing_is_named() {
        for (change, said) in [
            ((tags::PATIENT_WEIGHT, VR::DS, ""), "no Patient's Weight"),
            ((tags::UNITS, VR::CS, ""), "no Units"),
            ((tags::UNITS, VR::CS, "PROPCPS"), "its Units are PROPCPS"),
            (
                (tags::CORRECTED_IMAGE, VR::CS, "DECY"),
                "does not list ATTN",
            ),
            (
                (tags::DECAY_CORRECTION, VR::CS, "NONE"),
                "Decay Correction is \"NONE\"",
            ),
            (
                (tags::SERIES_TIME, VR::TM, "180000"),
                "after its Acquisition Time",
            ),
            ((tags::SERIES_DATE, VR::DA, ""), "Series Time is after"),
        ] {
            let why = factor(&image(&[change], &[])).unwrap_err();
            assert!(why.contains(said), "{why}");
        }
        let why = factor(&image(&[], &[(tags::RADIONUCLIDE_TOTAL_DOSE, VR::DS, "0")])).unwrap_err();
        assert!(why.contains("no Radionuclide Total Dose"), "{why}");
        let lean = [
            (tags::UNITS, VR::CS, "GML"),
            (tags::SUV_TYPE, VR::CS, "LBM"),
        ];
        assert!(
            factor(&image(&lean, &[]))
                .unwrap_err()
                .contains("SUV of type LBM")
        );
    }
}
