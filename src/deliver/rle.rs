//! RLE Lossless (PS3.5 annex G): a frame as byte planes, each packed row by row.

/// A frame of `cell` bytes a pixel (little endian), `columns` a row, as one fragment of even length.
pub(super) fn encode(frame: &[u8], columns: usize, cell: usize) -> Vec<u8> {
    let mut fragment = vec![0u8; 64];
    fragment[..4].copy_from_slice(&(cell as u32).to_le_bytes());
    for plane in 0..cell {
        let offset = fragment.len() as u32;
        fragment[4 * plane + 4..4 * plane + 8].copy_from_slice(&offset.to_le_bytes());
        // The most significant byte comes first.
        let byte = cell - 1 - plane;
        let mut row = Vec::with_capacity(columns);
        for pixels in frame.chunks(columns.max(1) * cell) {
            row.clear();
            row.extend(pixels.iter().skip(byte).step_by(cell));
            pack(&row, &mut fragment);
        }
        if fragment.len() % 2 == 1 {
            fragment.push(0);
        }
    }
    fragment
}

/// PackBits: runs as (257 - length, byte), other bytes as (length - 1, bytes), up to 128 each.
fn pack(row: &[u8], out: &mut Vec<u8>) {
    const LONGEST: usize = 128;
    let run_at = |at: usize| {
        let first = row[at];
        row[at..]
            .iter()
            .take(LONGEST)
            .take_while(|&&b| b == first)
            .count()
    };
    let mut at = 0;
    while at < row.len() {
        let run = run_at(at);
        // Two alike within other bytes are cheaper as they are, three are not.
        if run >= 3 || (run == 2 && at + 2 == row.len()) {
            out.extend([(257 - run) as u8, row[at]]);
            at += run;
            continue;
        }
        let start = at;
        while at < row.len() && at - start < LONGEST && run_at(at) < 3 {
            at += 1;
        }
        out.push((at - start - 1) as u8);
        out.extend(&row[start..at]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unpack(packed: &[u8], length: usize) -> Vec<u8> {
        let (mut bytes, mut at) = (Vec::new(), 0);
        while bytes.len() < length {
            let head = packed[at];
            if head < 128 {
                let count = usize::from(head) + 1;
                bytes.extend(&packed[at + 1..at + 1 + count]);
                at += 1 + count;
            } else {
                assert_ne!(head, 128);
                bytes.extend(vec![packed[at + 1]; 257 - usize::from(head)]);
                at += 2;
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(row in prop::collection::vec(prop_oneof![4 => Just(0u8), 1 => 0u8..4], 0..700)) {
            let mut packed = Vec::new();
            pack(&row, &mut packed);
            prop_assert_eq!(unpack(&packed, row.len()), row.clone());
            prop_assert!(packed.len() <= row.len() + row.len().div_ceil(128));
        }
    }
}
