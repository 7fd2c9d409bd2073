//! The objects that everyone must read: each kind, in the situations that have led readers astray.

use crate::sent::{received, send, storescp};
use crate::{grid, labels_of, patches, segments, source};
use dicom_dictionary_std::{tags, uids};
use irisnode::assemble::SourceSeries;
use irisnode::config::Compression;
use irisnode::encode::{Provenance, SegFile, SegForm, Segment, SegmentationType, write_seg_as};
use irisnode::volume::{Geometry, LabelVolume};
use serde_json::json;
use std::path::Path;

/// What a segmentation is made from.
pub struct Object {
    /// As the table has it.
    pub name: &'static str,
    pub kind: SegmentationType,
    pub labels: LabelVolume,
    pub segments: Vec<Segment>,
    pub source: SourceSeries,
    /// How it is sent to a peer that takes it so; as it was written, else.
    pub compression: Option<Compression>,
}

impl Object {
    pub fn new(name: &'static str, kind: SegmentationType, labels: LabelVolume) -> Self {
        let numbers = labels.layers.iter().flatten().copied();
        Self {
            name,
            kind,
            segments: segments(numbers.max().unwrap_or(0)),
            source: source(labels.geometry.size[2]),
            compression: None,
            labels,
        }
    }

    /// The same, compressed on its way to a peer.
    pub fn sent(name: &'static str, compression: Compression, kind: SegmentationType) -> Self {
        let plain = Self::new(name, kind, patches(&whole_bytes(), 3));
        Self {
            compression: Some(compression),
            ..plain
        }
    }

    /// Puts the file into place as a reader gets it: written, or received by a storescp that takes the compression.
    pub fn put(&self, path: &Path) {
        let Some(compression) = self.compression else {
            std::fs::write(path, self.write().bytes).unwrap();
            return;
        };
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let plain = ours.path().join("seg.dcm");
        std::fs::write(&plain, self.write().bytes).unwrap();
        let (takes, arrives) = match compression {
            Compression::Deflated => ("+xd", uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN),
            Compression::Rle => ("+xr", uids::RLE_LOSSLESS),
            Compression::JpegLs => ("+xt", uids::JPEGLS_LOSSLESS),
        };
        let (_running, port) = storescp(theirs.path(), &[takes, "--promiscuous"]);
        send(&plain, port, &[compression]);
        let file = received(theirs.path());
        let object = dicom_object::open_file(&file).unwrap();
        assert_eq!(
            object.meta().transfer_syntax().trim_end_matches('\0'),
            arrives
        );
        std::fs::copy(file, path).unwrap();
    }

    /// The value of every voxel of a segment: of 255 in a FRACTIONAL, else 0 or 1.
    pub fn values(&self, number: u16) -> Vec<u8> {
        match self.kind {
            SegmentationType::Fractional => (0..self.labels.geometry.len())
                .map(|at| fraction(&self.labels, number, at))
                .collect(),
            _ => self.labels.mask(number).into_iter().map(u8::from).collect(),
        }
    }

    pub fn write(&self) -> SegFile {
        let [columns, rows, _] = self.labels.geometry.size;
        let fill = |number: u16, k: usize, slice: &mut [u8]| {
            for (at, value) in slice.iter_mut().enumerate() {
                *value = fraction(&self.labels, number, at + k * columns * rows);
            }
        };
        let form = match self.kind {
            SegmentationType::Binary => SegForm::Binary,
            SegmentationType::Fractional => SegForm::Fractional(&fill),
            SegmentationType::Labelmap => SegForm::Labelmap,
        };
        let provenance = Provenance {
            rule: "r".into(),
            tasks: vec![("abdomen".into(), "1".into())],
            weights_hash: "f00d".into(),
            series_description: "irisnode: abdomen".into(),
        };
        write_seg_as(
            form,
            &self.labels,
            &self.segments,
            &self.source,
            &provenance,
        )
        .unwrap()
    }

    /// Writes what `read_with.py` and `read_with.mjs` compare `seg.dcm` of the same folder with.
    pub fn say_what_is_meant(&self, folder: &Path) {
        for (at, segment) in self.segments.iter().enumerate() {
            let file = folder.join(format!("{at}.raw"));
            std::fs::write(file, self.values(segment.number)).unwrap();
        }
        let grid = &self.labels.geometry;
        let attribute = |tag| {
            let element = self.source.attributes.element(tag).ok();
            element.map(|e| e.to_str().unwrap().into_owned())
        };
        let slices: Vec<_> = self
            .source
            .slices
            .iter()
            .map(|slice| (&slice.sop_instance_uid, slice.frame))
            .collect();
        let colors: Vec<_> = self.segments.iter().map(|s| s.description.color).collect();
        let expected = json!({
            "size": grid.size,
            "spacing": grid.spacing,
            "direction": grid.direction,
            "origin": grid.origin,
            "labels": labels_of(&self.segments),
            "colors": colors,
            "series": attribute(tags::SERIES_INSTANCE_UID),
            "frame_of_reference": attribute(tags::FRAME_OF_REFERENCE_UID),
            "slices": slices,
        });
        std::fs::write(folder.join("expected.json"), expected.to_string()).unwrap();
    }
}

/// A probability that is more than a half within the segment, and goes on around it.
fn fraction(labels: &LabelVolume, number: u16, at: usize) -> u8 {
    let noise = (at * 31 + usize::from(number) * 17) % 120;
    if labels.layers[0][at] == number {
        135 + noise as u8
    } else if at / 7 % 5 == usize::from(number) % 5 {
        noise as u8
    } else {
        0
    }
}

/// Every object of the table.
pub fn objects() -> Vec<Object> {
    use Compression::{Deflated, JpegLs, Rle};
    use SegmentationType::{Binary, Fractional, Labelmap};
    let three = || patches(&whole_bytes(), 3);
    let mut of_frames = Object::new("BINARY, of an enhanced multi-frame source", Binary, three());
    for (k, slice) in of_frames.source.slices.iter_mut().enumerate() {
        slice.sop_class_uid = uids::ENHANCED_CT_IMAGE_STORAGE.to_owned();
        slice.sop_instance_uid = "1.2.826.0.1.3680043.10.543.93.5".to_owned();
        slice.frame = Some(7 - k as u32);
    }
    let mut bare = Object::new(
        "BINARY, of a source without frame of reference, dates, names",
        Binary,
        three(),
    );
    for tag in [
        tags::FRAME_OF_REFERENCE_UID,
        tags::STUDY_DATE,
        tags::PATIENT_NAME,
        tags::PATIENT_ID,
    ] {
        bare.source.attributes.remove_element(tag);
    }
    vec![
        Object::new("BINARY, three segments", Binary, three()),
        Object::new(
            "BINARY, 37 × 29 pixels: frames that end within a byte",
            Binary,
            patches(&grid(), 3),
        ),
        Object::new("BINARY, one slice", Binary, patches(&one_slice(), 1)),
        Object::new("BINARY, a lesion within an organ", Binary, nested()),
        Object::new("BINARY, 130 segments", Binary, patches(&whole_bytes(), 130)),
        Object::new("BINARY, of a tilted gantry", Binary, patches(&leaning(), 3)),
        of_frames,
        bare,
        Object::new("FRACTIONAL, three segments", Fractional, three()),
        Object::new("LABELMAP, three segments", Labelmap, three()),
        Object::new(
            "LABELMAP, 300 segments",
            Labelmap,
            patches(&whole_bytes(), 300),
        ),
        Object::sent("BINARY, deflated", Deflated, Binary),
        Object::sent("FRACTIONAL, deflated", Deflated, Fractional),
        Object::sent("FRACTIONAL, RLE", Rle, Fractional),
        Object::sent("FRACTIONAL, JPEG-LS", JpegLs, Fractional),
        Object::sent("LABELMAP, deflated", Deflated, Labelmap),
        Object::sent("LABELMAP, RLE", Rle, Labelmap),
        Object::sent("LABELMAP, JPEG-LS", JpegLs, Labelmap),
    ]
}

/// A grid whose frames of bits are whole bytes, as those of scanners are.
fn whole_bytes() -> Geometry {
    Geometry {
        size: [40, 30, 7],
        ..grid()
    }
}

fn one_slice() -> Geometry {
    Geometry {
        size: [40, 30, 1],
        ..grid()
    }
}

/// Slices that lie one above the other along the table, not along their normal.
fn leaning() -> Geometry {
    let grid = whole_bytes();
    let [row, column, across] = grid.direction;
    let lean = 0.2_f64;
    let direction = std::array::from_fn(|a| across[a] * lean.cos() + column[a] * lean.sin());
    Geometry {
        direction: [row, column, direction],
        ..grid
    }
}

/// Segments of which the second lies within the first.
fn nested() -> LabelVolume {
    let organ = patches(&whole_bytes(), 1);
    let lesion = organ.layers[0]
        .iter()
        .enumerate()
        .map(|(at, &label)| if at % 3 == 0 { label * 2 } else { 0 })
        .collect();
    LabelVolume {
        layers: vec![organ.layers[0].clone(), lesion],
        ..organ
    }
}
