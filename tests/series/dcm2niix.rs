//! dcm2niix reads the same: the same grid, each voxel within a thousandth of a millimetre, the same values.

use crate::{DRAWN, meant, read, script};
use irisnode::assemble::Series;
use std::path::Path;

/// Writes volumes for `compare_dcm2niix.py` and gives its verdicts; `factor` takes values back to the scanner's units.
pub(crate) fn compared(
    ours: &Path,
    dicom: &Path,
    volumes: &[Series],
    factor: f64,
) -> Result<Vec<[f64; 2]>, String> {
    let mut grids = Vec::new();
    for (number, series) in volumes.iter().enumerate() {
        let grid = &series.volume.geometry;
        grids.push(serde_json::json!({
            "size": grid.size, "spacing": grid.spacing, "direction": grid.direction, "origin": grid.origin, "factor": factor,
        }));
        let raw: Vec<u8> = series
            .volume
            .voxels
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let name = format!("{}.{number}.raw", ours.display());
        std::fs::write(name, raw).unwrap();
    }
    std::fs::write(
        ours.with_extension("json"),
        serde_json::to_vec(&grids).unwrap(),
    )
    .unwrap();
    let said = script("compare_dcm2niix.py", &[ours, dicom])?;
    let verdicts: Vec<serde_json::Value> = serde_json::from_str(said.trim()).unwrap();
    let number = |verdict: &serde_json::Value, key: &str| verdict[key].as_f64().unwrap();
    Ok(verdicts
        .iter()
        .map(|v| [number(v, "mm"), number(v, "values")])
        .collect())
}

#[test]
fn dcm2niix_agrees_on_every_drawn_series() {
    let folder = tempfile::tempdir().unwrap();
    // It merges acquisitions (ct-acquisitions) and takes a stack whose slices are upright for one (ct-tilt).
    let names = [
        "ct-axial",
        "ct-axial-down",
        "ct-signed",
        "ct-slope-per-slice",
        "mr-sagittal",
        "mr-coronal",
        "mr-oblique",
        "mr-8-bit",
        "pt-activity",
        "mr-echoes",
        "mr-diffusion",
        "ct-phases",
        "enhanced-ct",
        "enhanced-mr",
        "enhanced-pt",
        "enhanced-mr-echoes",
        "enhanced-mr-times",
    ];
    let mut wrong = Vec::new();
    for name in names {
        let count = meant(name).len();
        let volumes: Vec<Series> = match count {
            1 => vec![read(name, "fullest").unwrap()],
            count => (1..=count)
                .map(|n| read(name, &n.to_string()).unwrap())
                .collect(),
        };
        let factor = match volumes[0].unit.as_str() {
            "SUVbw" => 3.5e8 * (-3600.0 / 6586.2_f64).exp2() / 70_000.0,
            _ => 1.0,
        };
        match compared(
            &folder.path().join(name),
            &DRAWN.join(name),
            &volumes,
            factor,
        ) {
            Ok(verdicts) => {
                println!("{name}: {verdicts:?}");
                if verdicts
                    .iter()
                    .any(|[mm, values]| *mm > 1e-3 || *values > 1e-6)
                {
                    wrong.push(format!("{name}: {verdicts:?}"));
                }
            }
            Err(said) => wrong.push(format!("{name}: {said}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn dcm2niix_sets_the_stack_of_a_tilted_gantry_upright_where_it_leans_here() {
    let folder = tempfile::tempdir().unwrap();
    let series = read("ct-tilt-slices", "fullest").unwrap();
    let highest = series.volume.voxels.iter().copied().fold(0.0, f32::max);
    let ours = folder.path().join("ours");
    let verdict = compared(&ours, &DRAWN.join("ct-tilt-slices"), &[series], 1.0).unwrap();
    let [mm, values] = verdict[0];
    // Its values are rounded to whole numbers.
    assert!(
        mm < 1e-3 && values * f64::from(highest) < 0.51,
        "{verdict:?}"
    );
}
