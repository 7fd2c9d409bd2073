//! The measurement report: what highdicom reads of it is what was measured, and dciodvfy finds no error.

use crate::objects::Object;
use crate::support::{dciodvfy, python, root, tool};
use crate::{UID, grid, patches, source};
use dicom_dictionary_std::{tags, uids};
use irisnode::encode::{Provenance, Segment, SegmentationType, write_report};
use std::path::Path;
use std::process::Command;

#[test]
fn a_report_holds_the_volume_of_each_segment_and_refers_to_it() {
    for kind in [SegmentationType::Binary, SegmentationType::Labelmap] {
        let mut object = Object::new("", kind, patches(&grid(), 3));
        object.segments.push(Segment {
            number: 9,
            ..object.segments[0].clone()
        });
        let (labels, segments) = (&object.labels, &object.segments);
        let seg = object.write();
        assert_eq!(
            seg.instance.written_segments.len(),
            3,
            "the fourth has no voxel"
        );
        let provenance = Provenance {
            rule: "r".into(),
            tasks: vec![("abdomen".into(), "1".into())],
            weights_hash: "f00d".into(),
            series_description: "irisnode: abdomen".into(),
        };
        let source = source(7);
        let report = write_report(
            &seg.instance,
            segments,
            &labels.geometry,
            &source,
            &provenance,
        )
        .unwrap();
        let again = write_report(
            &seg.instance,
            segments,
            &labels.geometry,
            &source,
            &provenance,
        )
        .unwrap();
        assert_eq!(report, again);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.dcm");
        std::fs::write(&path, &report.bytes).unwrap();
        let judged = dciodvfy().arg(&path).output().unwrap();
        let judged = String::from_utf8_lossy(&judged.stderr).into_owned();
        let errors: Vec<&str> = judged.lines().filter(|l| l.contains("Error")).collect();
        assert!(judged.contains("ComprehensiveSR"), "{judged}");
        // Debian's DCMTK knows no Label Map Segmentation, and takes it for no segmentation.
        if kind == SegmentationType::Labelmap {
            // It takes only Segmentation for what has segments; without the number nobody knows which label is meant.
            assert!(
                errors
                    .iter()
                    .all(|e| e.contains("that is not segmentation")),
                "{judged}"
            );
        } else {
            assert!(errors.is_empty(), "{judged}");
            assert_read_by_dcmtk_and_dcmqi(&path);
        }
        let read = Command::new(python())
            .arg(root().join("tests/readers/read_report.py"))
            .arg(&path)
            .output()
            .unwrap();
        assert!(
            read.status.success(),
            "{}",
            String::from_utf8_lossy(&read.stderr)
        );
        let read: serde_json::Value = serde_json::from_slice(&read.stdout).unwrap();
        assert_eq!(read["class"], uids::COMPREHENSIVE_SR_STORAGE);
        assert_eq!(read["study"], format!("{UID}.1"));
        let groups = read["groups"].as_array().unwrap();
        assert_eq!(groups.len(), 3);
        let object = dicom_object::from_reader(seg.bytes.as_slice()).unwrap();
        let items = object
            .element(tags::SEGMENT_SEQUENCE)
            .unwrap()
            .items()
            .unwrap();
        for ((group, item), written) in groups.iter().zip(items).zip(&seg.instance.written_segments)
        {
            let said = |tag| item.element(tag).unwrap().to_str().unwrap().into_owned();
            assert_eq!(
                group["tracking_uid"],
                said(tags::TRACKING_UID).trim_end_matches('\0')
            );
            assert_eq!(group["tracking_id"], said(tags::TRACKING_ID));
            assert_eq!(group["instance"], seg.instance.sop_instance_uid);
            assert_eq!(group["segment"], written.number);
            assert_eq!(group["unit"], "mL");
            let meant = &segments[usize::from(written.source_number) - 1].description;
            assert_eq!(group["finding"][0], meant.property_type.value);
            assert_eq!(group["category"], meant.category.value);
            let ml = group["ml"].as_f64().unwrap();
            let volume = labels.volume_ml(written.source_number);
            assert!((ml - volume).abs() < 1e-9 * volume, "{ml} is not {volume}");
        }
        // The left kidney is a kidney, on the left.
        assert_eq!(groups[2]["laterality"], serde_json::json!(["Left"]));
        assert_eq!(groups[0]["laterality"], serde_json::json!([]));
    }
}

fn assert_read_by_dcmtk_and_dcmqi(path: &Path) {
    let dumped = tool("dsrdump").arg(path).output().unwrap();
    let said = String::from_utf8_lossy(&dumped.stderr);
    assert!(dumped.status.success(), "dsrdump: {said}");
    let json = path.with_extension("json");
    let read = Command::new(python().with_file_name("tid1500reader"))
        .args([
            "--inputDICOM".as_ref(),
            path.as_os_str(),
            "--outputMetadata".as_ref(),
            json.as_os_str(),
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "dcmqi: {said}");
    let measured: serde_json::Value =
        serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(measured["Measurements"].as_array().unwrap().len(), 3);
}
