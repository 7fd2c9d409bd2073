//! The voxels of a NIfTI-1 file, read piece by piece: a label map is smaller in memory than in its file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use nifti::{Endianness, NiftiHeader, NiftiType};
use rayon::prelude::*;

use super::nifti::{MOST_VOXELS, NiftiError};
use super::{Geometry, nifti_header};

/// No deflate stream grows by more than this.
const DEFLATE_AT_MOST: u64 = 1032;
/// Voxels converted by one thread at a time.
const SHARE: usize = 1 << 16;
/// Bytes read at a time.
const PIECE: usize = 1 << 20;

/// A NIfTI-1 file, open at its first voxel.
pub(super) struct NiftiVoxels<'p> {
    path: &'p Path,
    stream: Box<dyn Read>,
    compressed: bool,
    /// The grid of each volume.
    pub(super) geometry: Geometry,
    /// How the voxels lie in the file.
    pub(super) layout: Layout,
}

impl<'p> NiftiVoxels<'p> {
    /// Reads the header.
    ///
    /// # Errors
    /// When the file is no NIfTI-1, states sizes that its length cannot hold, has no orientation, a sheared grid or a
    /// type that is not a number.
    pub(super) fn open(path: &'p Path) -> Result<Self, NiftiError> {
        let io = |source| NiftiError::Io {
            path: path.into(),
            source,
        };
        let unusable = |reason: String| NiftiError::Unusable {
            path: path.into(),
            reason,
        };
        let not_nifti = |reason: String| NiftiError::NotNifti {
            path: path.into(),
            reason,
        };
        let file = File::open(path).map_err(io)?;
        let file_length = file.metadata().map_err(io)?.len();
        let mut file = BufReader::new(file);
        let compressed = file.fill_buf().map_err(io)?.starts_with(&[0x1f, 0x8b]);
        let mut stream: Box<dyn Read> = if compressed {
            Box::new(MultiGzDecoder::new(file))
        } else {
            Box::new(file)
        };
        let header = NiftiHeader::from_reader(&mut stream).map_err(|e| not_nifti(e.to_string()))?;
        if header.sizeof_hdr != 348 {
            return Err(not_nifti(format!(
                "its header states {} bytes instead of 348",
                header.sizeof_hdr
            )));
        }
        if &header.magic != nifti::header::MAGIC_CODE_NIP1 {
            return Err(unusable(
                "the voxels lie in another file (.hdr and .img). Convert it to one .nii.gz.".into(),
            ));
        }
        let layout = Layout::of(&header).map_err(|problem| match problem {
            Problem::TooLarge => NiftiError::TooLarge {
                path: path.into(),
                size: header.dim[1..].to_vec(),
            },
            Problem::Unusable(reason) => unusable(reason),
        })?;
        let geometry = nifti_header::geometry(&header, layout.size).map_err(unusable)?;
        let holds_at_most =
            file_length.saturating_mul(if compressed { DEFLATE_AT_MOST } else { 1 });
        if layout.bytes + layout.offset > holds_at_most {
            return Err(NiftiError::Truncated {
                path: path.into(),
                expected: layout.bytes,
                found: holds_at_most.saturating_sub(layout.offset),
            });
        }
        // The header crate has read 348 bytes; extensions lie between them and the voxels.
        let skip = layout.offset - 348;
        let skipped = io::copy(&mut stream.by_ref().take(skip), &mut io::sink()).unwrap_or(0);
        if skipped < skip {
            return Err(NiftiError::Truncated {
                path: path.into(),
                expected: layout.bytes,
                found: 0,
            });
        }
        Ok(Self {
            path,
            stream,
            compressed,
            geometry,
            layout,
        })
    }

    /// Hands the bytes of the voxels out in the order of the file, whole rows at a time. What `take` says against them
    /// is said of the file.
    ///
    /// # Errors
    /// When the file ends before its last voxel, its compression is damaged, or `take` refuses.
    pub(super) fn for_each_piece(
        mut self,
        mut take: impl FnMut(&Layout, &[u8]) -> Result<(), String>,
    ) -> Result<(), NiftiError> {
        let truncated = |found| NiftiError::Truncated {
            path: self.path.into(),
            expected: self.layout.bytes,
            found,
        };
        let row = (self.layout.size[0] * self.layout.voxel_bytes).max(1);
        let mut piece = vec![0; (PIECE / row).max(1) * row];
        let mut done = 0;
        while done < self.layout.bytes {
            let want = (self.layout.bytes - done).min(piece.len() as u64) as usize;
            if self.stream.read_exact(&mut piece[..want]).is_err() {
                return Err(truncated(done));
            }
            take(&self.layout, &piece[..want]).map_err(|reason| NiftiError::Unusable {
                path: self.path.into(),
                reason,
            })?;
            done += want as u64;
        }
        // The checksum of the compression lies after the last voxel.
        let mut rest = self.stream.take(PIECE as u64);
        if self.compressed && io::copy(&mut rest, &mut io::sink()).is_err() {
            return Err(truncated(done));
        }
        Ok(())
    }
}

enum Problem {
    TooLarge,
    Unusable(String),
}

/// How the voxels lie in the file.
pub(super) struct Layout {
    size: [usize; 3],
    /// Volumes along the fourth dimension and those after it.
    pub(super) volumes: usize,
    kind: NiftiType,
    /// Bytes of one voxel.
    pub(super) voxel_bytes: usize,
    big_endian: bool,
    offset: u64,
    bytes: u64,
    slope: f64,
    intercept: f64,
}

impl Layout {
    fn of(header: &NiftiHeader) -> Result<Self, Problem> {
        let unusable = |reason: &str| Err(Problem::Unusable(reason.into()));
        let Ok(dim) = header.dim() else {
            return unusable("its sizes are not possible ones (field dim).");
        };
        if dim.iter().any(|&n| n > i16::MAX as u16) {
            return unusable("its sizes are not possible ones (field dim).");
        }
        let size = std::array::from_fn(|axis| dim.get(axis).map_or(1, |&n| usize::from(n)));
        let volumes = dim
            .iter()
            .skip(3)
            .try_fold(1u64, |all, &n| all.checked_mul(u64::from(n)));
        let voxels = dim
            .iter()
            .try_fold(1u64, |all, &n| all.checked_mul(u64::from(n)));
        let (Some(volumes), Some(voxels)) = (volumes, voxels) else {
            return Err(Problem::TooLarge);
        };
        if voxels > MOST_VOXELS {
            return Err(Problem::TooLarge);
        }
        let kind = match header.data_type() {
            Ok(
                kind @ (NiftiType::Uint8
                | NiftiType::Int8
                | NiftiType::Uint16
                | NiftiType::Int16
                | NiftiType::Uint32
                | NiftiType::Int32
                | NiftiType::Uint64
                | NiftiType::Int64
                | NiftiType::Float32
                | NiftiType::Float64),
            ) => kind,
            _ => {
                return unusable(
                    "its voxels are not integers or float32/float64 numbers (field datatype). Convert it first.",
                );
            }
        };
        let offset = f64::from(header.vox_offset);
        if !(352.0..1e9).contains(&offset) {
            return unusable("its voxels begin at an impossible place (field vox_offset).");
        }
        // A slope of 0 means that there is none.
        let scaled =
            header.scl_slope.is_finite() && header.scl_slope != 0.0 && header.scl_inter.is_finite();
        let (slope, intercept) = if scaled {
            (f64::from(header.scl_slope), f64::from(header.scl_inter))
        } else {
            (1.0, 0.0)
        };
        Ok(Self {
            size,
            volumes: volumes as usize,
            kind,
            voxel_bytes: kind.size_of(),
            big_endian: header.endianness == Endianness::Big,
            offset: offset as u64,
            bytes: voxels * kind.size_of() as u64,
            slope,
            intercept,
        })
    }

    /// Converts the voxels that some bytes hold, a share for each thread.
    pub(super) fn convert<T: From<u16> + Send>(
        &self,
        bytes: &[u8],
        voxels: &mut [T],
        convert: impl Fn(f64) -> Result<T, String> + Sync,
    ) -> Result<(), String> {
        voxels
            .par_chunks_mut(SHARE)
            .zip(bytes.par_chunks(SHARE * self.voxel_bytes))
            .try_for_each(|(voxels, bytes)| self.convert_share(bytes, voxels, &convert))
    }

    /// [`Layout::convert`] on one thread. Whole numbers of 16 bits as they are, which most label maps hold, go the
    /// short way.
    fn convert_share<T: From<u16>>(
        &self,
        bytes: &[u8],
        voxels: &mut [T],
        convert: impl Fn(f64) -> Result<T, String>,
    ) -> Result<(), String> {
        if self.kind == NiftiType::Uint16 && !self.big_endian && self.is_unscaled() {
            for (voxel, cell) in voxels.iter_mut().zip(bytes.as_chunks().0) {
                *voxel = u16::from_le_bytes(*cell).into();
            }
            return Ok(());
        }
        match self.kind {
            NiftiType::Uint8 => self.each(bytes, voxels, convert, |[b]| f64::from(b)),
            NiftiType::Int8 => self.each(bytes, voxels, convert, |[b]| f64::from(b as i8)),
            NiftiType::Uint16 => {
                self.each(bytes, voxels, convert, |b| u16::from_le_bytes(b).into())
            }
            NiftiType::Int16 => self.each(bytes, voxels, convert, |b| i16::from_le_bytes(b).into()),
            NiftiType::Uint32 => {
                self.each(bytes, voxels, convert, |b| u32::from_le_bytes(b).into())
            }
            NiftiType::Int32 => self.each(bytes, voxels, convert, |b| i32::from_le_bytes(b).into()),
            NiftiType::Int64 => self.each(bytes, voxels, convert, |b| i64::from_le_bytes(b) as f64),
            NiftiType::Float32 => {
                self.each(bytes, voxels, convert, |b| f32::from_le_bytes(b).into())
            }
            NiftiType::Float64 => self.each(bytes, voxels, convert, f64::from_le_bytes),
            // Others were refused when the layout was read.
            _ => self.each(bytes, voxels, convert, |b| u64::from_le_bytes(b) as f64),
        }
    }

    fn is_unscaled(&self) -> bool {
        self.slope == 1.0 && self.intercept == 0.0
    }

    fn each<T, const N: usize>(
        &self,
        bytes: &[u8],
        voxels: &mut [T],
        convert: impl Fn(f64) -> Result<T, String>,
        number: impl Fn([u8; N]) -> f64,
    ) -> Result<(), String> {
        for (voxel, &cell) in voxels.iter_mut().zip(bytes.as_chunks::<N>().0) {
            let mut cell = cell;
            if self.big_endian {
                cell.reverse();
            }
            *voxel = convert(number(cell) * self.slope + self.intercept)?;
        }
        Ok(())
    }
}
