//! From the scanner's files to the DICOM-SEG and back: every labelled voxel stays where it was in the patient.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use irisnode::assemble::{Series, read_series};
use irisnode::encode::{Provenance, SegFile, SegForm, SegObject, Segment, write_seg_as};
use irisnode::terminology::SegmentDescription;
use irisnode::volume::{Geometry, LabelVolume, cross, norm};
use proptest::prelude::*;

const UID: &str = "1.2.826.0.1.3680043.10.543.92";

/// How a scanner might write a stack.
#[derive(Debug, Clone)]
struct Scan {
    grid: Geometry,
    /// Bits Allocated, Bits Stored.
    bits: (u16, u16),
    signed: bool,
    slope: f64,
    /// All slices as frames of one instance.
    enhanced: bool,
    seed: u64,
}

fn scans() -> impl Strategy<Value = Scan> {
    let unit = || prop::array::uniform3(-1.0..1.0f64);
    let axes = (unit(), unit()).prop_filter_map("parallel", |(a, b)| {
        let normal = cross(a, b);
        (norm(a) > 0.2 && norm(normal) > 0.1).then(|| {
            let row = a.map(|x| x / norm(a));
            let normal = normal.map(|x| x / norm(normal));
            // As a file rounds them.
            let rounded = |v: [f64; 3]| v.map(|x| (x * 1e9).round() / 1e9);
            [rounded(row), rounded(cross(normal, row)), normal]
        })
    });
    // Less than a tenth of a millimetre over the stack counts as upright.
    let lean = prop_oneof![Just(0.0), 0.15..0.5f64, -0.5..-0.15f64];
    let bits = prop_oneof![Just((8, 8)), Just((16, 10)), Just((16, 12)), Just((16, 16))];
    let rest = (
        bits,
        any::<bool>(),
        0.25..3.0f64,
        any::<bool>(),
        any::<u64>(),
    );
    (
        axes,
        (2usize..12, 2usize..12, 3usize..9),
        prop::array::uniform3(0.4..6.0f64),
        prop::array::uniform3(-400.0..400.0f64),
        lean,
        rest,
    )
        .prop_map(
            |(axes, size, spacing, origin, lean, (bits, signed, slope, enhanced, seed))| {
                let way: [f64; 3] = std::array::from_fn(|a| axes[2][a] + lean * axes[1][a]);
                let grid = Geometry {
                    size: [size.0, size.1, size.2],
                    spacing,
                    direction: [axes[0], axes[1], way.map(|x| x / norm(way))],
                    origin,
                };
                Scan {
                    grid,
                    bits,
                    signed,
                    slope,
                    enhanced,
                    seed,
                }
            },
        )
}

/// A stream of numbers from a seed.
fn numbers(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed | 1;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    }
}

fn text(tag: Tag, vr: VR, value: impl Into<String>) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, vr, PrimitiveValue::from(value.into()))
}

fn us(tag: Tag, value: u16) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::US, PrimitiveValue::from(value))
}

fn decimals(values: &[f64]) -> String {
    let words: Vec<String> = values
        .iter()
        .map(|v| {
            format!("{v:.12}")[..]
                .trim_end_matches('0')
                .chars()
                .take(16)
                .collect()
        })
        .collect();
    words.join("\\")
}

fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
}

fn one(
    tag: Tag,
    elements: impl IntoIterator<Item = DataElement<InMemDicomObject>>,
) -> DataElement<InMemDicomObject> {
    sequence(tag, vec![InMemDicomObject::from_element_iter(elements)])
}

impl Scan {
    fn stored(&self) -> Vec<i64> {
        let mut next = numbers(self.seed);
        let span = 1i64 << self.bits.1;
        (0..self.grid.len())
            .map(|_| (next() as i64).rem_euclid(span) - if self.signed { span / 2 } else { 0 })
            .collect()
    }

    fn cells(&self, stored: &[i64]) -> DataElement<InMemDicomObject> {
        let mask = (1u64 << self.bits.1) - 1;
        let cells = stored.iter().map(|&v| v as u64 & mask);
        let bytes: Vec<u8> = match self.bits.0 {
            8 => cells.map(|c| c as u8).collect(),
            _ => cells.flat_map(|c| (c as u16).to_le_bytes()).collect(),
        };
        let bytes = if bytes.len() % 2 == 1 {
            [bytes, vec![0]].concat()
        } else {
            bytes
        };
        let vr = if self.bits.0 == 8 { VR::OB } else { VR::OW };
        DataElement::new(tags::PIXEL_DATA, vr, PrimitiveValue::U8(bytes.into()))
    }

    fn position(&self, k: usize) -> DataElement<InMemDicomObject> {
        let at = self.grid.to_patient([0.0, 0.0, k as f64]);
        text(tags::IMAGE_POSITION_PATIENT, VR::DS, decimals(&at))
    }

    fn orientation(&self) -> DataElement<InMemDicomObject> {
        let [row, column, _] = self.grid.direction;
        text(
            tags::IMAGE_ORIENTATION_PATIENT,
            VR::DS,
            decimals(&[row, column].concat()),
        )
    }

    fn spacing(&self) -> DataElement<InMemDicomObject> {
        let [across, down, _] = self.grid.spacing;
        text(tags::PIXEL_SPACING, VR::DS, decimals(&[down, across]))
    }

    fn rescale(&self) -> [DataElement<InMemDicomObject>; 2] {
        [
            text(tags::RESCALE_INTERCEPT, VR::DS, "-1000"),
            text(tags::RESCALE_SLOPE, VR::DS, decimals(&[self.slope])),
        ]
    }

    fn general(&self, class: &str, instance: usize) -> InMemDicomObject {
        InMemDicomObject::from_element_iter([
            text(tags::SOP_CLASS_UID, VR::UI, class),
            text(
                tags::SOP_INSTANCE_UID,
                VR::UI,
                format!("{UID}.4.{instance}"),
            ),
            text(tags::MODALITY, VR::CS, "CT"),
            text(tags::STUDY_INSTANCE_UID, VR::UI, format!("{UID}.1")),
            text(tags::SERIES_INSTANCE_UID, VR::UI, format!("{UID}.2")),
            text(tags::FRAME_OF_REFERENCE_UID, VR::UI, format!("{UID}.3")),
            us(tags::SAMPLES_PER_PIXEL, 1),
            text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
            us(tags::ROWS, self.grid.size[1] as u16),
            us(tags::COLUMNS, self.grid.size[0] as u16),
            us(tags::BITS_ALLOCATED, self.bits.0),
            us(tags::BITS_STORED, self.bits.1),
            us(tags::HIGH_BIT, self.bits.1 - 1),
            us(tags::PIXEL_REPRESENTATION, u16::from(self.signed)),
        ])
    }

    /// Files in an order, and frames under numbers, that say nothing of where slices lie.
    fn write(&self, folder: &Path) -> Vec<PathBuf> {
        let stored = self.stored();
        let [columns, rows, slices] = self.grid.size;
        let plane = columns * rows;
        let mut next = numbers(self.seed ^ 7);
        let mut order: Vec<usize> = (0..slices).collect();
        for last in (1..slices).rev() {
            order.swap(last, next() as usize % (last + 1));
        }
        let slice = |k: usize| &stored[k * plane..(k + 1) * plane];
        let save = |object: InMemDicomObject, class: &str, instance: usize| {
            let path = folder.join(format!("{instance}.dcm"));
            let meta = FileMetaTableBuilder::new()
                .media_storage_sop_class_uid(class)
                .media_storage_sop_instance_uid(format!("{UID}.4.{instance}"))
                .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
            object
                .with_meta(meta)
                .unwrap()
                .write_to_file(&path)
                .unwrap();
            path
        };
        if !self.enhanced {
            return order
                .iter()
                .enumerate()
                .map(|(at, &k)| {
                    let mut object = self.general(uids::CT_IMAGE_STORAGE, at);
                    object.put(text(tags::INSTANCE_NUMBER, VR::IS, at.to_string()));
                    let [intercept, slope] = self.rescale();
                    for element in [
                        self.position(k),
                        self.orientation(),
                        self.spacing(),
                        intercept,
                        slope,
                        self.cells(slice(k)),
                    ] {
                        object.put(element);
                    }
                    save(object, uids::CT_IMAGE_STORAGE, at)
                })
                .collect();
        }
        let mut object = self.general(uids::ENHANCED_CT_IMAGE_STORAGE, 0);
        object.put(text(tags::NUMBER_OF_FRAMES, VR::IS, slices.to_string()));
        object.put(one(
            tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
            [
                one(tags::PLANE_ORIENTATION_SEQUENCE, [self.orientation()]),
                one(tags::PIXEL_MEASURES_SEQUENCE, [self.spacing()]),
                one(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, self.rescale()),
            ],
        ));
        let frames = order.iter().map(|&k| {
            InMemDicomObject::from_element_iter([one(
                tags::PLANE_POSITION_SEQUENCE,
                [self.position(k)],
            )])
        });
        object.put(sequence(
            tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
            frames.collect(),
        ));
        let all: Vec<i64> = order.iter().flat_map(|&k| slice(k).to_vec()).collect();
        object.put(self.cells(&all));
        vec![save(object, uids::ENHANCED_CT_IMAGE_STORAGE, 0)]
    }

    /// Which slice of the scan an instance and frame of the series hold.
    fn slice_of(&self, files: &[PathBuf], instance: &str, frame: Option<u32>) -> [f64; 3] {
        let file = files
            .iter()
            .find(|file| {
                instance.ends_with(&format!(
                    ".4.{}",
                    file.file_stem().unwrap().to_string_lossy()
                ))
            })
            .unwrap();
        let object = dicom_object::open_file(file).unwrap();
        let holder = match frame {
            None => (*object).clone(),
            Some(frame) => {
                let frames = object
                    .element(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
                    .unwrap();
                let own = &frames.items().unwrap()[frame as usize - 1];
                own.element(tags::PLANE_POSITION_SEQUENCE)
                    .unwrap()
                    .items()
                    .unwrap()[0]
                    .clone()
            }
        };
        let position = holder.element(tags::IMAGE_POSITION_PATIENT).unwrap();
        position.to_multi_float64().unwrap().try_into().unwrap()
    }
}

/// Labels in layers, some segments empty.
fn labels(grid: &Geometry, seed: u64) -> LabelVolume {
    let mut next = numbers(seed ^ 99);
    let layers = (0..1 + next() as usize % 3)
        .map(|layer| {
            (0..grid.len())
                .map(|_| match next() % 6 {
                    n @ 1..=3 => layer as u16 * 3 + n as u16,
                    _ => 0,
                })
                .collect()
        })
        .collect();
    LabelVolume {
        geometry: grid.clone(),
        layers,
    }
}

/// Where the voxels of a segment lie in the scan as it was drawn: voxel numbers of `grid`.
fn places(labels: &LabelVolume, number: u16, grid: &Geometry) -> BTreeSet<[i64; 3]> {
    let own = &labels.geometry;
    let [columns, rows, _] = own.size;
    let mask = labels
        .mask(number)
        .into_iter()
        .enumerate()
        .filter(|(_, inside)| *inside);
    mask.map(|(at, _)| {
        let ijk = [at % columns, at / columns % rows, at / (columns * rows)].map(|n| n as f64);
        let there = grid.to_index(own.to_patient(ijk));
        let whole = there.map(f64::round);
        for axis in 0..3 {
            assert!(
                (there[axis] - whole[axis]).abs() * grid.spacing[axis] < 1e-4,
                "{there:?}"
            );
        }
        whole.map(|x| x as i64)
    })
    .collect()
}

fn check(scan: &Scan) {
    let folder = tempfile::tempdir().unwrap();
    let files = scan.write(folder.path());
    let Series { volume, source, .. } = read_series(&files).unwrap();
    // Each stored number is at its place.
    let stored = scan.stored();
    let [columns, rows, _] = volume.geometry.size;
    for (at, value) in volume.voxels.iter().enumerate() {
        let ijk = [at % columns, at / columns % rows, at / (columns * rows)].map(|n| n as f64);
        let there = scan
            .grid
            .to_index(volume.geometry.to_patient(ijk))
            .map(|x| x.round() as usize);
        let meant =
            stored[scan.grid.index(there[0], there[1], there[2])] as f64 * scan.slope - 1000.0;
        assert!(
            (f64::from(*value) - meant).abs() < 0.02,
            "{value} is not {meant} at {ijk:?}"
        );
    }
    let labels = labels(&volume.geometry, scan.seed);
    let segments: Vec<Segment> = (1..=9)
        .map(|n| Segment::new(n, SegmentDescription::or_generic(&format!("s{n}"))))
        .collect();
    // Certain where a segment is, and nowhere else.
    let [columns, rows, _] = labels.geometry.size;
    let fill = |number: u16, k: usize, pixels: &mut [u8]| {
        let from = k * columns * rows;
        for (at, pixel) in pixels.iter_mut().enumerate() {
            let inside = labels.layers.iter().any(|layer| layer[from + at] == number);
            *pixel = if inside { 255 } else { 0 };
        }
    };
    let mut forms = vec![SegForm::Binary, SegForm::Fractional(&fill)];
    if labels.layers.len() == 1 {
        forms.push(SegForm::Labelmap);
    }
    for form in forms {
        match write_seg_as(form, &labels, &segments, &source, &Provenance::default()) {
            Ok(seg) => check_written(scan, &files, &seg, &labels, &segments),
            Err(_) => assert!(labels.layers.iter().flatten().all(|&label| label == 0)),
        }
    }
}

/// A DICOM-SEG of labels on the grid that the series was read on.
fn check_written(
    scan: &Scan,
    files: &[PathBuf],
    seg: &SegFile,
    labels: &LabelVolume,
    segments: &[Segment],
) {
    let object = dicom_object::from_reader(seg.bytes.as_slice()).unwrap();
    // Each frame refers to the instance, and the frame of it, that lies at its place.
    for frame in object
        .element(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
        .unwrap()
        .items()
        .unwrap()
    {
        let first = |item: &InMemDicomObject, tag: Tag| {
            item.element(tag).unwrap().items().unwrap()[0].clone()
        };
        let image = first(
            &first(frame, tags::DERIVATION_IMAGE_SEQUENCE),
            tags::SOURCE_IMAGE_SEQUENCE,
        );
        let instance = image
            .element(tags::REFERENCED_SOP_INSTANCE_UID)
            .unwrap()
            .to_str()
            .unwrap()
            .into_owned();
        let number = image
            .element(tags::REFERENCED_FRAME_NUMBER)
            .ok()
            .map(|n| n.to_int::<u32>().unwrap());
        assert_eq!(number.is_some(), scan.enhanced);
        let referred = scan.slice_of(files, instance.trim_end_matches('\0'), number);
        let own = first(frame, tags::PLANE_POSITION_SEQUENCE)
            .element(tags::IMAGE_POSITION_PATIENT)
            .unwrap()
            .to_multi_float64()
            .unwrap();
        let apart: [f64; 3] = std::array::from_fn(|axis| referred[axis] - own[axis]);
        assert!(norm(apart) < 1e-4, "{apart:?}");
    }
    // Read onto the scan as it was drawn, every segment has its voxels.
    let (found, listed) = SegObject::from_object(&object)
        .unwrap()
        .onto(&scan.grid)
        .unwrap();
    let written: BTreeSet<String> = listed.iter().map(|s| s.description.label.clone()).collect();
    for segment in segments {
        let label = &segment.description.label;
        let meant = places(labels, segment.number, &scan.grid);
        assert_eq!(written.contains(label), !meant.is_empty(), "{label}");
        if let Some(listed) = listed.iter().find(|s| s.description.label == *label) {
            assert_eq!(places(&found, listed.number, &scan.grid), meant, "{label}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_labelled_voxel_stays_where_it_was_in_the_patient(scan in scans()) {
        check(&scan);
    }
}
