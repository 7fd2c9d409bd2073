//! Bombs: small inputs that ask for much. Each is read by a process of its own, which must end in good order and may take
//! no more than [`MOST_MIB`] of memory, the test program and the bomb itself included.

use crate::entries;
use std::io::Write;
use std::path::Path;
use std::process::Command;

const MOST_MIB: u64 = 320;

/// Says to the test below, run again as a process of its own, what to read: `ENTRY=FILE`.
const CHILD: &str = "IRISNODE_BOMB";

/// Head of an element in Explicit VR Little Endian with a length of four bytes.
fn long(group: u16, element: u16, vr: &[u8; 2], length: u32) -> Vec<u8> {
    let mut bytes = tag(group, element);
    bytes.extend(vr);
    bytes.extend([0, 0]);
    bytes.extend(length.to_le_bytes());
    bytes
}

/// An element in Explicit VR Little Endian with a length of two bytes.
fn short(group: u16, element: u16, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let mut bytes = tag(group, element);
    bytes.extend(vr);
    bytes.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
    bytes.extend(value);
    bytes
}

fn tag(group: u16, element: u16) -> Vec<u8> {
    [group.to_le_bytes(), element.to_le_bytes()].concat()
}

/// A file with a meta information that says this, and then these bytes.
fn file(meta: &[u8], data_set: &[u8]) -> Vec<u8> {
    let length = u32::try_from(meta.len()).unwrap().to_le_bytes();
    let begins = [vec![0; 128], b"DICM".to_vec(), short(2, 0, b"UL", &length)];
    [begins.concat(), meta.to_vec(), data_set.to_vec()].concat()
}

fn explicit(data_set: &[u8]) -> Vec<u8> {
    let syntax = short(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0");
    file(&syntax, data_set)
}

/// What begins every image here.
fn image(rows: u16, columns: u16, more: &[Vec<u8>]) -> Vec<u8> {
    let us = |element, value: u16| short(0x28, element, b"US", &value.to_le_bytes());
    let elements = [
        short(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0"),
        short(8, 0x18, b"UI", b"1.2.3\0"),
        short(8, 0x60, b"CS", b"CT"),
        short(0x20, 0xD, b"UI", b"1.2\0"),
        short(0x20, 0xE, b"UI", b"1.2.1\0"),
        short(0x20, 0x32, b"DS", b"0\\0\\1 "),
        short(0x20, 0x37, b"DS", b"1\\0\\0\\0\\1\\0 "),
        us(2, 1),
        short(0x28, 4, b"CS", b"MONOCHROME2 "),
        us(0x10, rows),
        us(0x11, columns),
        short(0x28, 0x30, b"DS", b"1\\1 "),
        us(0x100, 16),
        us(0x101, 16),
        us(0x102, 15),
        us(0x103, 0),
    ];
    [elements.concat(), more.concat()].concat()
}

fn deflated(bytes: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut deflater = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    for piece in bytes {
        deflater.write_all(&piece).unwrap();
    }
    deflater.finish().unwrap()
}

/// As many times a MiB of zeros.
fn zeros(mib: usize) -> impl Iterator<Item = Vec<u8>> {
    std::iter::repeat_n(vec![0; 1 << 20], mib)
}

/// Sequences in sequences, none of which ends.
fn nested(depth: usize) -> Vec<u8> {
    let one = [
        long(8, 0x1115, b"SQ", u32::MAX),
        tag(0xFFFE, 0xE000),
        u32::MAX.to_le_bytes().to_vec(),
    ];
    one.concat().repeat(depth)
}

fn nifti(dim: [u16; 8], data: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 352];
    header[..4].copy_from_slice(&348u32.to_le_bytes());
    for (at, size) in dim.iter().enumerate() {
        header[40 + 2 * at..42 + 2 * at].copy_from_slice(&size.to_le_bytes());
    }
    header[70..72].copy_from_slice(&16u16.to_le_bytes());
    header[72..74].copy_from_slice(&32u16.to_le_bytes());
    header[108..112].copy_from_slice(&352f32.to_le_bytes());
    // sform: one millimetre along each axis.
    header[254..256].copy_from_slice(&1u16.to_le_bytes());
    for axis in 0..3 {
        let at = 280 + 16 * axis + 4 * axis;
        header[at..at + 4].copy_from_slice(&1f32.to_le_bytes());
    }
    header[344..348].copy_from_slice(b"n+1\0");
    [header, data.to_vec()].concat()
}

fn gzipped(bytes: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for piece in bytes {
        gzip.write_all(&piece).unwrap();
    }
    gzip.finish().unwrap()
}

/// 16,975 bytes that begin with a reserved field and a length.
fn text_of(length: u32) -> Vec<u8> {
    let mut text = [[0; 2].as_slice(), &length.to_le_bytes()].concat();
    text.resize(usize::from(u16::from_le_bytes(*b"OB")), b' ');
    text
}

fn dicom_bombs() -> Vec<(&'static str, Vec<u8>)> {
    let empty_item = [tag(0xFFFE, 0xE000), vec![0; 4]].concat();
    let implicit = short(2, 0x10, b"UI", b"1.2.840.10008.1.2\0");
    let deflate = short(2, 0x10, b"UI", b"1.2.840.10008.1.2.1.99\0\0");
    let backslashes = [tag(0x3006, 0x50), (66u32 << 20).to_le_bytes().to_vec()].concat();
    vec![
        // A value of 4 GiB less 16 bytes, in the meta information, in the data set, in an item, as a fragment.
        ("long meta", file(&long(2, 0x102, b"OB", 0xFFFF_FFF0), b"")),
        // For the library it ends 14 bytes later than it says, the first tag being a length; from there on the length of
        // a text, 16,975, is "OB", a VR, and the text begins with that value's length.
        (
            "meta ends within an element",
            file(
                &[short(2, 0x10, b"UI", b"1.2.840.10008.1.2.1\0"), vec![0; 8]].concat(),
                &[
                    short(10, 0, b"UL", &[0; 4]),
                    short(9, 0x10, b"LO", &text_of(480 << 20)),
                ]
                .concat(),
            ),
        ),
        ("long value", explicit(&long(9, 0x10, b"OB", 0xFFFF_FFF0))),
        ("long text", explicit(&long(9, 0x10, b"UT", 0xFFFF_FFF0))),
        (
            "long value in an item",
            explicit(&[nested(1), long(9, 0x10, b"OW", 0xFFFF_FFF0)].concat()),
        ),
        (
            "long fragment",
            explicit(&image(
                4,
                4,
                &[
                    long(0x7FE0, 0x10, b"OB", u32::MAX),
                    [tag(0xFFFE, 0xE000), 0xFFFF_FFF0u32.to_le_bytes().to_vec()].concat(),
                ],
            )),
        ),
        ("deep", explicit(&nested(200_000))),
        (
            "many items",
            explicit(
                &[
                    long(8, 0x1115, b"SQ", u32::MAX),
                    empty_item.repeat(5_000_000),
                ]
                .concat(),
            ),
        ),
        // Of which each would be a text of its own.
        (
            "many values",
            file(&implicit, &[backslashes, vec![b'\\'; 66 << 20]].concat()),
        ),
        (
            "inflates",
            file(
                &deflate,
                &deflated(std::iter::once(long(9, 0x10, b"OB", 560 << 20)).chain(zeros(560))),
            ),
        ),
        (
            "claims more than it inflates to",
            file(
                &deflate,
                &deflated(std::iter::once(long(9, 0x10, b"OB", 480 << 20)).chain(zeros(1))),
            ),
        ),
    ]
}

fn bombs() -> Vec<(String, &'static str, Vec<u8>)> {
    let mut bombs = Vec::new();
    for (name, bytes) in dicom_bombs() {
        for entry in ["seg", "rtstruct", "ingestion"] {
            // The entry of ingestion takes a data set; the choice of a transfer syntax comes first.
            let data_set = match (entry, name) {
                ("ingestion", "long meta" | "meta ends within an element")
                | ("rtstruct", "inflates") => continue,
                ("ingestion", _) => {
                    let at = 132 + 12 + usize::from(bytes[140]);
                    let choice = match name {
                        "inflates" => 2,
                        "many values" => 1,
                        _ => 0,
                    };
                    [vec![choice], bytes[at..].to_vec()].concat()
                }
                _ => bytes.clone(),
            };
            bombs.push((format!("{name} for {entry}"), entry, data_set));
        }
    }
    let pixels =
        |length: u32| [long(0x7FE0, 0x10, b"OW", length), vec![0; length as usize]].concat();
    let wide = image(65_535, 65_535, &[pixels(16)]);
    let square = image(1000, 1000, &[pixels(16)]);
    let frames = [short(0x28, 8, b"IS", b"99999999"), pixels(16)];
    for (name, data_set) in [
        ("65535 x 65535 pixels", wide),
        ("fewer pixels than said", square),
        ("99999999 frames", image(64, 64, &frames)),
    ] {
        bombs.push((name.to_owned(), "ingestion", [vec![0], data_set].concat()));
    }
    // JPEG 2000 that says it is 60000 x 60000.
    let mut stream = vec![0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0];
    for number in [60_000u32, 60_000, 0, 0, 60_000, 60_000, 0, 0] {
        stream.extend(number.to_be_bytes());
    }
    stream.extend([0, 1, 15, 1, 1, 0xFF, 0xD9, 0]);
    let length = u32::try_from(stream.len()).unwrap();
    let fragment = [
        long(0x7FE0, 0x10, b"OB", u32::MAX),
        [tag(0xFFFE, 0xE000), vec![0; 4]].concat(),
        [tag(0xFFFE, 0xE000), length.to_le_bytes().to_vec(), stream].concat(),
        [tag(0xFFFE, 0xE0DD), vec![0; 4]].concat(),
    ];
    let data_set = [vec![4], image(16, 16, &fragment)].concat();
    bombs.push((
        "a code stream of 60000 x 60000".into(),
        "ingestion",
        data_set,
    ));
    // A sequence ends where only an item could: for the walk the file is over at its pixel data, for the reader that is
    // in an item, and what follows is a value of more than a gigabyte.
    bombs.push((
        "ends of what has not begun".into(),
        "ingestion",
        include_bytes!("../../fuzz/corpus/ingestion/ends-of-what-has-not-begun").to_vec(),
    ));
    let cube = [3, 1000, 1000, 1000, 1, 1, 1, 1];
    bombs.push(("a cube of nothing".into(), "nifti", nifti(cube, &[0; 64])));
    bombs.push((
        "a compressed cube of nothing".into(),
        "nifti",
        gzipped(std::iter::once(nifti(cube, &[0; 64]))),
    ));
    bombs.push((
        "more voxels than an image".into(),
        "nifti",
        nifti([7, 32_767, 32_767, 32_767, 32_767, 32_767, 1, 1], &[0; 64]),
    ));
    let rule = "[[rule]]\nname = \"r\"\ntasks = [\"t\"]\nwhen = { ";
    let conditions = format!("{rule}{}", "any = [\n{ ".repeat(20_000));
    bombs.push((
        "conditions in conditions".into(),
        "config",
        conditions.into_bytes(),
    ));
    let closed = "any = [\n{ ".repeat(60) + "Modality = \"CT\"" + &" }\n]".repeat(60) + " }\n";
    bombs.push((
        "many conditions in conditions".into(),
        "rules",
        format!("{rule}{closed}").into_bytes(),
    ));
    let dotted = format!(
        "[[rule]]\nname = \"r\"\n[rule.when{}]\nModality = \"CT\"\n",
        ".not".repeat(2400)
    );
    bombs.push((
        "dotted conditions".into(),
        "config",
        dotted.clone().into_bytes(),
    ));
    bombs.push(("dotted conditions".into(), "rules", dotted.into_bytes()));
    bombs.push((
        "lists in lists".into(),
        "config",
        format!("a = {}", "[[[[[[[[\n".repeat(20_000)).into_bytes(),
    ));
    bombs.push((
        "a line of a megabyte".into(),
        "config",
        format!("a = \"{}", "x".repeat(1 << 20)).into_bytes(),
    ));
    let expression = format!(
        "[[rule]]\nname=\"r\"\ntasks=[\"t\"]\nwhen={{Modality={{regex=\"{}\"}}}}\n",
        "(a{1000}){1000}"
    );
    bombs.push((
        "a large expression".into(),
        "rules",
        expression.into_bytes(),
    ));
    bombs
}

#[test]
fn bombs_are_refused_within_a_bound_of_memory() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bomb");
    let mut costs = Vec::new();
    for (name, entry, bytes) in bombs() {
        std::fs::write(&file, &bytes).unwrap();
        let own = bytes.len() as u64 >> 20;
        drop(bytes);
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bombs::a_bomb_is_read", "--nocapture"])
            .env(CHILD, format!("{entry}={}", file.display()))
            .env("RAYON_NUM_THREADS", "2")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let peak = said
            .lines()
            .find_map(|line| line.strip_prefix("peak MiB: "));
        let peak: Option<u64> = peak.and_then(|peak| peak.parse().ok());
        assert!(
            output.status.success() && peak.is_some(),
            "{name}: {output:?}"
        );
        costs.push((peak.unwrap(), own, name));
    }
    costs.sort();
    for (peak, own, name) in &costs {
        println!("{peak} MiB, {own} of them its own: {name}");
    }
    let (most, _, name) = costs.last().unwrap();
    assert!(*most < MOST_MIB, "{name}: {most} MiB");
}

/// The other process.
#[test]
fn a_bomb_is_read() {
    let Some(what) = std::env::var_os(CHILD) else {
        return;
    };
    let what = what.into_string().unwrap();
    let (entry, file) = what.split_once('=').unwrap();
    let (_, run) = entries::ENTRIES
        .iter()
        .find(|(name, _)| *name == entry)
        .unwrap();
    run(&std::fs::read(Path::new(file)).unwrap());
    entries::clean_up();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    println!("peak MiB: {}", peak / 1024);
}
