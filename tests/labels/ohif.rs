//! Labels as OHIF saves them: by cornerstone's adapters, bitmap and label map.

use crate::support::{root, tool};
use crate::{emptied, query_series, series};
use irisnode::encode::read_seg;
use irisnode::volume::LabelVolume;

#[test]
fn every_voxel_that_ohif_saves_is_read() {
    let grid = series(&query_series()).volume.geometry;
    let drawn = root().join("dicom-fixtures/query/labels.nii.gz");
    let meant = LabelVolume::read_nifti(&drawn).unwrap().resampled(&grid);
    let folder = emptied("labels-ohif");
    let raw = folder.join("labels.raw");
    let bytes: Vec<u8> = meant.layers[0].iter().map(|&label| label as u8).collect();
    std::fs::write(&raw, bytes).unwrap();
    for kind in ["BINARY", "LABELMAP"] {
        let file = folder.join(format!("{kind}.dcm"));
        let saved = tool("node")
            .arg(root().join("tests/labels/draw_in_ohif.mjs"))
            .arg(root().join(".deps/node"))
            .args([&query_series(), &raw, &file])
            .arg(kind)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&saved.stderr);
        assert!(saved.status.success(), "{said}");

        let seg = read_seg(&file).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let (labels, segments) = seg.onto(&grid).unwrap();

        assert_eq!(segments.len(), meant.segments().len(), "{kind}");
        for segment in segments {
            let number = segment.number;
            assert_eq!(segment.description.label, format!("Drawn {number}"));
            assert!(
                labels.mask(number) == meant.mask(number),
                "{kind}: {number}"
            );
        }
    }
}
