//! One volume or several: which is taken, and what the record says.

use crate::support::{DrawnSeries, recoded};
use crate::{DRAWN, assert_is, files, meant, read, read_in_both_ways};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use irisnode::assemble::read_series;

/// Series of one volume, and what their values are in.
const SINGLE: &[(&str, &str)] = &[
    ("ct-axial", "HU"),
    ("ct-axial-down", "HU"),
    ("ct-signed", "HU"),
    ("ct-high-bit", "HU"),
    ("ct-high-bit-rle", "HU"),
    ("ct-slope-per-slice", "HU"),
    ("ct-tilt", "HU"),
    ("ct-tilt-slices", "HU"),
    ("ct-modality-lut", "HU"),
    ("ct-padding", "HU"),
    ("mr-monochrome1", "none"),
    ("mr-sagittal", "none"),
    ("mr-coronal", "none"),
    ("mr-oblique", "none"),
    ("mr-8-bit", "none"),
    ("enhanced-ct", "HU"),
    ("enhanced-mr", "US"),
    ("enhanced-pt", "US"),
];

#[test]
fn every_sort_of_series_is_read_as_it_was_drawn() {
    for (name, unit) in SINGLE {
        let series = read(name, "only").unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_is(name, &series, &meant(name)[0], 1.0);
        assert_eq!(series.unit, *unit, "{name}");
    }
}

#[test]
fn a_tilted_gantry_leans_the_volume_and_the_record_says_so() {
    for (name, degrees) in [("ct-tilt", 14.0), ("ct-tilt-slices", 0.3_f64.to_degrees())] {
        let series = read(name, "fullest").unwrap();
        let lean = series.volume.geometry.lean().to_degrees();
        assert!((lean - degrees).abs() < 1e-3, "{name}: {lean}");
        let said = format!("the gantry was tilted by {degrees:.1} degrees");
        assert_eq!(series.notes, [said], "{name}");
    }
}

#[test]
fn pet_values_are_suv_by_body_weight_where_that_follows_from_the_header() {
    let series = read("pt-activity", "fullest").unwrap();
    // 350 MBq an hour before the scan, half life 6586.2 s, 70 kg.
    let factor = 70_000.0 / (3.5e8 * (-3600.0 / 6586.2_f64).exp2());
    assert_is("pt-activity", &series, &meant("pt-activity")[0], factor);
    assert_eq!(series.unit, "SUVbw");
    assert_eq!(series.notes, ["values are SUV by body weight, g/ml"]);
}

#[test]
fn pet_in_many_frames_is_suv_too_by_its_mapping_to_the_world_or_by_what_it_was_converted_from() {
    let left = 3.5e8 * (-3600.0 / 6586.2_f64).exp2();
    for (name, factor) in [
        // Its stored values are thousandths of SUV.
        ("enhanced-pt-suv", 0.001),
        ("enhanced-pt-activity", 2.5 * 70_000.0 / left),
        // By highdicom, of classic images.
        ("enhanced-pt-converted", 70_000.0 / left),
    ] {
        let series = read(name, "only").unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_is(name, &series, &meant(name)[0], factor);
        assert_eq!(series.unit, "SUVbw", "{name}");
    }
    for (name, why) in [
        (
            "enhanced-pt",
            "no Real World Value Mapping gives its values in Bq/ml or as SUV",
        ),
        (
            "enhanced-pt-uncorrected",
            "its Attenuation Corrected is not YES",
        ),
    ] {
        let series = read(name, "only").unwrap();
        assert_is(name, &series, &meant(name)[0], 1.0);
        let said = format!(
            "values are as the scanner gave them (US), for SUV does not follow from the header: {why}"
        );
        assert_eq!(series.notes, [said], "{name}");
    }
}

/// A series of several volumes: how each is asked for, in the order they were drawn, and what tells them apart.
type Several = (&'static str, &'static [&'static str], &'static str);

const SEVERAL: &[Several] = &[
    (
        "mr-echoes",
        &["EchoTime=2.3", "2", "EchoNumbers=3"],
        "3 volumes: EchoNumbers 1 (7 slices); EchoNumbers 2 (7 slices); EchoNumbers 3 (7 slices)",
    ),
    (
        "mr-diffusion",
        &["DiffusionBValue=0", "3", "2", "DiffusionBValue=1000"],
        "4 volumes: DiffusionBValue 0, DiffusionGradientOrientation 0\\0\\0 (7 slices); ",
    ),
    (
        "ct-phases",
        &["1", "NominalPercentageOfCardiacPhase=20", "3"],
        "3 volumes: NominalPercentageOfCardiacPhase 10 (7 slices)",
    ),
    (
        "ct-acquisitions",
        &["fullest", "AcquisitionNumber=2"],
        "2 volumes: AcquisitionNumber 1 (9 slices); AcquisitionNumber 2 (5 slices)",
    ),
    (
        "enhanced-mr-echoes",
        &["fullest", "EchoTime=4.6"],
        "2 volumes: EchoTime 2.3 (7 slices); EchoTime 4.6 (7 slices)",
    ),
    (
        "enhanced-mr-times",
        &["TemporalPositionIndex=1", "2"],
        "2 volumes: TemporalPositionIndex 1 (7 slices); TemporalPositionIndex 2 (7 slices)",
    ),
];

#[test]
fn of_several_volumes_the_one_asked_for_is_taken_and_the_record_names_it() {
    for (name, choices, listed) in SEVERAL {
        let volumes = meant(name);
        assert_eq!(volumes.len(), choices.len());
        for (choice, meant) in choices.iter().zip(&volumes) {
            let series = read(name, choice).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_is(name, &series, meant, 1.0);
            let [note] = series.notes.as_slice() else {
                panic!("{name}: {:?}", series.notes);
            };
            assert!(note.starts_with(&format!("of {listed}")), "{name}: {note}");
            assert!(note.contains(", the one of "), "{name}: {note}");
        }
        let refused = read(name, "only").unwrap_err();
        assert!(
            refused.starts_with(&format!("the series holds {listed}")),
            "{refused}"
        );
        let refused = read(name, "EchoTime=77").unwrap_err();
        assert!(
            refused.contains("none of them is the one asked for (EchoTime=77)")
                && refused.contains(", which begin at image "),
            "{refused}"
        );
    }
}

#[test]
fn localisers_beside_slices_are_left_out_and_named() {
    let series = read("ct-localisers", "only").unwrap();
    assert_is("ct-localisers", &series, &meant("ct-localisers")[0], 1.0);
    assert_eq!(
        series.notes,
        ["2 localisers were left out (image 8, image 9)"]
    );
}

#[test]
fn a_file_that_is_there_twice_counts_once_and_another_image_of_its_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = files(&DRAWN.join("mr-oblique"));
    let copy = folder.path().join("copy.dcm");
    std::fs::copy(&all[3], &copy).unwrap();
    all.push(copy.clone());
    let series = read_series(&all).unwrap();
    assert_is("mr-oblique", &series, &meant("mr-oblique")[0], 1.0);
    assert_eq!(
        series.notes,
        ["1 images were there more than once and are counted once"]
    );

    // The same lossless pixels in another transfer syntax are the same image.
    let run_lengths = folder.path().join("RLE");
    all[7] = recoded(&["dcmcrle"], std::slice::from_ref(&copy), &run_lengths).remove(0);
    assert!(read_series(&all).is_ok());

    all[7] = copy.clone();
    let plain = dicom_object::open_file(&copy).unwrap();
    for element in [
        DataElement::new(
            tags::IMAGE_POSITION_PATIENT,
            VR::DS,
            PrimitiveValue::from("0\\0\\0"),
        ),
        DataElement::new(
            tags::PIXEL_DATA,
            VR::OW,
            PrimitiveValue::U16(vec![7; 20 * 16].into()),
        ),
    ] {
        let mut object = plain.clone();
        object.put(element);
        object.write_to_file(&copy).unwrap();
        let error = read_series(&all).unwrap_err().to_string();
        let said = "another image of the series has its SOP Instance UID";
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn frames_of_an_enhanced_image_are_decoded_from_every_transfer_syntax() {
    let folder = tempfile::tempdir().unwrap();
    let plain = DRAWN.join("enhanced-ct/all.dcm");
    for (name, program) in [
        ("implicit", &["dcmconv", "+ti"][..]),
        ("big endian", &["dcmconv", "+tb"]),
        ("deflated", &["dcmconv", "+td"]),
        ("RLE", &["dcmcrle"]),
        ("JPEG lossless", &["dcmcjpeg", "+e1"]),
        ("JPEG-LS", &["dcmcjpls"]),
    ] {
        let file = recoded(
            program,
            std::slice::from_ref(&plain),
            &folder.path().join(name),
        );
        let series = read_series(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_is(name, &series, &meant("enhanced-ct")[0], 1.0);
    }
}

#[test]
fn a_series_larger_than_any_patient_is_refused_whatever_its_pixels_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut wide = DrawnSeries::new("1.2.826.0.1.3680043.10.543.81", 0..6);
    wide.set_all(tags::PIXEL_SPACING, VR::DS, "5000\\5000");
    let wide = wide.write(folder.path());
    let refused = read_in_both_ways(&wide, "fullest").err().unwrap();
    assert!(
        refused.contains("640.0 x 560.0 x 0.0 m large") && refused.contains("Pixel Spacing"),
        "{refused}"
    );
}
