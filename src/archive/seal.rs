//! The seal of an instance file: proof, in the file itself, that all of it reached the disk.
//!
//! It is the value of Private Information (0002,0102), the last element of the File Meta Information (PS3.10 section
//! 7.1), so that the file stays an ordinary DICOM file: when the instance came, how long the file is, and a CRC-32
//! of its bytes with the seal taken as zeros. It is written last, and only then is the file synced. After a power
//! cut a file either carries a seal that fits (every byte of it is there) or it was never acknowledged.
//!
//! With the AE titles of the same group and the UIDs of the data set, a sealed file says everything that its row in
//! the index says: it *is* the row, until the row itself is durable, and the index can be made anew from the files.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Private Information Creator UID (0002,0100) of the seal: a UUID under 2.25 (PS3.5 annex B.2).
pub const SEAL_CREATOR: &str = "2.25.93671182420573195860420710287643509127";
/// The seal of a file that is not whole yet.
pub const NO_SEAL: [u8; SEAL_LENGTH] = [0; SEAL_LENGTH];

const SEAL_LENGTH: usize = 32;
const MAGIC: &[u8; 8] = b"IRISSEAL";
/// Group 0002 of our files is a few hundred bytes; no file of ours has more before its data set.
const LARGEST_META: u64 = 64 * 1024;

/// What a seal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal {
    /// When the instance was whole, milliseconds since 1970.
    pub(super) received_at: i64,
    /// Length of the file, bytes.
    pub(super) length: u64,
    /// CRC-32 of the file's bytes, the seal's own taken as zeros.
    pub(super) crc: u32,
}

impl Seal {
    /// The value of Private Information.
    pub(super) fn to_bytes(self) -> [u8; SEAL_LENGTH] {
        let mut bytes = NO_SEAL;
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.received_at.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.length.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.crc.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SEAL_LENGTH] = bytes.try_into().ok()?;
        if &bytes[..8] != MAGIC {
            return None;
        }
        Some(Self {
            received_at: i64::from_le_bytes(bytes[8..16].try_into().ok()?),
            length: u64::from_le_bytes(bytes[16..24].try_into().ok()?),
            crc: u32::from_le_bytes(bytes[24..28].try_into().ok()?),
        })
    }
}

/// Where the seal begins in a file whose head (preamble to the end of group 0002) is `head`; `None` where the head
/// does not end with an empty seal.
pub(super) fn position(head: &[u8]) -> Option<u64> {
    let at = head.len().checked_sub(SEAL_LENGTH)?;
    head[at..]
        .iter()
        .all(|byte| *byte == 0)
        .then_some(at as u64)
}

/// A sealed file that was read back and is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) seal: Seal,
    /// Where the data set begins.
    pub(super) data_offset: u64,
}

/// Reads a file and holds it against its seal; `Ok(None)` when it has none or it does not fit.
pub(super) fn verify(path: &Path) -> std::io::Result<Option<Whole>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let Some(data_offset) = data_offset(&mut file)? else {
        return Ok(None);
    };
    let at = data_offset - SEAL_LENGTH as u64;
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut crc = crc32fast::Hasher::new();
    let mut head = vec![0; at as usize];
    reader.read_exact(&mut head)?;
    crc.update(&head);
    let mut seal = NO_SEAL;
    reader.read_exact(&mut seal)?;
    crc.update(&NO_SEAL);
    let Some(seal) = Seal::from_bytes(&seal).filter(|seal| seal.length == length) else {
        return Ok(None);
    };
    let mut bytes = vec![0; 1 << 18];
    loop {
        let read = reader.read(&mut bytes)?;
        if read == 0 {
            break;
        }
        crc.update(&bytes[..read]);
    }
    Ok((crc.finalize() == seal.crc).then_some(Whole { seal, data_offset }))
}

/// Where group 0002 ends, by its group length (PS3.10 section 7.1); `None` when the file is not one of ours.
pub(super) fn data_offset(file: &mut File) -> std::io::Result<Option<u64>> {
    let mut start = [0; 144];
    match file.read_exact(&mut start) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let group_length = u32::from_le_bytes([start[140], start[141], start[142], start[143]]);
    let end = 144 + u64::from(group_length);
    let is_ours = &start[128..132] == b"DICM"
        && start[132..136] == [2, 0, 0, 0]
        && end <= LARGEST_META
        && end <= file.metadata()?.len()
        && group_length as usize > SEAL_LENGTH;
    Ok(is_ours.then_some(end))
}
