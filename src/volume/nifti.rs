//! NIfTI-1 files (`.nii`, `.nii.gz`) in and out.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use ndarray::{ArrayView, Dimension, IntoDimension, RemoveAxis, ShapeBuilder};
use nifti::volume::element::DataElement;
use nifti::writer::WriterOptions;
use nifti::{Endianness, NiftiHeader, NiftiType};
use rayon::prelude::*;

use super::nifti_header;
use super::{Geometry, LabelVolume, Volume};

/// More voxels than any image the node is made for: 2³⁰, 4 GiB of float32.
const MOST_VOXELS: u64 = 1 << 30;
/// No deflate stream grows by more than this.
const DEFLATE_AT_MOST: u64 = 1032;
/// Bytes read at a time.
const PIECE: usize = 1 << 20;
/// Voxels converted by one thread at a time.
const SHARE: usize = 1 << 16;

/// Why a NIfTI file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum NiftiError {
    /// The file system said no.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The beginning is not a NIfTI-1 header.
    #[error("{path}: this is not a NIfTI-1 file (.nii or .nii.gz): {reason}", path = path.display())]
    NotNifti {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file ends before its last voxel, or its compression is damaged.
    #[error(
        "{path}: the file is cut off or damaged: its header promises {expected} bytes of voxels, {found} could be read",
        path = path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes the header promises.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The image is larger than the node takes.
    #[error("{path}: an image of {size:?} voxels is too large (at most {MOST_VOXELS})", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The sizes its header states.
        size: Vec<u16>,
    },
    /// A valid file of a kind that cannot be used.
    #[error("{path}: this image cannot be used: {reason}", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// Writing failed.
    #[error("{path}: the NIfTI file could not be written: {source}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: nifti::NiftiError,
    },
}

impl Volume {
    /// Reads a NIfTI-1 image of one volume, compressed or not, of any integer or float type.
    ///
    /// The sform is honoured before the qform, RAS becomes LPS, `scl_slope` and `scl_inter` are applied.
    /// Voxels that are not finite get the lowest finite value.
    ///
    /// # Errors
    /// When the file is no NIfTI-1, is cut off, states sizes that its length cannot hold, has several
    /// volumes, no orientation, a sheared grid or a type that is not a number.
    pub fn read_nifti(path: &Path) -> Result<Volume, NiftiError> {
        let (geometry, volumes, mut voxels) = read(path, |value| Ok(value as f32))?;
        if volumes > 1 {
            return Err(NiftiError::Unusable {
                path: path.into(),
                reason: format!(
                    "it holds {volumes} volumes (over time or otherwise). Extract the one to use."
                ),
            });
        }
        if voxels.iter().any(|v| !v.is_finite()) {
            let finite = voxels.iter().copied().filter(|v| v.is_finite());
            let lowest = finite.reduce(f32::min).unwrap_or(0.0);
            voxels
                .iter_mut()
                .filter(|v| !v.is_finite())
                .for_each(|v| *v = lowest);
        }
        Ok(Volume { geometry, voxels })
    }

    /// Writes the volume as float32, compressed when the name ends in `.gz`.
    ///
    /// # Errors
    /// When the file cannot be written, or the grid is too large for NIfTI-1 (32767 along an axis).
    pub fn write_nifti(&self, path: &Path) -> Result<(), NiftiError> {
        write(path, &self.geometry, self.geometry.size, &self.voxels)
    }
}

impl LabelVolume {
    /// Reads a NIfTI-1 label map: voxel values are segment numbers, whole numbers from 0 to 65535.
    ///
    /// A fourth dimension holds layers of overlapping segments, as [`LabelVolume::write_nifti`] writes them.
    ///
    /// # Errors
    /// As for [`Volume::read_nifti`], and when a voxel is no segment number.
    pub fn read_nifti(path: &Path) -> Result<LabelVolume, NiftiError> {
        let (geometry, layers, labels) = read(path, |value| {
            let label = value as u16;
            if f64::from(label) == value {
                Ok(label)
            } else {
                nearly_whole(value)
            }
        })?;
        let per_layer = geometry.len();
        Ok(LabelVolume {
            geometry,
            layers: if layers == 1 {
                vec![labels]
            } else {
                labels
                    .chunks_exact(per_layer)
                    .map(<[u16]>::to_vec)
                    .collect()
            },
        })
    }

    /// Writes the segment numbers as uint16; several layers go along a fourth dimension.
    ///
    /// # Errors
    /// As for [`Volume::write_nifti`].
    pub fn write_nifti(&self, path: &Path) -> Result<(), NiftiError> {
        let [columns, rows, slices] = self.geometry.size;
        match self.layers.as_slice() {
            [layer] => write(path, &self.geometry, self.geometry.size, layer),
            layers => {
                let shape = [columns, rows, slices, layers.len()];
                write(path, &self.geometry, shape, &layers.concat())
            }
        }
    }
}

/// A float map of whole numbers is a label map; rounding in scl_slope is forgiven.
#[cold]
fn nearly_whole(value: f64) -> Result<u16, String> {
    let whole = value.round();
    if (value - whole).abs() > 1e-3 || !(0.0..=65535.0).contains(&whole) {
        return Err(format!(
            "a label map holds whole numbers from 0 to 65535, and this one has a voxel of {value}."
        ));
    }
    Ok(whole as u16)
}

/// Reads header and voxels; gives the grid, how many volumes there are along the fourth dimension, and every voxel as
/// `convert` makes it of its number.
fn read<T: Copy + Default + Send + From<u16>>(
    path: &Path,
    convert: impl Fn(f64) -> Result<T, String> + Sync,
) -> Result<(Geometry, usize, Vec<T>), NiftiError> {
    let io = |source| NiftiError::Io {
        path: path.into(),
        source,
    };
    let unusable = |reason: String| NiftiError::Unusable {
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
    let not_nifti = |reason: String| NiftiError::NotNifti {
        path: path.into(),
        reason,
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
    let holds_at_most = file_length.saturating_mul(if compressed { DEFLATE_AT_MOST } else { 1 });
    if layout.bytes + layout.offset > holds_at_most {
        return Err(NiftiError::Truncated {
            path: path.into(),
            expected: layout.bytes,
            found: holds_at_most.saturating_sub(layout.offset),
        });
    }
    // The header crate has read 348 bytes; extensions lie between them and the voxels.
    let skip = layout.offset - 348;
    let truncated = |found| NiftiError::Truncated {
        path: path.into(),
        expected: layout.bytes,
        found,
    };
    let skipped = io::copy(&mut stream.by_ref().take(skip), &mut io::sink()).unwrap_or(0);
    if skipped < skip {
        return Err(truncated(0));
    }
    let mut done = 0;
    let mut piece = vec![0; PIECE];
    let mut voxels: Vec<T> = Vec::new();
    while done < layout.bytes {
        let want = (layout.bytes - done).min(PIECE as u64) as usize;
        if stream.read_exact(&mut piece[..want]).is_err() {
            return Err(truncated(done));
        }
        let before = voxels.len();
        voxels.resize(before + want / layout.voxel_bytes, T::default());
        voxels[before..]
            .par_chunks_mut(SHARE)
            .zip(piece[..want].par_chunks(SHARE * layout.voxel_bytes))
            .try_for_each(|(voxels, bytes)| layout.convert(bytes, voxels, &convert))
            .map_err(unusable)?;
        done += want as u64;
    }
    // The checksum of the compression lies after the last voxel.
    if compressed && io::copy(&mut stream.take(PIECE as u64), &mut io::sink()).is_err() {
        return Err(truncated(done));
    }
    Ok((geometry, layout.volumes, voxels))
}

enum Problem {
    TooLarge,
    Unusable(String),
}

/// How the voxels lie in the file.
struct Layout {
    size: [usize; 3],
    volumes: usize,
    kind: NiftiType,
    voxel_bytes: usize,
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

    /// Converts the voxels that some bytes hold. Whole numbers of 16 bits as they are, which most label maps hold, go the
    /// short way.
    fn convert<T: From<u16>>(
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

fn write<T, S>(path: &Path, geometry: &Geometry, shape: S, voxels: &[T]) -> Result<(), NiftiError>
where
    T: DataElement + bytemuck::Pod,
    S: IntoDimension,
    S::Dim: Dimension + RemoveAxis,
{
    let io = |source| NiftiError::Io {
        path: path.into(),
        source,
    };
    if geometry
        .size
        .iter()
        .any(|&n| n == 0 || n > i16::MAX as usize)
    {
        return Err(NiftiError::Unusable {
            path: path.into(),
            reason: format!(
                "NIfTI-1 holds 1 to 32767 voxels along an axis, not {:?}.",
                geometry.size
            ),
        });
    }
    let data = ArrayView::from_shape(shape.into_dimension().f(), voxels).map_err(|e| {
        NiftiError::Unusable {
            path: path.into(),
            reason: format!("its voxels do not fill its grid: {e}."),
        }
    })?;
    // Beside the target and under a plain name: the writer takes what follows a dot for an extension, and a
    // file that is there is whole.
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let workspace = tempfile::Builder::new()
        .prefix(".nifti-")
        .tempdir_in(folder)
        .map_err(io)?;
    let compressed = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("gz"));
    let unfinished = workspace.path().join(if compressed {
        "image.nii.gz"
    } else {
        "image.nii"
    });
    let header = nifti_header::header(geometry);
    WriterOptions::new(&unfinished)
        .reference_header(&header)
        .write_nifti(&data)
        .map_err(|source| NiftiError::Write {
            path: path.into(),
            source,
        })?;
    std::fs::rename(&unfinished, path).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::any_geometry;
    use proptest::prelude::*;
    use std::io::Write;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn numbered(geometry: &Geometry) -> Volume {
        Volume {
            voxels: (0..geometry.len())
                .map(|at| at as f32 * 0.25 - 100.0)
                .collect(),
            geometry: geometry.clone(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn what_is_written_is_read_back(geometry in any_geometry(), mirrored in any::<bool>(), compressed in any::<bool>()) {
            let mut geometry = geometry;
            if mirrored {
                geometry.direction[2] = geometry.direction[2].map(|d| -d);
            }
            let folder = folder();
            // A dot in the name is no extension.
            let path = folder.path().join(if compressed { "a.b.nii.gz" } else { "a.b.nii" });
            let volume = numbered(&geometry);
            volume.write_nifti(&path).unwrap();
            let back = Volume::read_nifti(&path).unwrap();
            prop_assert_eq!(&back.voxels, &volume.voxels);
            prop_assert_eq!(back.geometry.size, geometry.size);
            for axis in 0..3 {
                // The file holds the affine in float32: six or seven digits.
                prop_assert!((back.geometry.spacing[axis] / geometry.spacing[axis] - 1.0).abs() < 1e-6);
                prop_assert!((back.geometry.origin[axis] - geometry.origin[axis]).abs() < 1e-6 * geometry.origin[axis].abs().max(20.0));
                for patient in 0..3 {
                    prop_assert!((back.geometry.direction[axis][patient] - geometry.direction[axis][patient]).abs() < 1e-6);
                }
            }
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
        }

        #[test]
        fn damaged_bytes_never_panic(at in 0usize..800, value in any::<u8>(), length in 0usize..800) {
            let folder = folder();
            let path = folder.path().join("damaged.nii");
            numbered(&Geometry::axial([4, 5, 6], [1.0; 3], [0.0; 3])).write_nifti(&path).unwrap();
            let mut bytes = std::fs::read(&path).unwrap();
            let end = bytes.len() - 1;
            bytes[at.min(end)] = value;
            std::fs::write(&path, &bytes).unwrap();
            let _ = Volume::read_nifti(&path);
            let _ = LabelVolume::read_nifti(&path);
            std::fs::write(&path, &bytes[..length.min(end)]).unwrap();
            prop_assert!(Volume::read_nifti(&path).is_err());
        }
    }

    #[test]
    fn label_maps_with_overlaps_keep_their_layers() {
        let folder = folder();
        let geometry = Geometry::axial([3, 2, 2], [1.0, 2.0, 3.0], [5.0, 6.0, 7.0]);
        let organ: Vec<u16> = (0..12).map(|at| at % 3).collect();
        let lesion: Vec<u16> = (0..12).map(|at| if at == 4 { 65535 } else { 0 }).collect();
        for layers in [vec![organ.clone()], vec![organ, lesion]] {
            let labels = LabelVolume {
                geometry: geometry.clone(),
                layers,
            };
            let path = folder.path().join("labels.nii.gz");
            labels.write_nifti(&path).unwrap();
            let back = LabelVolume::read_nifti(&path).unwrap();
            assert_eq!(back.layers, labels.layers);
            assert!(back.geometry.is_close(&geometry, 1e-4));
        }
    }

    #[test]
    fn an_image_is_not_taken_for_a_label_map() {
        let folder = folder();
        let path = folder.path().join("image.nii");
        numbered(&Geometry::axial([4, 4, 4], [1.0; 3], [0.0; 3]))
            .write_nifti(&path)
            .unwrap();
        let error = LabelVolume::read_nifti(&path).unwrap_err().to_string();
        assert!(
            error.contains("whole numbers") && error.contains("-100"),
            "{error}"
        );
    }

    #[test]
    fn labels_of_every_type_of_number_are_the_same_labels() {
        let folder = folder();
        let path = folder.path().join("labels.nii");
        let geometry = Geometry::axial([3, 1, 1], [1.0; 3], [0.0; 3]);
        let meant = LabelVolume::exclusive(geometry, vec![0, 1, 120]);
        meant.write_nifti(&path).unwrap();
        let header = std::fs::read(&path).unwrap()[..352].to_vec();
        type Bytes = fn(u8) -> Vec<u8>;
        let types: [(i16, Bytes); 10] = [
            (2, |v| vec![v]),
            (4, |v| i16::from(v).to_le_bytes().to_vec()),
            (8, |v| i32::from(v).to_le_bytes().to_vec()),
            (16, |v| f32::from(v).to_le_bytes().to_vec()),
            (64, |v| f64::from(v).to_le_bytes().to_vec()),
            (256, |v| vec![v]),
            (512, |v| u16::from(v).to_le_bytes().to_vec()),
            (768, |v| u32::from(v).to_le_bytes().to_vec()),
            (1024, |v| i64::from(v).to_le_bytes().to_vec()),
            (1280, |v| u64::from(v).to_le_bytes().to_vec()),
        ];
        for (code, bytes) in types {
            let mut file = header.clone();
            file[70..72].copy_from_slice(&code.to_le_bytes());
            file[72..74].copy_from_slice(&(bytes(0).len() as i16 * 8).to_le_bytes());
            file.extend([0, 1, 120].into_iter().flat_map(bytes));
            std::fs::write(&path, file).unwrap();
            assert_eq!(LabelVolume::read_nifti(&path).unwrap(), meant, "{code}");
        }
    }

    #[test]
    fn a_text_file_is_no_nifti() {
        let folder = folder();
        let path = folder.path().join("notes.nii");
        std::fs::write(&path, "nothing here".repeat(100)).unwrap();
        let error = Volume::read_nifti(&path).unwrap_err();
        assert!(matches!(error, NiftiError::NotNifti { .. }), "{error}");
        let error = Volume::read_nifti(&folder.path().join("none.nii")).unwrap_err();
        assert!(matches!(error, NiftiError::Io { .. }), "{error}");
    }

    #[test]
    fn a_cut_off_file_is_refused_compressed_or_not() {
        let folder = folder();
        for name in ["cut.nii", "cut.nii.gz"] {
            let path = folder.path().join(name);
            let geometry = Geometry::axial([40, 40, 40], [1.0; 3], [0.0; 3]);
            let noise = (0..geometry.len() as u64)
                .map(|at| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f32);
            let volume = Volume {
                voxels: noise.collect(),
                geometry,
            };
            volume.write_nifti(&path).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            for keep in [bytes.len() / 2, bytes.len() - 3] {
                std::fs::write(&path, &bytes[..keep]).unwrap();
                let error = Volume::read_nifti(&path).unwrap_err();
                assert!(matches!(error, NiftiError::Truncated { .. }), "{error}");
            }
        }
    }

    #[test]
    fn a_header_that_promises_more_than_the_file_can_hold_is_refused_at_once() {
        let folder = folder();
        let path = folder.path().join("bomb.nii");
        let mut file = File::create(&path).unwrap();
        numbered(&Geometry::axial([2, 2, 2], [1.0; 3], [0.0; 3]))
            .write_nifti(&folder.path().join("small.nii"))
            .unwrap();
        let mut bytes = std::fs::read(folder.path().join("small.nii")).unwrap();
        for (axis, n) in [(1, 1000u16), (2, 1000), (3, 1000)] {
            bytes[40 + 2 * axis..42 + 2 * axis].copy_from_slice(&n.to_le_bytes());
        }
        file.write_all(&bytes).unwrap();
        let error = Volume::read_nifti(&path).unwrap_err();
        assert!(matches!(error, NiftiError::Truncated { .. }), "{error}");
        for axis in 1..4 {
            bytes[40 + 2 * axis..42 + 2 * axis].copy_from_slice(&32767u16.to_le_bytes());
        }
        std::fs::write(&path, &bytes).unwrap();
        let error = Volume::read_nifti(&path).unwrap_err();
        assert!(matches!(error, NiftiError::TooLarge { .. }), "{error}");
    }

    #[test]
    fn several_volumes_are_not_one() {
        let folder = folder();
        let path = folder.path().join("time.nii");
        let geometry = Geometry::axial([2, 2, 2], [1.0; 3], [0.0; 3]);
        write(&path, &geometry, [2, 2, 2, 3], &[0.0f32; 24]).unwrap();
        let error = Volume::read_nifti(&path).unwrap_err().to_string();
        assert!(error.contains("3 volumes"), "{error}");
    }
}
