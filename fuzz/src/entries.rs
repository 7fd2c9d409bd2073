//! What strangers can send or hand to irisnode, from bytes: the entries of the fuzz targets, and of the test that runs
//! the corpus through them (`tests/hostile_files/`).
//!
//! An entry takes any bytes and returns; what it must not do is panic, take more memory than a bound, or take long.

use dicom_core::Tag;
use dicom_dictionary_std::uids;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_transfer_syntax_registry::entries::EXPLICIT_VR_LITTLE_ENDIAN;
use dicom_ul::Pdu;
use irisnode::archive::{Beginning, beginning};
use irisnode::assemble::{LoneSlice, OpenSeries, VolumeChoice};
use irisnode::config::ConfigFile;
use irisnode::deliver::{Request, Response};
use irisnode::dicomweb::{Multipart, Piece};
use irisnode::dimse::{
    Command, Fragment, Reassembly, Status, UpperLayer, read_report, read_request, response,
};
use irisnode::receive::{Caller, Callers, Origin, answer, rejection};
use irisnode::route::{SeriesContext, destinations, explain};
use irisnode::volume::{Geometry, LabelVolume, Slicewise, Volume};
use std::io::Cursor;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What takes any bytes.
pub type Entry = fn(&[u8]);

/// The names of the entries, and of the folders of their corpus.
pub const ENTRIES: [(&str, Entry); 8] = [
    ("association", association),
    ("ingestion", ingestion),
    ("seg", seg),
    ("rtstruct", rtstruct),
    ("nifti", nifti),
    ("config", config),
    ("rules", rules),
    ("dicomweb", dicomweb),
];

/// Transfer syntaxes of the data sets that are tried; the first byte of an input chooses.
const SYNTAXES: [&str; 5] = [
    uids::EXPLICIT_VR_LITTLE_ENDIAN,
    uids::IMPLICIT_VR_LITTLE_ENDIAN,
    uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    uids::RLE_LOSSLESS,
    uids::JPEG2000_LOSSLESS,
];

/// Everything an association's bytes can do before they are kept: PDUs, negotiation, the reassembly of messages, commands
/// and their answers, requests for and reports of storage commitment; and the responses that a peer of ours sends.
pub fn association(bytes: &[u8]) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
    else {
        return;
    };
    let stream = tokio::io::join(Cursor::new(bytes.to_vec()), tokio::io::sink());
    let mut layer = UpperLayer::new(stream, Duration::from_secs(5));
    let mut reassembly = Reassembly::default();
    let mut data_set = Vec::new();
    let mut acting = false;
    while let Ok(pdu) = runtime.block_on(layer.receive()) {
        let values = match pdu {
            Pdu::AssociationRQ(request) => {
                let known = [Caller {
                    ae_title: "SCANNER".into(),
                    only_from: Vec::new(),
                    only_with: Vec::new(),
                }];
                let callers = Callers {
                    ae_title: "IRISNODE",
                    teaching: None,
                    known: &known,
                    accept_unknown: bytes.len().is_multiple_of(2),
                };
                let origin = Origin {
                    address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                    certificate: None,
                };
                let said = match answer(request, &callers, &origin) {
                    Ok((_, said)) => said,
                    Err((reason, _)) => rejection(reason),
                };
                let _ = runtime.block_on(layer.send(&said));
                continue;
            }
            Pdu::PData { data } => data,
            _ => continue,
        };
        for value in values {
            let is_command = value.value_type == dicom_ul::pdu::PDataValueType::Command;
            let context = value.presentation_context_id;
            if is_command {
                for request in [
                    Request::Echo,
                    Request::Store {
                        sop_class: "1.2",
                        sop_instance: "1.3",
                    },
                ] {
                    let _ = Response::decode(&value.data, request, 1);
                }
            }
            match reassembly.push(context, is_command, value.is_last, &value.data) {
                Err(_) => return,
                Ok(Fragment::Command { command, .. }) => {
                    let said = response(&command, Status::Success);
                    assert_eq!(said.is_none(), command == Command::Cancel);
                    acting = matches!(
                        command,
                        Command::Action { .. } | Command::EventReport { .. }
                    );
                    data_set.clear();
                }
                Ok(Fragment::Data { bytes, is_last }) => {
                    data_set.extend_from_slice(bytes);
                    if is_last && acting {
                        for syntax in &SYNTAXES[..2] {
                            let _ = read_request(&data_set, syntax);
                            let _ = read_report(&data_set, syntax);
                        }
                    }
                }
                Ok(Fragment::Partial) => {}
            }
        }
    }
}

/// A data set on its way from a C-STORE into the archive, and on to a volume: the first byte chooses the transfer syntax.
pub fn ingestion(bytes: &[u8]) {
    let Some((choice, data_set)) = bytes.split_first() else {
        return;
    };
    let syntax = SYNTAXES[usize::from(*choice) % SYNTAXES.len()];
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
        .media_storage_sop_instance_uid("1.2.3")
        .transfer_syntax(syntax)
        .build();
    let Ok(meta) = meta else { return };
    let mut file = vec![0; 128];
    file.extend_from_slice(b"DICM");
    if meta.write(&mut file).is_err() {
        return;
    }
    let offset = file.len() as u64;
    file.extend_from_slice(data_set);
    let file = scratch("ingestion", &file);
    let kept = irisnode::archive::read_header(&file, offset, syntax);
    // What is kept is read by whoever asks for frames of it.
    if let Ok(frames) = irisnode::assemble::StoredFrames::open(&file) {
        let _ = (frames.stored(1), frames.decoded(1), frames.raw_piece(0, 64));
    }
    // What the archive refuses is read by commands that take files; both must hold.
    let files = [file];
    let _ = irisnode::assemble::read_series_within(&files, 1 << 20);
    straight(&files);
    ahead(&files[0]);
    if let Ok(found) = kept {
        // 1024 bytes, which may be more in UTF-8.
        assert!(found.values().all(|value| value.len() <= 4096));
    }
}

/// A series on its way to the network's grid, slice by slice.
fn straight(files: &[PathBuf]) {
    let series = OpenSeries::of(files, &VolumeChoice::default());
    let Some(series) = series
        .ok()
        .filter(|series| series.geometry().len() <= 1 << 20)
    else {
        return;
    };
    let grid = series.geometry().canonical([40.0; 3]);
    if let Some(slicewise) = Slicewise::between(series.geometry(), &grid)
        && series
            .each_slice(|_| true, |k, slice| slicewise.take(k, slice))
            .is_ok()
    {
        let voxels = slicewise.finish(|lowest| lowest).voxels;
        assert!(voxels.iter().all(|voxel| !voxel.is_nan()));
    }
}

/// A slice that is read while its series still arrives.
fn ahead(file: &Path) {
    let slice = LoneSlice::of(file).ok().flatten();
    if let Some(slice) = slice.filter(|slice| slice.geometry().len() <= 1 << 20)
        && let Ok(voxels) = slice.voxels()
    {
        let grid = slice.geometry().canonical([40.0; 3]);
        let _ = Slicewise::between(slice.geometry(), &grid)
            .map(|slicewise| slicewise.in_plane().plane(&voxels));
    }
}

/// A body of STOW-RS, which comes in pieces of as many bytes as its first says, and how its parts begin.
pub fn dicomweb(bytes: &[u8]) {
    let Some((size, body)) = bytes.split_first() else {
        return;
    };
    let Ok(mut parser) = Multipart::new("b") else {
        return;
    };
    let mut part = Vec::new();
    for piece in body.chunks(usize::from(*size).max(1)) {
        let pushed = parser.push(piece, |piece| match piece {
            Piece::Head(_) => part.clear(),
            Piece::Data(bytes) => part.extend_from_slice(bytes),
            Piece::End => {
                if let Beginning::Meta(_, data_set) = beginning(&part) {
                    assert!(data_set <= part.len());
                }
            }
        });
        if pushed.is_err() {
            return;
        }
    }
    let _ = parser.finish();
}

/// A DICOM-SEG, as a file, laid onto a grid.
pub fn seg(bytes: &[u8]) {
    let file = scratch("seg", bytes);
    if let Ok(read) = irisnode::encode::read_seg(&file) {
        let _ = read.onto(&grid());
    }
}

/// An RTSTRUCT, as a file, laid onto a grid.
pub fn rtstruct(bytes: &[u8]) {
    let file = scratch("rtstruct", bytes);
    if let Ok(read) = irisnode::encode::read_rtstruct(&file) {
        let _ = read.onto(&grid(), None, &[]);
    }
}

/// A NIfTI file, as an image and as labels.
pub fn nifti(bytes: &[u8]) {
    let file = scratch("nifti", bytes);
    let _ = Volume::read_nifti(&file);
    let _ = LabelVolume::read_nifti(&file);
}

/// A configuration; whatever is wrong with it can be shown.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match ConfigFile::parse(Path::new("irisnode.toml"), text) {
        Ok(file) => {
            let _ = file.warnings().map(|warnings| warnings.lines().count());
        }
        Err(irisnode::config::ConfigError::Invalid(findings)) => {
            assert!(findings.has_errors());
            assert!(findings.lines().count() > 0);
            let lies_in_it =
                |problem: &irisnode::config::Problem| text.get(problem.span.clone()).is_some();
            assert!(findings.problems().iter().all(lies_in_it));
            // Drawing one takes longer than finding it: those of a file with few stand for all.
            if findings.problems().len() <= 2 {
                let shown = format!("{:?}", miette::Report::new(*findings));
                assert!(!shown.is_empty());
            }
        }
        Err(error) => assert!(!format!("{:?}", miette::Report::new(error)).is_empty()),
    }
}

/// Rules, and the attributes of a series behind a zero byte (Explicit VR Little Endian).
pub fn rules(bytes: &[u8]) {
    let at = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    let (text, attributes) = bytes.split_at(at);
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let Ok(file) = ConfigFile::parse(Path::new("irisnode.toml"), text) else {
        return;
    };
    let Some(attributes) = attributes_of(attributes.get(1..).unwrap_or_default()) else {
        return;
    };
    let config = file.into_config();
    let series = SeriesContext {
        attributes: &attributes,
        calling_ae: "ORTHANC",
        called_ae: "IRISNODE",
    };
    let explained = explain(&config.rules, &series);
    assert_eq!(explained.len(), config.rules.len());
    for rule in &config.rules {
        let _ = destinations(rule, &config.peers, series.calling_ae);
    }
}

/// A flat data set, element by element, so that a fuzzer finds its form soon; sequences and long values are no rule's.
fn attributes_of(mut bytes: &[u8]) -> Option<InMemDicomObject> {
    let whole = bytes;
    while let Some((head, rest)) = bytes.split_first_chunk::<8>() {
        let length = usize::from(u16::from_le_bytes([head[6], head[7]]));
        let short = [
            b"CS", b"LO", b"DS", b"IS", b"SH", b"UI", b"US", b"DA", b"TM", b"PN", b"ST",
        ];
        if !short.iter().any(|vr| vr[..] == head[4..6]) || Tag(2, 0) > tag(head) {
            return None;
        }
        bytes = rest.get(length..)?;
    }
    InMemDicomObject::read_dataset_with_ts(whole, &EXPLICIT_VR_LITTLE_ENDIAN.erased()).ok()
}

fn tag(head: &[u8; 8]) -> Tag {
    Tag(
        u16::from_le_bytes([head[0], head[1]]),
        u16::from_le_bytes([head[2], head[3]]),
    )
}

/// A small grid around the origin.
fn grid() -> Geometry {
    Geometry::axial([16, 16, 8], [1.0, 1.0, 2.0], [-8.0, -8.0, 0.0])
}

/// A file of these bytes, in memory where the system has such a folder; one for each process and entry, written over.
fn scratch(entry: &str, bytes: &[u8]) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    };
    let file = folder.join(format!("irisnode-fuzz-{entry}-{}", std::process::id()));
    if let Err(error) = std::fs::write(&file, bytes) {
        panic!("{}: {error}", file.display());
    }
    file
}

/// Removes what the entries of this process left.
pub fn clean_up() {
    for (entry, _) in ENTRIES {
        let _ = std::fs::remove_file(scratch(entry, b""));
    }
}
