//! Times writing a DICOM-SEG, once for each line asked: `benches/run.py` runs it beside highdicom.
//!
//! ```text
//! seg_writing SERIES LABELS SEGMENTS OUT
//! ```
//!
//! SERIES is a folder of CT images, LABELS the labels 1 to SEGMENTS on their grid (unsigned 16-bit, column index
//! fastest). The series is read before the first line is answered; each line then has the file OUT written anew and
//! is answered with JSON: the seconds it took, and the memory it needed beyond what was there before, MiB.

#![allow(
    clippy::expect_used,
    reason = "a benchmark that cannot arrange its situation ends"
)]

use irisnode::assemble::read_series;
use irisnode::encode::{MadeBy, Provenance, SegForm, Segment, write_seg_to};
use irisnode::terminology::{Code, SegmentDescription};
use irisnode::volume::{LabelRuns, LabelVolume};
use std::io::BufRead;
use std::path::PathBuf;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [series, labels, segments, out] = arguments.as_slice() else {
        eprintln!("seg_writing SERIES LABELS SEGMENTS OUT; `make bench` runs it beside its peers");
        return;
    };
    let files: Vec<PathBuf> = std::fs::read_dir(series)
        .expect("the folder of the series")
        .map(|entry| entry.expect("a file").path())
        .collect();
    let series = read_series(&files).expect("a series");
    let voxels = std::fs::read(labels)
        .expect("the labels")
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let labels = LabelVolume::exclusive(series.volume.geometry, voxels);
    let source = series.source;
    let count: u16 = segments.parse().expect("a number of segments");
    let segments: Vec<Segment> = (1..=count).map(segment).collect();
    let provenance = Provenance {
        rule: "benchmark".into(),
        tasks: vec![("benchmark".into(), "1".into())],
        weights_hash: "0".into(),
        series_description: "irisnode: benchmark".into(),
    };
    println!("{{\"slices\":{}}}", labels.geometry.size[2]);

    for line in std::io::stdin().lock().lines() {
        line.expect("a line");
        let before = forget_peak();
        let start = Instant::now();
        let mut file = std::fs::File::create(out).expect("the file is made");
        let labels = LabelRuns::of(&labels).expect("a label for each voxel");
        write_seg_to(
            &mut file,
            SegForm::Binary,
            &labels,
            &segments,
            &source,
            &provenance,
        )
        .expect("a segmentation");
        let took = start.elapsed();
        let peak = memory("VmHWM:") - before;
        println!("{{\"seconds\":{},\"peak_mib\":{peak}}}", took.as_secs_f64());
    }
}

fn segment(number: u16) -> Segment {
    Segment {
        number,
        description: SegmentDescription {
            label: format!("segment {number}"),
            category: Code::new("91723000", "SCT", "Anatomical Structure"),
            property_type: Code::new("78961009", "SCT", "Spleen"),
            property_type_modifier: None,
            anatomic_region: None,
            anatomic_region_modifier: None,
            color: [157, 108, 162],
        },
        made_by: MadeBy::Iris,
        algorithm_name: "benchmark".into(),
        algorithm_version: "1".into(),
        references: Vec::new(),
    }
}

/// Lets the kernel count the peak anew; MiB in use now. The way highdicom's side counts, so that they compare.
fn forget_peak() -> f64 {
    std::fs::write("/proc/self/clear_refs", "5").expect("the peak is forgotten");
    memory("VmRSS:")
}

/// A line of /proc/self/status, MiB.
fn memory(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the process's status");
    let line = status.lines().find(|line| line.starts_with(name));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<f64>().ok())
        .expect("a number of KiB")
        / 1024.0
}
