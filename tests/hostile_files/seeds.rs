//! The seeds of the corpus: small, whole inputs of every kind, for a fuzzer to start from.
//!
//! `IRISNODE_WRITE=1 cargo test --test hostile_files seeds` writes them anew.

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_encoding::TransferSyntaxIndex;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use dicom_ul::pdu::{
    AssociationRQ, PDataValue, PDataValueType, Pdu, PresentationContextProposed, UserVariableItem,
    write_pdu,
};
use irisnode::assemble::{SourceSeries, SourceSlice};
use irisnode::encode::{Provenance, SegForm, Segment, read_rtstruct, read_seg, write_seg_as};
use irisnode::terminology::SegmentDescription;
use irisnode::volume::{Geometry, LabelVolume, Volume};
use std::path::{Path, PathBuf};

const UID: &str = "1.2.826.0.1.3680043.10.543.77";

/// Name and bytes of each.
type Seeds = Vec<(&'static str, Vec<u8>)>;

fn text(tag: Tag, vr: VR, value: &str) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, vr, PrimitiveValue::from(value))
}

fn us(tag: Tag, value: u16) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::US, PrimitiveValue::from(value))
}

fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
}

fn data_set(object: &InMemDicomObject, syntax: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let syntax = TransferSyntaxRegistry.get(syntax).unwrap();
    object.write_dataset_with_ts(&mut bytes, syntax).unwrap();
    bytes
}

/// A CT slice of 4 x 4 pixels.
fn slice() -> InMemDicomObject {
    InMemDicomObject::from_element_iter([
        text(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3"),
        text(tags::MODALITY, VR::CS, "CT"),
        text(tags::STUDY_INSTANCE_UID, VR::UI, "1.2"),
        text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.1"),
        text(tags::IMAGE_POSITION_PATIENT, VR::DS, "0\\0\\1"),
        text(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0"),
        us(tags::SAMPLES_PER_PIXEL, 1),
        text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
        us(tags::ROWS, 4),
        us(tags::COLUMNS, 4),
        text(tags::PIXEL_SPACING, VR::DS, "1\\1"),
        us(tags::BITS_ALLOCATED, 16),
        us(tags::BITS_STORED, 12),
        us(tags::HIGH_BIT, 11),
        us(tags::PIXEL_REPRESENTATION, 0),
        text(tags::RESCALE_INTERCEPT, VR::DS, "-1024"),
        text(tags::RESCALE_SLOPE, VR::DS, "1"),
        sequence(
            tags::REFERENCED_STUDY_SEQUENCE,
            vec![InMemDicomObject::from_element_iter([text(
                tags::REFERENCED_SOP_INSTANCE_UID,
                VR::UI,
                "1.9",
            )])],
        ),
        DataElement::new(
            tags::PIXEL_DATA,
            VR::OW,
            PrimitiveValue::U16((0..16).map(|n| n * 100).collect()),
        ),
    ])
}

/// Three frames, each with its position, in one enhanced CT.
fn enhanced() -> InMemDicomObject {
    let item = InMemDicomObject::from_element_iter;
    let frames = (0..3).map(|k| {
        item(vec![sequence(
            tags::PLANE_POSITION_SEQUENCE,
            vec![item(vec![text(
                tags::IMAGE_POSITION_PATIENT,
                VR::DS,
                &format!("0\\0\\{k}"),
            )])],
        )])
    });
    let shared = item(vec![
        sequence(
            tags::PLANE_ORIENTATION_SEQUENCE,
            vec![item(vec![text(
                tags::IMAGE_ORIENTATION_PATIENT,
                VR::DS,
                "1\\0\\0\\0\\1\\0",
            )])],
        ),
        sequence(
            tags::PIXEL_MEASURES_SEQUENCE,
            vec![item(vec![text(tags::PIXEL_SPACING, VR::DS, "1\\1")])],
        ),
    ]);
    let mut object = slice();
    for tag in [
        tags::IMAGE_POSITION_PATIENT,
        tags::IMAGE_ORIENTATION_PATIENT,
        tags::PIXEL_SPACING,
    ] {
        object.remove_element(tag);
    }
    for element in [
        text(tags::SOP_CLASS_UID, VR::UI, uids::ENHANCED_CT_IMAGE_STORAGE),
        text(tags::NUMBER_OF_FRAMES, VR::IS, "3"),
        sequence(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared]),
        sequence(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames.collect()),
        DataElement::new(
            tags::PIXEL_DATA,
            VR::OW,
            PrimitiveValue::U16((0..48).collect()),
        ),
    ] {
        object.put(element);
    }
    object
}

/// Everything of [`slice`] but with pixels as one RLE fragment (PS3.5 annex G): two segments of 16 bytes.
fn run_lengths() -> InMemDicomObject {
    let mut fragment = Vec::new();
    for number in [2u32, 64, 66] {
        fragment.extend(number.to_le_bytes());
    }
    fragment.resize(64, 0);
    // 16 times 0, and 16 times 7.
    fragment.extend([0xF1, 0, 0xF1, 7]);
    let mut object = slice();
    object.put(DataElement::new(
        tags::PIXEL_DATA,
        VR::OB,
        dicom_core::value::Value::PixelSequence(dicom_core::value::PixelFragmentSequence::new(
            vec![0],
            vec![fragment],
        )),
    ));
    object
}

fn ingestion() -> Seeds {
    let with = |choice: u8, object: &InMemDicomObject, syntax: &str| {
        [vec![choice], data_set(object, syntax)].concat()
    };
    let explicit = uids::EXPLICIT_VR_LITTLE_ENDIAN;
    let deflated = {
        let mut deflater =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut deflater, &data_set(&slice(), explicit)).unwrap();
        [vec![2], deflater.finish().unwrap()].concat()
    };
    vec![
        ("explicit", with(0, &slice(), explicit)),
        ("enhanced", with(0, &enhanced(), explicit)),
        (
            "implicit",
            with(1, &slice(), uids::IMPLICIT_VR_LITTLE_ENDIAN),
        ),
        ("deflated", deflated),
        ("run-lengths", with(3, &run_lengths(), explicit)),
        ("wavelets-of-nothing", with(4, &run_lengths(), explicit)),
    ]
}

/// Bodies of STOW-RS: a boundary `b`, in pieces of as many bytes as the first says.
fn dicomweb() -> Seeds {
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
        .media_storage_sop_instance_uid("1.2.3")
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
        .build()
        .unwrap();
    let mut file = [vec![0; 128], b"DICM".to_vec()].concat();
    meta.write(&mut file).unwrap();
    file.extend(data_set(&slice(), uids::EXPLICIT_VR_LITTLE_ENDIAN));
    let part = [
        b"--b\r\nContent-Type: application/dicom\r\n\r\n",
        file.as_slice(),
        b"\r\n",
    ]
    .concat();
    let body =
        |size: u8, parts: usize| [vec![size], part.repeat(parts), b"--b--".to_vec()].concat();
    vec![
        ("one-part", body(255, 1)),
        ("two-parts-in-crumbs", body(7, 2)),
    ]
}

fn association() -> Seeds {
    let request = Pdu::AssociationRQ(AssociationRQ {
        protocol_version: 1,
        calling_ae_title: "SCANNER".into(),
        called_ae_title: "IRISNODE".into(),
        application_context_name: "1.2.840.10008.3.1.1.1".into(),
        presentation_contexts: vec![PresentationContextProposed {
            id: 1,
            abstract_syntax: uids::CT_IMAGE_STORAGE.into(),
            transfer_syntaxes: vec![uids::IMPLICIT_VR_LITTLE_ENDIAN.into()],
        }],
        user_variables: vec![
            UserVariableItem::MaxLength(16384),
            UserVariableItem::ImplementationClassUID("1.2.3".into()),
        ],
    });
    let value = |value_type, data: Vec<u8>| Pdu::PData {
        data: vec![PDataValue {
            presentation_context_id: 1,
            value_type,
            is_last: true,
            data,
        }],
    };
    let command = |elements: Vec<DataElement<InMemDicomObject>>| {
        let set = InMemDicomObject::command_from_element_iter(elements);
        value(
            PDataValueType::Command,
            data_set(&set, uids::IMPLICIT_VR_LITTLE_ENDIAN),
        )
    };
    let echo = command(vec![
        text(tags::AFFECTED_SOP_CLASS_UID, VR::UI, uids::VERIFICATION),
        us(tags::COMMAND_FIELD, 0x30),
        us(tags::MESSAGE_ID, 1),
        us(tags::COMMAND_DATA_SET_TYPE, 0x101),
    ]);
    let store = command(vec![
        text(tags::AFFECTED_SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
        us(tags::COMMAND_FIELD, 1),
        us(tags::MESSAGE_ID, 2),
        us(tags::COMMAND_DATA_SET_TYPE, 1),
        text(tags::AFFECTED_SOP_INSTANCE_UID, VR::UI, "1.2.3"),
    ]);
    let action = command(vec![
        text(
            tags::REQUESTED_SOP_CLASS_UID,
            VR::UI,
            uids::STORAGE_COMMITMENT_PUSH_MODEL,
        ),
        us(tags::COMMAND_FIELD, 0x130),
        us(tags::MESSAGE_ID, 3),
        us(tags::COMMAND_DATA_SET_TYPE, 1),
        text(
            tags::REQUESTED_SOP_INSTANCE_UID,
            VR::UI,
            "1.2.840.10008.1.20.1.1",
        ),
        us(tags::ACTION_TYPE_ID, 1),
    ]);
    let event = command(vec![
        text(
            tags::AFFECTED_SOP_CLASS_UID,
            VR::UI,
            uids::STORAGE_COMMITMENT_PUSH_MODEL,
        ),
        us(tags::COMMAND_FIELD, 0x100),
        us(tags::MESSAGE_ID, 4),
        us(tags::COMMAND_DATA_SET_TYPE, 1),
        text(
            tags::AFFECTED_SOP_INSTANCE_UID,
            VR::UI,
            "1.2.840.10008.1.20.1.1",
        ),
        us(tags::EVENT_TYPE_ID, 2),
    ]);
    let asked = InMemDicomObject::from_element_iter([
        text(tags::TRANSACTION_UID, VR::UI, "1.9"),
        sequence(
            tags::REFERENCED_SOP_SEQUENCE,
            vec![InMemDicomObject::from_element_iter([
                text(
                    tags::REFERENCED_SOP_CLASS_UID,
                    VR::UI,
                    uids::CT_IMAGE_STORAGE,
                ),
                text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.3"),
            ])],
        ),
    ]);
    let mut reported = asked.clone();
    let mut failed = InMemDicomObject::from_element_iter([
        text(
            tags::REFERENCED_SOP_CLASS_UID,
            VR::UI,
            uids::CT_IMAGE_STORAGE,
        ),
        text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.2.4"),
    ]);
    failed.put(us(tags::FAILURE_REASON, 0x112));
    reported.put(sequence(tags::FAILED_SOP_SEQUENCE, vec![failed]));
    let reported = value(
        PDataValueType::Data,
        data_set(&reported, uids::IMPLICIT_VR_LITTLE_ENDIAN),
    );
    let asked = value(
        PDataValueType::Data,
        data_set(&asked, uids::IMPLICIT_VR_LITTLE_ENDIAN),
    );
    let data = value(
        PDataValueType::Data,
        vec![8, 0, 0x60, 0, 2, 0, 0, 0, b'C', b'T'],
    );
    let response = command(vec![
        us(tags::COMMAND_FIELD, 0x8001),
        us(tags::MESSAGE_ID_BEING_RESPONDED_TO, 1),
        us(tags::COMMAND_DATA_SET_TYPE, 0x101),
        us(tags::STATUS, 0xA700),
    ]);
    let said = |pdus: &[&Pdu]| {
        let mut bytes = Vec::new();
        for pdu in pdus {
            write_pdu(&mut bytes, pdu).unwrap();
        }
        bytes
    };
    vec![
        ("echo", said(&[&request, &echo, &Pdu::ReleaseRQ])),
        ("store", said(&[&request, &store, &data, &Pdu::ReleaseRQ])),
        ("commitment", said(&[&request, &action, &asked])),
        ("report", said(&[&request, &event, &reported])),
        ("response", said(&[&response])),
    ]
}

fn seg() -> Seeds {
    let grid = Geometry::axial([5, 4, 3], [1.0, 1.0, 2.0], [-2.0, -2.0, 0.0]);
    let labels = LabelVolume::exclusive(grid, (0..60).map(|at| at % 3).collect());
    let segments: Vec<Segment> = [1, 2]
        .map(|n| Segment::new(n, SegmentDescription::or_generic("Liver")))
        .to_vec();
    let source = SourceSeries {
        attributes: InMemDicomObject::from_element_iter([
            text(tags::STUDY_INSTANCE_UID, VR::UI, &format!("{UID}.1")),
            text(tags::SERIES_INSTANCE_UID, VR::UI, &format!("{UID}.2")),
        ]),
        slices: (1..=3)
            .map(|k| SourceSlice {
                sop_class_uid: uids::CT_IMAGE_STORAGE.to_owned(),
                sop_instance_uid: format!("{UID}.3.{k}"),
                frame: None,
            })
            .collect(),
    };
    let provenance = Provenance {
        rule: "r".into(),
        tasks: vec![("abdomen".into(), "1".into())],
        weights_hash: "f00d".into(),
        series_description: "irisnode".into(),
    };
    let fill = |number: u16, _: usize, slice: &mut [u8]| slice.fill(100 + number as u8);
    let forms = [
        ("binary", SegForm::Binary),
        ("fractional", SegForm::Fractional(&fill)),
        ("labelmap", SegForm::Labelmap),
    ];
    forms
        .into_iter()
        .map(|(name, form)| {
            let written = write_seg_as(form, &labels, &segments, &source, &provenance).unwrap();
            (name, written.bytes)
        })
        .collect()
}

fn rtstruct() -> Seeds {
    let item = InMemDicomObject::from_element_iter;
    let contour = |kind: &str, points: &str| {
        item(vec![
            text(tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, kind),
            text(tags::CONTOUR_DATA, VR::DS, points),
        ])
    };
    let object = item(vec![
        text(tags::SOP_CLASS_UID, VR::UI, uids::RT_STRUCTURE_SET_STORAGE),
        text(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3"),
        sequence(
            tags::STRUCTURE_SET_ROI_SEQUENCE,
            vec![item(vec![
                text(tags::ROI_NUMBER, VR::IS, "1"),
                text(tags::ROI_NAME, VR::LO, "Liver"),
            ])],
        ),
        sequence(
            tags::ROI_CONTOUR_SEQUENCE,
            vec![item(vec![
                text(tags::ROI_DISPLAY_COLOR, VR::IS, "255\\0\\0"),
                text(tags::REFERENCED_ROI_NUMBER, VR::IS, "1"),
                sequence(
                    tags::CONTOUR_SEQUENCE,
                    vec![
                        contour("CLOSED_PLANAR", "-4\\-4\\2\\4\\-4\\2\\4\\4\\2\\-4\\4\\2"),
                        contour("CLOSEDPLANAR_XOR", "-1\\-1\\2\\1\\-1\\2\\0\\1\\2"),
                        contour("CLOSED_PLANAR", "-4\\-4\\4\\4\\-4\\4\\4\\4\\4"),
                    ],
                ),
            ])],
        ),
    ]);
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(uids::RT_STRUCTURE_SET_STORAGE)
        .media_storage_sop_instance_uid("1.2.3")
        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    let mut bytes = Vec::new();
    object
        .with_meta(meta)
        .unwrap()
        .write_all(&mut bytes)
        .unwrap();
    vec![("two-planes", bytes)]
}

fn nifti() -> Seeds {
    let folder = tempfile::tempdir().unwrap();
    let grid = Geometry::axial([4, 3, 2], [1.0; 3], [0.0; 3]);
    let volume = Volume {
        geometry: grid.clone(),
        voxels: (0..24).map(|n| n as f32).collect(),
    };
    let labels = LabelVolume::exclusive(grid, (0..24).map(|n| n % 4).collect());
    let file = |name: &str| folder.path().join(name);
    volume.write_nifti(&file("i.nii")).unwrap();
    labels.write_nifti(&file("l.nii")).unwrap();
    labels.write_nifti(&file("l.nii.gz")).unwrap();
    [
        ("image", "i.nii"),
        ("labels", "l.nii"),
        ("compressed", "l.nii.gz"),
    ]
    .map(|(name, path)| (name, std::fs::read(file(path)).unwrap()))
    .to_vec()
}

const RULE: &str = "[[peer]]\nname=\"p\"\nae_title=\"ORTHANC\"\nhost=\"h\"\nport=104\n\
    [[rule]]\nname=\"r\"\ntasks=[\"t\"]\nwhen={Modality=\"CT\",SliceThickness={max=5.0},any=[{ImageType={glob=\"OR*\"}},\
    {not={BodyPartExamined={regex=\"A.*\"}}}]}\n";

fn config() -> Seeds {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin-config/irisnode.toml");
    let example = std::fs::read_to_string(example).unwrap();
    // Without its comments; options that are commented out are options, too.
    let lines = example.lines().map(|line| match line.strip_prefix("# ") {
        Some(option) if option.contains(" = ") && !option.contains("  ") => option,
        _ => line,
    });
    let bare: Vec<&str> = lines
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    let tls = "[tls]\ncertificate=\"c\"\nkey=\"k\"\nclient_authorities=\"a\"\n[[peer]]\nname=\"p\"\nae_title=\"P\"\n\
        host=\"h\"\nport=104\ntls=true\nonly_with=[\"n\",\"sha256:0A\"]\nonly_from=[\"::1\"]\n";
    vec![
        ("example", bare.join("\n").into_bytes()),
        ("rule", RULE.into()),
        ("tls", tls.into()),
    ]
}

fn rules() -> Seeds {
    let attributes = InMemDicomObject::from_element_iter([
        text(tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY"),
        text(tags::MODALITY, VR::CS, "CT"),
        text(tags::BODY_PART_EXAMINED, VR::CS, "ABDOMEN"),
        text(tags::SLICE_THICKNESS, VR::DS, "2.5"),
    ]);
    let attributes = data_set(&attributes, uids::EXPLICIT_VR_LITTLE_ENDIAN);
    vec![("rule", [RULE.as_bytes(), &[0], &attributes].concat())]
}

fn all() -> Vec<(&'static str, Seeds)> {
    vec![
        ("association", association()),
        ("ingestion", ingestion()),
        ("seg", seg()),
        ("rtstruct", rtstruct()),
        ("nifti", nifti()),
        ("config", config()),
        ("rules", rules()),
        ("dicomweb", dicomweb()),
    ]
}

fn seed(entry: &str, name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    folder.join(entry).join(format!("seed-{name}"))
}

#[test]
fn seeds_are_whole_inputs_of_every_kind() {
    let write = std::env::var_os("IRISNODE_WRITE").is_some();
    let mut total = 0;
    for (entry, made) in all() {
        for (name, bytes) in made {
            let file = seed(entry, name);
            if write {
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(&file, &bytes).unwrap();
            }
            assert!(
                file.is_file(),
                "{}: write it with IRISNODE_WRITE=1",
                file.display()
            );
            total += bytes.len();
        }
    }
    assert!(total < 100_000, "{total} bytes of seeds");
    // Whole: a fuzzer that starts from them is past the first checks.
    for name in ["binary", "fractional", "labelmap"] {
        assert_eq!(read_seg(&seed("seg", name)).unwrap().segments.len(), 2);
    }
    assert_eq!(
        read_rtstruct(&seed("rtstruct", "two-planes"))
            .unwrap()
            .rois
            .len(),
        1
    );
    assert_eq!(
        Volume::read_nifti(&seed("nifti", "image"))
            .unwrap()
            .voxels
            .len(),
        24
    );
    for name in ["labels", "compressed"] {
        LabelVolume::read_nifti(&seed("nifti", name)).unwrap();
    }
}
