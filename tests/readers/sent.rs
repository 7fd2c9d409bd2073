//! Compressed as the receiver takes it, and the same pixels.

use crate::objects::Object;
use crate::support::{Running, free_port, tool};
use crate::verdicts::assert_read_by;
use crate::{grid, patches};
use dicom_dictionary_std::uids;
use irisnode::config::{Compression, Delivery, Peer};
use irisnode::deliver::{Stored, store};
use irisnode::encode::{SegObject, SegmentationType};
use std::path::{Path, PathBuf};

use Compression::{Deflated, JpegLs, Rle};
use SegmentationType::{Binary, Fractional, Labelmap};

/// DCMTK's storescp that takes what its options say.
pub(crate) fn storescp(folder: &Path, options: &[&str]) -> (Running, u16) {
    let port = free_port();
    let mut command = tool("storescp");
    command
        .args(options)
        .arg("--output-directory")
        .arg(folder)
        .arg(port.to_string());
    let running = Running::start_listening(&mut command, port, folder.join("storescp.log"));
    (running, port)
}

pub(crate) fn send(file: &Path, port: u16, compress: &[Compression]) -> Stored {
    let peer = Peer {
        name: "peer".into(),
        ae_title: "PEER".into(),
        host: "127.0.0.1".into(),
        port,
        compress: compress.to_vec(),
        only_from: Vec::new(),
        tls: None,
        only_with: Vec::new(),
        expected_count: false,
        storage_commitment: false,
        c_get: false,
        dicomweb: None,
    };
    let outcomes = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(store(
            &peer,
            "IRISNODE",
            &[file],
            &Delivery::default(),
            |_| {},
        ));
    outcomes[0].result.clone().unwrap()
}

pub(crate) fn received(folder: &Path) -> PathBuf {
    let mut files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .find(|path| path.extension().is_none_or(|extension| extension != "log"))
        .unwrap()
}

/// A kind, what is offered, what the receiver takes (options of storescp), and the transfer syntax it arrives in.
type Case = (
    SegmentationType,
    &'static [Compression],
    &'static [&'static str],
    &'static str,
);

const CASES: &[Case] = &[
    (
        Binary,
        &[JpegLs, Rle, Deflated],
        &["+xd"],
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ),
    // A frame of bits has no compression of its own.
    (Binary, &[Rle], &["+xr"], uids::EXPLICIT_VR_LITTLE_ENDIAN),
    (Fractional, &[Deflated, Rle], &["+xr"], uids::RLE_LOSSLESS),
    (Fractional, &[JpegLs], &["+xt"], uids::JPEGLS_LOSSLESS),
    (
        Labelmap,
        &[Deflated, Rle],
        &["+xd"],
        uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ),
    // Only implicit VR, whatever was offered.
    (
        Fractional,
        &[JpegLs, Rle, Deflated],
        &["+xi"],
        uids::IMPLICIT_VR_LITTLE_ENDIAN,
    ),
    (Fractional, &[], &["+xr"], uids::EXPLICIT_VR_LITTLE_ENDIAN),
];

#[test]
fn results_arrive_compressed_as_the_receiver_takes_them_and_are_the_same() {
    let labels = patches(&grid(), 3);
    for (kind, offered, takes, arrives) in CASES {
        let case = format!("{kind}, {offered:?} to {takes:?}");
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let meant = Object::new("", *kind, labels.clone());
        let seg = meant.write();
        let path = ours.path().join("seg.dcm");
        std::fs::write(&path, &seg.bytes).unwrap();
        // The release of DCMTK in Debian knows no Label Map Segmentation: any class is taken.
        let options = [*takes, &["--promiscuous"]].concat();
        let (_running, port) = storescp(theirs.path(), &options);

        let stored = send(&path, port, offered);

        let file = received(theirs.path());
        let object = dicom_object::open_file(&file).unwrap();
        assert_eq!(
            object.meta().transfer_syntax().trim_end_matches('\0'),
            *arrives,
            "{case}: {stored:?}"
        );
        assert_eq!(
            stored.transcoded,
            *arrives != uids::EXPLICIT_VR_LITTLE_ENDIAN,
            "{case}"
        );
        assert_read_by(&meant, &file, "pydicom,highdicom");
        let (found, listed) = SegObject::from_object(&object)
            .unwrap()
            .onto(&labels.geometry)
            .unwrap();
        for (listed, written) in listed.iter().zip(&meant.segments) {
            assert!(
                found.mask(listed.number) == labels.mask(written.number),
                "{case}"
            );
        }
    }
}

#[test]
fn sixteen_bit_label_maps_are_compressed_too() {
    let meant = Object::new("", Labelmap, patches(&grid(), 300));
    let seg = meant.write();
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = ours.path().join("seg.dcm");
    std::fs::write(&path, &seg.bytes).unwrap();
    for (offered, takes) in [(Rle, "+xr"), (JpegLs, "+xt")] {
        let folder = theirs.path().join(offered.name());
        std::fs::create_dir(&folder).unwrap();
        let (_running, port) = storescp(&folder, &[takes, "--promiscuous"]);
        let stored = send(&path, port, &[offered]);
        assert!(
            stored.transcoded && stored.bytes < seg.bytes.len() as u64,
            "{offered}: {stored:?}"
        );
        assert_read_by(&meant, &received(&folder), "pydicom");
    }
}
