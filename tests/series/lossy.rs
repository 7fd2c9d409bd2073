//! Series that were compressed: every voxel is what another decoder finds, or the series is refused in a sentence.

use crate::support::recoded;
use crate::{DRAWN, files, read_in_both_ways};
use irisnode::assemble::{Series, read_series};

/// A program and its first arguments.
type Program = &'static [&'static str];

struct Compressed {
    name: &'static str,
    transfer_syntax: &'static str,
    drawn: &'static str,
    encoder: Program,
    decoder: Program,
    /// Whether what was drawn comes back.
    lossless: bool,
    /// How far another decoder's stored values may lie from ours: rounding of a transform in floating point.
    rounding: f32,
}

const fn compressed(
    name: &'static str,
    transfer_syntax: &'static str,
    drawn: &'static str,
    [encoder, decoder]: [Program; 2],
    lossless: bool,
    rounding: f32,
) -> Compressed {
    Compressed {
        name,
        transfer_syntax,
        drawn,
        encoder,
        decoder,
        lossless,
        rounding,
    }
}

const CASES: &[Compressed] = &[
    compressed(
        "JPEG baseline",
        "1.2.840.10008.1.2.4.50",
        "mr-8-bit",
        [&["dcmcjpeg", "+eb"], &["dcmdjpeg"]],
        false,
        2.0,
    ),
    compressed(
        "JPEG lossless of any predictor",
        "1.2.840.10008.1.2.4.57",
        "enhanced-ct-large",
        [&["dcmcjpeg", "+el", "+sv", "4"], &["dcmdjpeg"]],
        true,
        0.0,
    ),
    compressed(
        "JPEG-LS, near-lossless",
        "1.2.840.10008.1.2.4.81",
        "enhanced-ct-large",
        [&["dcmcjpls", "+en", "+md", "7"], &["dcmdjpls"]],
        false,
        0.0,
    ),
    compressed(
        "JPEG 2000",
        "1.2.840.10008.1.2.4.91",
        "enhanced-ct-large",
        [&["recode.py", "jpeg2000"], &["recode.py", "plain"]],
        false,
        1.0,
    ),
    compressed(
        "HTJ2K, lossless",
        "1.2.840.10008.1.2.4.201",
        "enhanced-ct-large",
        [&["recode.py", "htj2k"], &["recode.py", "plain"]],
        true,
        0.0,
    ),
    compressed(
        "HTJ2K by resolution, lossless",
        "1.2.840.10008.1.2.4.202",
        "enhanced-ct-large",
        [&["recode.py", "htj2k-rpcl"], &["recode.py", "plain"]],
        true,
        0.0,
    ),
    compressed(
        "HTJ2K, lossy",
        "1.2.840.10008.1.2.4.203",
        "enhanced-ct-large",
        [&["recode.py", "htj2k-lossy"], &["recode.py", "plain"]],
        false,
        1.0,
    ),
];

/// The volumes of a drawn series as `case` has it: by our decoder, and by the other.
fn both(case: &Compressed) -> (Result<Series, String>, Series) {
    let folder = tempfile::tempdir().unwrap();
    let drawn = files(&DRAWN.join(case.drawn));
    let encoded = recoded(case.encoder, &drawn, &folder.path().join("encoded"));
    let syntax = dicom_object::open_file(&encoded[0]).unwrap();
    let syntax = syntax.meta().transfer_syntax().to_owned();
    assert_eq!(syntax, case.transfer_syntax, "{}", case.name);
    let plain = recoded(case.decoder, &encoded, &folder.path().join("plain"));
    (
        read_in_both_ways(&encoded, "fullest"),
        read_series(&plain).unwrap(),
    )
}

#[test]
fn what_was_compressed_decodes_to_what_another_decoder_finds() {
    for case in CASES {
        let name = case.name;
        let (ours, theirs) = both(case);
        let ours = ours.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(ours.volume.geometry, theirs.volume.geometry, "{name}");
        let drawn = read_series(&files(&DRAWN.join(case.drawn))).unwrap();
        let apart = |one: &Series, other: &Series| {
            let pairs = one.volume.voxels.iter().zip(&other.volume.voxels);
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        let rounding = apart(&ours, &theirs);
        assert!(rounding <= case.rounding, "{name}: {rounding} apart");
        // A check that cannot fail would compare two copies of what was drawn.
        let lost = apart(&ours, &drawn);
        assert_eq!(lost == 0.0, case.lossless, "{name}: {lost} lost");
    }
}

#[test]
fn jpeg_of_twelve_bits_which_nothing_here_decodes_is_refused_by_image_and_reason() {
    let case = compressed(
        "JPEG extended",
        "1.2.840.10008.1.2.4.51",
        "enhanced-ct-large",
        [&["dcmcjpeg", "+ee"], &["dcmdjpeg"]],
        false,
        2.0,
    );
    let (ours, _) = both(&case);
    let refused = ours.unwrap_err();
    for said in ["image 1, frame", "JPEG Extended", "SamplePrecision(12)"] {
        assert!(refused.contains(said), "{refused}");
    }
}
