//! Labels written as the DICOM-SEG of the series they were drawn on.

use crate::support::{dciodvfy, python};
use crate::{Desk, fixture};
use irisnode::assemble::{VolumeChoice, read_grid};
use irisnode::encode::{MadeBy, read_seg};
use irisnode::volume::LabelVolume;
use std::path::PathBuf;
use std::process::{Command, Output};

const NAMED: &str = "--segment 1=spleen --segment 2=liver";

fn query() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(fixture("query/series")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}

#[test]
fn labels_become_a_dicom_seg_that_holds_every_voxel_and_says_who_drew_them() {
    let desk = Desk::new();
    let (series, labels) = (fixture("query/series"), fixture("query/labels.nii.gz"));
    for (kind, out) in [("binary", "a.dcm"), ("labelmap", "b.dcm")] {
        let out = desk.path(out);
        let paths = [
            ("", series.as_path()),
            ("--label", &labels),
            ("--out", &out),
        ];
        let answer = desk.run(&format!("encode {NAMED} --segmentation {kind}"), &paths);
        assert!(
            answer.worked().stdout.contains("1 spleen: "),
            "{}",
            answer.stdout
        );

        let grid = read_grid(&query(), &VolumeChoice::default())
            .unwrap()
            .geometry;
        let meant = LabelVolume::read_nifti(&labels).unwrap().resampled(&grid);
        let (found, segments) = read_seg(&out).unwrap().onto(&grid).unwrap();
        assert_eq!(segments.len(), 2);
        for segment in &segments {
            assert!(meant.voxel_count(segment.number) > 1000);
            assert!(
                found.mask(segment.number) == meant.mask(segment.number),
                "{kind}"
            );
            assert_eq!(segment.made_by, MadeBy::Manual);
            assert_eq!(segment.description.property_type.scheme, "SCT");
        }
        // That of Debian is older than Label Map Segmentation.
        if kind == "binary" {
            let checked = dciodvfy().arg(&out).output().unwrap();
            assert!(!said(&checked).contains("Error"), "{}", said(&checked));
        }
        let first = std::fs::read(&out).unwrap();
        desk.run(&format!("encode {NAMED} --segmentation {kind}"), &paths)
            .worked();
        assert!(
            std::fs::read(&out).unwrap() == first,
            "same input, same file"
        );
    }
}

#[test]
fn labels_counted_along_other_axes_lie_where_they_were_drawn() {
    let desk = Desk::new();
    let (series, labels) = (fixture("query/series"), fixture("query/labels.nii.gz"));
    let turned = desk.path("turned.nii.gz");
    let script = "import nibabel, sys; image = nibabel.load(sys.argv[1]); \
                  turn = nibabel.orientations.axcodes2ornt(('S', 'R', 'A')); \
                  turn = nibabel.orientations.ornt_transform(nibabel.io_orientation(image.affine), turn); \
                  nibabel.save(image.as_reoriented(turn), sys.argv[2])";
    let turning = Command::new(python())
        .args(["-c", script])
        .args([&labels, &turned])
        .output()
        .unwrap();
    assert!(turning.status.success(), "{}", said(&turning));
    let written = [&labels, &turned].map(|labels| {
        let out = desk.path("seg.dcm");
        let paths = [("", series.as_path()), ("--label", labels), ("--out", &out)];
        desk.run(&format!("encode {NAMED}"), &paths).worked();
        std::fs::read(out).unwrap()
    });
    assert!(written[0] == written[1]);
}

#[test]
fn labels_of_another_grid_are_refused_and_nothing_is_written() {
    let desk = Desk::new();
    let (series, labels) = (fixture("query/series"), fixture("reference/labels.nii.gz"));
    let out = desk.path("seg.dcm");
    let paths = [
        ("", series.as_path()),
        ("--label", labels.as_path()),
        ("--out", &out),
    ];
    desk.run(&format!("encode {NAMED}"), &paths)
        .failed_saying(&[
            "does not lie on the voxels of the series",
            "resample the labels",
        ]);
    assert!(!out.exists());
}

#[test]
fn what_a_program_made_names_the_program() {
    let desk = Desk::new();
    let (series, labels) = (fixture("query/series"), fixture("query/labels.nii.gz"));
    let out = desk.path("seg.dcm");
    let paths = [
        ("", series.as_path()),
        ("--label", labels.as_path()),
        ("--out", &out),
    ];
    desk.run(&format!("encode {NAMED} --made-by automatic"), &paths)
        .failed_saying(&["--algorithm <NAME>"]);
    desk.run(
        &format!("encode {NAMED} --made-by automatic --algorithm nnU-Net"),
        &paths,
    )
    .worked();
    let grid = read_grid(&query(), &VolumeChoice::default())
        .unwrap()
        .geometry;
    let (_, segments) = read_seg(&out).unwrap().onto(&grid).unwrap();
    assert!(
        segments
            .iter()
            .all(|segment| segment.made_by == MadeBy::Automatic)
    );
    assert!(
        segments
            .iter()
            .all(|segment| segment.algorithm_name == "nnU-Net")
    );
}
