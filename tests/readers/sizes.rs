//! How large a result of each kind is, plain and as it is sent: the table of benches/README.md.

use crate::sent::{send, storescp};
use crate::support::irisnode;
use crate::{segments, source};
use irisnode::config::Compression;
use irisnode::encode::{Provenance, SegForm, write_seg_as};
use irisnode::volume::LabelVolume;

const SEGMENTS: &str = "liver spleen stomach kidney_left kidney_right colon small_bowel pancreas duodenum aorta \
    inferior_vena_cava gallbladder adrenal_gland_left adrenal_gland_right autochthon_left vertebrae_T10 vertebrae_T11 \
    vertebrae_T12 vertebrae_L1 vertebrae_L2";
/// Pixels to each side over which labels are smoothed to stand for probabilities.
const BLUR: usize = 2;

#[test]
#[ignore = "a minute, for the table: cargo test --test readers sizes -- --ignored --nocapture"]
fn sizes_of_each_kind_in_each_compression() {
    let drawn = tempfile::tempdir().unwrap();
    let folder = drawn.path().join("drawn");
    let mut command = irisnode();
    command.args([
        "phantom",
        "--seed",
        "3",
        "--size",
        "512,512,100",
        "--spacing",
        "0.8,0.8,3",
        "--out",
    ]);
    command.arg(&folder);
    for segment in SEGMENTS.split_whitespace() {
        command.args(["--segment", segment]);
    }
    assert!(command.output().unwrap().status.success());
    let labels = LabelVolume::read_nifti(&folder.join("labels.nii.gz")).unwrap();
    let [columns, rows, slices] = labels.geometry.size;
    let fill = |number: u16, k: usize, slice: &mut [u8]| {
        let here = &labels.layers[0][k * columns * rows..(k + 1) * columns * rows];
        let side = 2 * BLUR + 1;
        for j in BLUR..rows - BLUR {
            for i in BLUR..columns - BLUR {
                let around =
                    (j - BLUR..=j + BLUR).flat_map(|b| &here[b * columns + i - BLUR..][..side]);
                let inside = around.filter(|&&label| label == number).count();
                slice[j * columns + i] = (inside * 255 / (side * side)) as u8;
            }
        }
    };
    let provenance = Provenance::default();
    for form in [
        SegForm::Binary,
        SegForm::Fractional(&fill),
        SegForm::Labelmap,
    ] {
        let seg = write_seg_as(form, &labels, &segments(20), &source(slices), &provenance).unwrap();
        let path = drawn.path().join("seg.dcm");
        std::fs::write(&path, &seg.bytes).unwrap();
        let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
        println!("{form:?}: {:.2} MiB", mib(seg.bytes.len() as u64));
        for (compression, takes) in [
            (Compression::Deflated, "+xd"),
            (Compression::Rle, "+xr"),
            (Compression::JpegLs, "+xt"),
        ] {
            let received = tempfile::tempdir().unwrap();
            let (_running, port) = storescp(received.path(), &[takes, "--promiscuous"]);
            let stored = send(&path, port, &[compression]);
            if stored.transcoded {
                println!("{form:?}, {compression}: {:.2} MiB", mib(stored.bytes));
            }
        }
    }
}
