//! The beginning of a file of PS3.10 as it comes: preamble and File Meta Information, read without trusting its lengths.

/// Preamble, `DICM`, and (0002,0000) UL with its value.
const UP_TO_LENGTH: usize = 144;
/// Group 0002 is a few hundred bytes.
const LARGEST_META: usize = 64 << 10;
/// (0002,0000) UL of four bytes (PS3.10 section 7.1).
const GROUP_LENGTH: [u8; 8] = [2, 0, 0, 0, b'U', b'L', 4, 0];

/// What the File Meta Information says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// Media Storage SOP Class UID (0002,0002).
    pub sop_class_uid: String,
    /// Media Storage SOP Instance UID (0002,0003).
    pub sop_instance_uid: String,
    /// Transfer Syntax UID (0002,0010).
    pub transfer_syntax: String,
}

/// What a file begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beginning {
    /// Not enough came to tell.
    Incomplete,
    /// It is none of PS3.10.
    Other,
    /// This, and its data set begins at this byte.
    Meta(Meta, usize),
}

/// Looks at how a file begins.
pub fn beginning(bytes: &[u8]) -> Beginning {
    let (Some(start), Some(magic)) = (bytes.get(..UP_TO_LENGTH), bytes.get(128..132)) else {
        return Beginning::Incomplete;
    };
    if magic != b"DICM" || start[132..140] != GROUP_LENGTH {
        return Beginning::Other;
    }
    let length = u32::from_le_bytes([start[140], start[141], start[142], start[143]]) as usize;
    if length > LARGEST_META {
        return Beginning::Other;
    }
    let end = UP_TO_LENGTH + length;
    match bytes.get(UP_TO_LENGTH..end) {
        None => Beginning::Incomplete,
        Some(elements) => match meta(elements) {
            Some(meta) => Beginning::Meta(meta, end),
            None => Beginning::Other,
        },
    }
}

fn meta(mut elements: &[u8]) -> Option<Meta> {
    let mut meta = Meta::default();
    while !elements.is_empty() {
        let (element, value, rest) = element(elements)?;
        let into = match element {
            0x0002 => Some(&mut meta.sop_class_uid),
            0x0003 => Some(&mut meta.sop_instance_uid),
            0x0010 => Some(&mut meta.transfer_syntax),
            _ => None,
        };
        if let Some(into) = into {
            *into = uid(value)?;
        }
        elements = rest;
    }
    let all = [
        &meta.sop_class_uid,
        &meta.sop_instance_uid,
        &meta.transfer_syntax,
    ];
    all.iter().all(|uid| !uid.is_empty()).then_some(meta)
}

fn uid(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let uid = text.trim_end_matches(['\0', ' ']);
    let is_uid = uid.len() <= 64 && uid.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    is_uid.then(|| uid.to_owned())
}

/// Number, value, and what follows, of an element of group 0002 in Explicit VR Little Endian (PS3.5 section 7.1.2).
fn element(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let head = bytes.first_chunk::<8>()?;
    if head[..2] != [2, 0] {
        return None;
    }
    let number = u16::from_le_bytes([head[2], head[3]]);
    let is_long = [b"OB", b"OW", b"UN", b"UT", b"SQ", b"UC", b"UR"]
        .iter()
        .any(|vr| head[4..6] == **vr);
    let (begins, length) = match is_long {
        true => {
            let length = bytes.get(8..12)?.try_into().ok()?;
            (12, u32::from_le_bytes(length) as usize)
        }
        false => (8, usize::from(u16::from_le_bytes([head[6], head[7]]))),
    };
    let end = usize::checked_add(begins, length)?;
    Some((number, bytes.get(begins..end)?, &bytes[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(elements: &[(u16, &[u8; 2], &[u8])]) -> Vec<u8> {
        let mut meta = Vec::new();
        for (number, vr, value) in elements {
            meta.extend([2, 0]);
            meta.extend(number.to_le_bytes());
            meta.extend(*vr);
            match *vr {
                b"OB" => {
                    meta.extend([0, 0]);
                    meta.extend((value.len() as u32).to_le_bytes());
                }
                _ => meta.extend((value.len() as u16).to_le_bytes()),
            }
            meta.extend(*value);
        }
        let mut file = vec![0; 128];
        file.extend(b"DICM");
        file.extend(GROUP_LENGTH);
        file.extend((meta.len() as u32).to_le_bytes());
        file.extend(meta);
        file
    }

    #[test]
    fn the_meta_information_is_read_when_all_of_it_is_there() {
        let whole = file(&[
            (1, b"OB", &[0, 1]),
            (2, b"UI", b"1.2\0"),
            (3, b"UI", b"1.2.3\0"),
            (0x10, b"UI", b"1.2.840.10008.1.2.1\0"),
        ]);
        let Beginning::Meta(meta, end) = beginning(&[whole.as_slice(), b"data"].concat()) else {
            panic!("no meta");
        };
        assert_eq!((meta.sop_class_uid.as_str(), end), ("1.2", whole.len()));
        for cut in 0..whole.len() {
            assert_eq!(beginning(&whole[..cut]), Beginning::Incomplete, "{cut}");
        }
    }

    #[test]
    fn what_is_no_file_of_part_10_is_told_at_once() {
        assert_eq!(beginning(&[b'x'; 200]), Beginning::Other);
        let lies = file(&[(1, b"OB", &[0, 1]), (2, b"UI", b"drop table")]);
        assert_eq!(beginning(&lies), Beginning::Other);
        let mut large = file(&[]);
        large[140..144].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(beginning(&large), Beginning::Other);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), length in 0u32..200) {
            if bytes.len() >= UP_TO_LENGTH {
                bytes[128..132].copy_from_slice(b"DICM");
                bytes[132..140].copy_from_slice(&GROUP_LENGTH);
                bytes[140..144].copy_from_slice(&length.to_le_bytes());
            }
            let _ = beginning(&bytes);
        }
    }
}
