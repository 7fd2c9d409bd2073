//! The size a compressed frame states of itself, before anything is allocated for it.

/// Columns and rows in the header of a JPEG, JPEG-LS or JPEG 2000 code stream; `None` when it is none of them.
pub(super) fn stated_size(frame: &[u8]) -> Option<[usize; 2]> {
    match frame {
        // JPEG 2000 and HTJ2K: SOC, then SIZ (ISO/IEC 15444-1 A.5.1).
        [0xFF, 0x4F, 0xFF, 0x51, rest @ ..] => {
            let number = |at: usize| -> Option<u32> {
                Some(u32::from_be_bytes(rest.get(at..at + 4)?.try_into().ok()?))
            };
            let side = |end: u32, start: u32| end.checked_sub(start).map(|n| n as usize);
            Some([
                side(number(4)?, number(12)?)?,
                side(number(8)?, number(16)?)?,
            ])
        }
        [0xFF, 0xD8, rest @ ..] => start_of_frame(rest),
        _ => None,
    }
}

/// Walks the marker segments of a JPEG to the frame header (ISO/IEC 10918-1 B.2.2, 14495-1 C.2.2).
fn start_of_frame(mut rest: &[u8]) -> Option<[usize; 2]> {
    loop {
        let [0xFF, marker, after @ ..] = rest else {
            return None;
        };
        // Fill bytes before a marker.
        if *marker == 0xFF {
            rest = &rest[1..];
            continue;
        }
        let length = usize::from(u16::from_be_bytes(after.get(..2)?.try_into().ok()?));
        let segment = after.get(2..length)?;
        let is_frame =
            matches!(marker, 0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xF7);
        if is_frame {
            let number = |at: usize| {
                Some(usize::from(u16::from_be_bytes(
                    segment.get(at..at + 2)?.try_into().ok()?,
                )))
            };
            return Some([number(3)?, number(1)?]);
        }
        rest = after.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_header_is_found_behind_other_segments() {
        let jpeg = [
            0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xFF, 0xC3, 0, 11, 16, 0x01, 0x00, 0x02,
            0x00, 1, 1, 0x11, 0,
        ];
        assert_eq!(stated_size(&jpeg), Some([512, 256]));
        let mut j2k = vec![0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0];
        for number in [520u32, 260, 8, 4] {
            j2k.extend(number.to_be_bytes());
        }
        assert_eq!(stated_size(&j2k), Some([512, 256]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..64), start in 0usize..3) {
            let starts: [&[u8]; 3] = [&[0xFF, 0xD8, 0xFF], &[0xFF, 0x4F, 0xFF, 0x51], &[]];
            bytes.splice(0..0, starts[start].iter().copied());
            let _ = stated_size(&bytes);
        }
    }
}
