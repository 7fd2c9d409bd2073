//! A radiologist's browser: the real OHIF, over the DICOMweb of a real Orthanc and over the node's own, shows a result on
//! the slices it lies on.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot arrange its situation fails"
)]

#[path = "../support/mod.rs"]
mod support;

mod straight;

use dicom_dictionary_std::tags;
use irisnode::assemble::{Series, read_series};
use irisnode::encode::{Provenance, SegForm, Segment, write_seg_as};
use irisnode::terminology::SegmentDescription;
use irisnode::volume::LabelVolume;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::{Orthanc, irisnode, root, tool};

/// What is shown: names of the drawn torso's structures.
const SHOWN: [&str; 4] = ["liver", "spleen", "stomach", "aorta"];

/// A drawn torso as a CT series, and where some of its structures are.
struct Torso {
    _folder: tempfile::TempDir,
    files: Vec<PathBuf>,
    series: Series,
    labels: LabelVolume,
    segments: Vec<Segment>,
}

fn torso() -> Torso {
    let folder = tempfile::tempdir().unwrap();
    let drawn = folder.path().join("drawn");
    let mut command = irisnode();
    command.args(["phantom", "--seed", "5", "--format", "dicom"]);
    command.args(["--size", "256,192,40", "--spacing", "1.5,1.5,5", "--out"]);
    command.arg(&drawn);
    for name in SHOWN {
        command.args(["--segment", name]);
    }
    assert!(command.output().unwrap().status.success());
    let entries = std::fs::read_dir(drawn.join("series")).unwrap();
    let files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let series = read_series(&files).unwrap();
    let labels = LabelVolume::read_nifti(&drawn.join("labels.nii.gz")).unwrap();
    let listed = std::fs::read_to_string(drawn.join("segments.tsv")).unwrap();
    let segments = listed
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(number, name)| {
            let number = number.trim().parse().unwrap();
            Segment::new(number, SegmentDescription::or_generic(name.trim()))
        })
        .collect();
    Torso {
        _folder: folder,
        files,
        labels: labels.resampled(&series.volume.geometry),
        series,
        segments,
    }
}

fn orthanc() -> Orthanc {
    let plugin = Path::new("/usr/share/orthanc/plugins/libOrthancDicomWeb.so");
    assert!(plugin.exists(), "run `make deps`");
    Orthanc::start(json!({
        "Plugins": [plugin],
        "DicomWeb": {"Enable": true, "Root": "/dicom-web/"},
    }))
}

/// What a browser shows of a slice: each coloured pixel of the image, and its hue in degrees.
type Seen = BTreeMap<usize, u32>;

/// Has OHIF show the segmentation of that description, from this source (see look.mjs), and looks at some slices.
fn looked_at(source: &str, torso: &Torso, description: &str, slices: &[usize]) -> Vec<Seen> {
    let grid = &torso.labels.geometry;
    let study = &torso.series.source.attributes;
    let instances = &torso.series.source.slices;
    let slices_wanted: Vec<_> = slices
        .iter()
        .map(|&k| json!({"k": k, "instance": instances[k].sop_instance_uid}))
        .collect();
    let request = json!({
        "study": study.element(tags::STUDY_INSTANCE_UID).unwrap().to_str().unwrap().trim_end_matches('\0'),
        "description": description,
        "grid": {
            "size": grid.size, "spacing": grid.spacing, "direction": grid.direction, "origin": grid.origin,
        },
        "slices": slices_wanted,
    });
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("ohif")
        .join(description.replace([' ', ':'], "-"));
    let output = tool("node")
        .arg(root().join("tests/viewer/look.mjs"))
        .arg(root().join(".deps"))
        .arg(source)
        .arg(&pictures)
        .arg(request.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    println!("pictures: {}", pictures.display());
    let seen: BTreeMap<usize, Vec<(usize, u32)>> = serde_json::from_slice(&output.stdout).unwrap();
    slices
        .iter()
        .map(|k| seen[k].iter().copied().collect())
        .collect()
}

/// Hue of a colour, degrees.
fn hue([r, g, b]: [u8; 3]) -> f64 {
    let [r, g, b] = [r, g, b].map(f64::from);
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let sextant = if most == r {
        (g - b) / (most - least)
    } else if most == g {
        (b - r) / (most - least) + 2.0
    } else {
        (r - g) / (most - least) + 4.0
    };
    (60.0 * sextant).rem_euclid(360.0)
}

/// The pixels around one, itself included, within the image.
fn around([columns, rows, _]: [usize; 3], at: usize) -> impl Iterator<Item = usize> {
    let (i, j) = (at % columns, at / columns);
    let near = |v: usize, end: usize| v.saturating_sub(1)..=(v + 1).min(end - 1);
    near(j, rows).flat_map(move |b| near(i, columns).map(move |a| a + columns * b))
}

/// Every segment has its colour where it is, but for the width of its outline, and nothing else is coloured.
fn assert_shown(torso: &Torso, k: usize, seen: &Seen) {
    let size = torso.labels.geometry.size;
    let pixels = size[0] * size[1];
    let slice = &torso.labels.layers[0][k * pixels..(k + 1) * pixels];
    for segment in &torso.segments {
        let meant = hue(segment.description.color);
        let inner =
            (0..pixels).filter(|&at| around(size, at).all(|near| slice[near] == segment.number));
        for at in inner {
            let label = &segment.description.label;
            let found = seen.get(&at);
            let found =
                *found.unwrap_or_else(|| panic!("{label} is not shown at pixel {at} of slice {k}"));
            let apart = (f64::from(found) - meant).rem_euclid(360.0);
            let apart = apart.min(360.0 - apart);
            assert!(
                apart < 15.0,
                "{label} has hue {found} at pixel {at} of slice {k}, not {meant:.0}"
            );
        }
    }
    for &at in seen.keys() {
        let near = around(size, at).any(|near| slice[near] != 0);
        assert!(
            near,
            "pixel {at} of slice {k} is coloured, where no segment is"
        );
    }
}

#[test]
fn ohif_shows_each_segment_where_the_organ_is_and_on_no_other_slice() {
    let torso = torso();
    let orthanc = orthanc();
    for file in &torso.files {
        orthanc.post("/instances", &std::fs::read(file).unwrap());
    }
    let [columns, rows, slices] = torso.labels.geometry.size;
    let holds = |k: usize, number| {
        torso.labels.layers[0][k * columns * rows..][..columns * rows].contains(&number)
    };
    // The lowest slice of the stomach, the one below it, and one in which all four are.
    let stomach = torso.segments[2].number;
    let lowest = (1..slices)
        .find(|&k| holds(k, stomach) && !holds(k - 1, stomach))
        .unwrap();
    let all = (0..slices)
        .find(|&k| torso.segments.iter().all(|s| holds(k, s.number)))
        .unwrap();
    let looked = [lowest - 1, lowest, all + 3];
    for form in [SegForm::Binary, SegForm::Labelmap] {
        let description = format!("irisnode {}", form.segmentation_type());
        let provenance = Provenance {
            series_description: description.clone(),
            ..Provenance::default()
        };
        let source = &torso.series.source;
        let seg = write_seg_as(form, &torso.labels, &torso.segments, source, &provenance).unwrap();
        orthanc.post("/instances", &seg.bytes);
        let source = orthanc.http_port.to_string();
        let seen = looked_at(&source, &torso, &description, &looked);
        for (&k, seen) in looked.iter().zip(&seen) {
            assert_shown(&torso, k, seen);
        }
        assert!(
            seen[2].len() > 3000,
            "{} pixels are coloured",
            seen[2].len()
        );
    }
}
