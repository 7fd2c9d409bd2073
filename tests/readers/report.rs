//! The measurement report: what readers find in it is what was measured of the segments, and no checker finds an error.

use crate::objects::Object;
use crate::support::{python, root};
use crate::verdicts::{Verdicts, by_dciodvfy, by_dcmtk};
use crate::{UID, grid, patches, source};
use dicom_dictionary_std::{tags, uids};
use irisnode::encode::{Provenance, SegFile, Segment, SegmentationType, write_report};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

/// Readers, by the names of the table's columns.
pub const READERS: [&str; 6] = [
    "dciodvfy",
    "dcmdump",
    "dcm2xml",
    "dsrdump",
    "highdicom",
    "dcmqi",
];

/// A segmentation of three segments (and one without a voxel), and the bytes of its report.
struct Reported {
    object: Object,
    seg: SegFile,
    bytes: Vec<u8>,
}

fn reported(kind: SegmentationType) -> Reported {
    let mut object = Object::new("", kind, patches(&grid(), 3));
    object.segments.push(Segment {
        number: 9,
        ..object.segments[0].clone()
    });
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
    let write = || {
        let (grid, source) = (&object.labels.geometry, source(7));
        write_report(&seg.instance, &object.segments, grid, &source, &provenance).unwrap()
    };
    let report = write();
    assert_eq!(report, write(), "the same input gives the same report");
    Reported {
        bytes: report.bytes,
        object,
        seg,
    }
}

/// A report of each kind of segmentation, and what readers make of it.
pub fn verdicts() -> Vec<(&'static str, Verdicts)> {
    [
        ("report on a BINARY", SegmentationType::Binary),
        ("report on a LABELMAP", SegmentationType::Labelmap),
    ]
    .map(|(name, kind)| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.dcm");
        let reported = reported(kind);
        std::fs::write(&path, &reported.bytes).unwrap();
        let mut verdicts: Verdicts = ["dcmdump", "dcm2xml", "dsrdump"]
            .map(|program| (program.to_owned(), by_dcmtk(program, &path)))
            .into();
        verdicts.insert("dciodvfy".into(), by_dciodvfy(&path, "ComprehensiveSR"));
        verdicts.insert("highdicom".into(), reported.by_highdicom(&path));
        verdicts.insert("dcmqi".into(), reported.by_dcmqi(&path));
        (name, verdicts)
    })
    .into()
}

fn complaint(done: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&done.stderr);
    let last = said.lines().last().unwrap_or("fails").to_owned();
    (!done.status.success()).then_some(last)
}

impl Reported {
    /// The measured volume of each segment that was written, ml.
    fn volumes(&self) -> impl Iterator<Item = f64> {
        let written = self.seg.instance.written_segments.iter();
        written.map(|segment| self.object.labels.volume_ml(segment.source_number))
    }

    /// Finding, laterality, tracking, reference and volume of each segment.
    fn by_highdicom(&self, path: &Path) -> String {
        let read = Command::new(python())
            .arg(root().join("tests/readers/read_report.py"))
            .arg(path)
            .output()
            .unwrap();
        if let Some(complaint) = complaint(&read) {
            return complaint;
        }
        let mut read: Value = serde_json::from_slice(&read.stdout).unwrap();
        let seg = dicom_object::from_reader(self.seg.bytes.as_slice()).unwrap();
        let items = seg.element(tags::SEGMENT_SEQUENCE).unwrap();
        let items = items.items().unwrap();
        let written = &self.seg.instance.written_segments;
        let meant = written.iter().zip(items).map(|(written, item)| {
            let said = |tag| {
                let value = item.element(tag).unwrap().to_str().unwrap();
                value.trim_end_matches('\0').to_owned()
            };
            let described = &self.object.segments[usize::from(written.source_number) - 1];
            let described = &described.description;
            // The left kidney is a kidney, on the left.
            let side: &[&str] = match described.label.as_str() {
                "Left kidney" => &["Left"],
                _ => &[],
            };
            json!({
                "tracking_uid": said(tags::TRACKING_UID),
                "tracking_id": said(tags::TRACKING_ID),
                "instance": self.seg.instance.sop_instance_uid,
                "segment": written.number,
                "unit": "mL",
                "finding": described.property_type.value,
                "category": described.category.value,
                "laterality": side,
            })
        });
        let meant: Vec<Value> = meant.collect();
        let groups = read["groups"].as_array_mut().unwrap();
        for (group, meant_ml) in groups.iter_mut().zip(self.volumes()) {
            let ml = group.as_object_mut().unwrap().remove("ml").unwrap();
            let ml = ml.as_f64().unwrap();
            if (ml - meant_ml).abs() > 1e-9 * meant_ml {
                return format!("{ml} ml is not {meant_ml}");
            }
        }
        let meant = json!({
            "class": uids::COMPREHENSIVE_SR_STORAGE,
            "study": format!("{UID}.1"),
            "groups": meant,
        });
        if read == meant {
            String::new()
        } else {
            format!("{read} is not {meant}")
        }
    }

    /// The measured volume of each segment.
    fn by_dcmqi(&self, path: &Path) -> String {
        let json = path.with_extension("json");
        let read = Command::new(python().with_file_name("tid1500reader"))
            .args(["--inputDICOM".as_ref(), path.as_os_str()])
            .args(["--outputMetadata".as_ref(), json.as_os_str()])
            .output()
            .unwrap();
        if let Some(complaint) = complaint(&read) {
            return complaint;
        }
        let read: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        let groups = read["Measurements"].as_array().unwrap();
        let found = groups.iter().map(|group| {
            let value = group["measurementItems"][0]["value"].as_str();
            value.and_then(|value| value.parse::<f64>().ok())
        });
        let same = groups.len() == self.volumes().count()
            && found.zip(self.volumes()).all(|(found, meant)| {
                // It prints six digits.
                found.is_some_and(|found| (found / meant - 1.0).abs() < 1e-5)
            });
        if same {
            String::new()
        } else {
            format!("finds {}", read["Measurements"])
        }
    }
}
