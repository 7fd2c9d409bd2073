//! Standardised uptake value by body weight, where a PET image says all that it takes.
//!
//! `SUVbw = activity · weight / decayed dose`, g/ml, after the vendor-neutral pseudo-code of the QIBA profile
//! "FDG-PET/CT as an Imaging Biomarker Measuring Response to Cancer Therapy" 1.13 (2016), appendix G.

use chrono::{Duration, NaiveDate, NaiveDateTime, NaiveTime};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;

use super::slice_header::text;

/// The unit of what [`factor`] makes.
pub(super) const SUV_BW: &str = "SUVbw";
/// GE's own scan time (group of GEMS_PETD_01), for series that were processed later.
const GE_SCAN_DATE_TIME: Tag = Tag(0x0009, 0x100D);
/// Philips' own factor from counts to SUV.
const PHILIPS_SUV_FACTOR: Tag = Tag(0x7053, 0x1000);
/// Philips' own factor from counts to Bq/ml.
const PHILIPS_ACTIVITY_FACTOR: Tag = Tag(0x7053, 0x1009);
/// Longest time between injection and scan that is believed.
const LONGEST_UPTAKE: Duration = Duration::days(1);

/// What to multiply the modality values of a PET image by to get SUVbw, or why that is not known.
pub(super) fn factor(object: &InMemDicomObject) -> Result<f64, String> {
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
    let weight = number(object, tags::PATIENT_WEIGHT)
        .filter(|kg| *kg > 0.0)
        .ok_or("it has no Patient's Weight")?;
    let drug = object
        .get(tags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE)
        .and_then(|sequence| sequence.items())
        .and_then(<[_]>::first)
        .ok_or("it has no Radiopharmaceutical Information Sequence")?;
    let dose = number(drug, tags::RADIONUCLIDE_TOTAL_DOSE)
        .filter(|bq| *bq > 0.0)
        .ok_or("it has no Radionuclide Total Dose")?;
    let decayed = match text(object, tags::DECAY_CORRECTION).as_str() {
        "ADMIN" => dose,
        "START" => {
            let half_life = number(drug, tags::RADIONUCLIDE_HALF_LIFE)
                .filter(|seconds| *seconds > 0.0)
                .ok_or("it has no Radionuclide Half Life")?;
            let uptake = uptake(object, drug)?.num_milliseconds() as f64 / 1000.0;
            dose * (-uptake / half_life).exp2()
        }
        other => return Err(format!("its Decay Correction is \"{other}\"")),
    };
    Ok(weight * 1000.0 / decayed)
}

/// From injection to the time that decay was corrected to.
fn uptake(object: &InMemDicomObject, drug: &InMemDicomObject) -> Result<Duration, String> {
    let at = |date: Tag, time: Tag| joined(&text(object, date), &text(object, time));
    let series = at(tags::SERIES_DATE, tags::SERIES_TIME);
    let acquisition = at(tags::ACQUISITION_DATE, tags::ACQUISITION_TIME);
    let scan = match (series, acquisition) {
        (Some(series), Some(acquisition)) if series <= acquisition => series,
        _ => date_time(&text(object, GE_SCAN_DATE_TIME)).ok_or(
            "its Series Time is after its Acquisition Time or missing, so the start of the scan is not known",
        )?,
    };
    let injected = match date_time(&text(drug, tags::RADIOPHARMACEUTICAL_START_DATE_TIME)) {
        Some(injected) => injected,
        None => {
            let time = time(&text(drug, tags::RADIOPHARMACEUTICAL_START_TIME))
                .ok_or("it has no Radiopharmaceutical Start Time")?;
            let same_day = scan.date().and_time(time);
            // The day is not said: injection comes before the scan, also past midnight.
            if same_day > scan {
                same_day - Duration::days(1)
            } else {
                same_day
            }
        }
    };
    let uptake = scan - injected;
    if uptake < Duration::zero() || uptake > LONGEST_UPTAKE {
        return Err("its times of injection and scan do not fit one another".into());
    }
    Ok(uptake)
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

fn joined(date: &str, time: &str) -> Option<NaiveDateTime> {
    let date = NaiveDate::parse_from_str(date, "%Y%m%d").ok()?;
    Some(date.and_time(self::time(time)?))
}

/// TM (PS3.5 6.2): `HHMMSS.FFFFFF`, of which all but the hour may be missing.
fn time(text: &str) -> Option<NaiveTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let padded = format!("{whole:0<6}");
    let part = |at: usize| padded.get(at..at + 2)?.parse::<u32>().ok();
    let micro: u32 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    if whole.len() < 2 || whole.len() > 6 {
        return None;
    }
    NaiveTime::from_hms_micro_opt(part(0)?, part(2)?, part(4)?.min(59), micro)
}

/// DT: date and time in one; the offset from UTC is the same for both ends and is left out.
fn date_time(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim_matches(['\0', ' ']);
    let local = text.split(['+', '-']).next()?;
    joined(local.get(..8)?, local.get(8..)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dicom_core::value::DataSetSequence;
    use dicom_core::{DataElement, PrimitiveValue, VR};

    #[test]
    fn times_are_read_as_far_as_they_are_given() {
        assert_eq!(time("0915"), NaiveTime::from_hms_opt(9, 15, 0));
        assert_eq!(
            time("235959.25"),
            NaiveTime::from_hms_micro_opt(23, 59, 59, 250_000)
        );
        assert_eq!(time("9"), None);
        assert_eq!(time("99"), None);
        assert_eq!(
            date_time("20260102091500.00+0100"),
            joined("20260102", "091500")
        );
        assert_eq!(date_time("2026"), None);
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
