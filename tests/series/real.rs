//! Real series of several scanners, held against dcm2niix.

use crate::dcm2niix::compared;
use crate::read_in_both_ways;
use crate::support::shared_data;
use irisnode::assemble::{Series, group_by_series};
use std::path::Path;

fn read(folder: &Path, choice: &str) -> Result<Series, String> {
    let groups = group_by_series(&[folder.to_owned()]).unwrap();
    assert_eq!(groups.series.len(), 1, "{}", folder.display());
    read_in_both_ways(&groups.series[0].files, choice)
}

#[test]
fn dcm2niix_agrees_on_the_real_series() {
    let Some(shared) = shared_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (name, choices) in [
        ("ct_b/dicom", &["fullest"][..]),
        ("series/ct_philips_tilt", &["fullest"]),
        ("series/mr_siemens_decubitus_sag", &["fullest"]),
        ("series/mr_enhanced_siemens", &["1", "2", "3", "4"]),
        (
            "series/mr_enhanced_philips",
            &["EchoTime=0", "EchoTime=1.52"],
        ),
    ] {
        let dicom = shared.join(name);
        let volumes: Result<Vec<Series>, String> =
            choices.iter().map(|c| read(&dicom, c)).collect();
        let verdict = volumes.and_then(|volumes| {
            println!("{name}: {:?}", volumes[0].notes);
            compared(&folder.path().join("ours"), &dicom, &volumes, 1.0)
        });
        println!("{name}: {verdict:?}");
        match verdict {
            Ok(verdicts)
                if verdicts
                    .iter()
                    .all(|[mm, values]| *mm <= 1e-3 && *values <= 1e-6) => {}
            other => wrong.push(format!("{name}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reference_that_comes_with_the_enhanced_series_has_the_same_voxels() {
    let Some(shared) = shared_data() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, reference, choices) in [
        (
            "series/mr_enhanced_siemens",
            "series/Siemens_REST1_w_SMS_PF7-8_6.nii",
            &["1", "2", "3", "4"][..],
        ),
        (
            "series/mr_enhanced_philips",
            "series/Philips_WIP_B0_NS_801_e1.nii",
            &["EchoTime=1.52"],
        ),
    ] {
        let volumes: Vec<Series> = choices
            .iter()
            .map(|choice| read(&shared.join(name), choice).unwrap())
            .collect();
        let verdicts = compared(
            &folder.path().join("ours"),
            &shared.join(reference),
            &volumes,
            1.0,
        )
        .unwrap();
        println!("{name}: {verdicts:?}");
        for [mm, values] in verdicts {
            assert!(mm <= 1e-3 && values <= 1e-6, "{name}: {mm} mm, {values}");
        }
    }
}

#[test]
fn a_head_scanned_at_two_slice_distances_is_refused() {
    let Some(shared) = shared_data() else { return };
    let error = read(&shared.join("series/ct_ge_tilt"), "fullest").unwrap_err();
    assert!(
        error.contains("the distance between slices is not regular"),
        "{error}"
    );
}
