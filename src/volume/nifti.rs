//! NIfTI-1 files (`.nii`, `.nii.gz`) in and out.

use std::io;
use std::path::{Path, PathBuf};

use ndarray::{ArrayView, Dimension, IntoDimension, RemoveAxis, ShapeBuilder};
use nifti::volume::element::DataElement;
use nifti::writer::WriterOptions;

use super::nifti_header;
use super::nifti_voxels::NiftiVoxels;
use super::{Geometry, LabelRuns, LabelVolume, Volume};

/// More voxels than any image the node is made for: 2³⁰, 4 GiB of float32.
pub(super) const MOST_VOXELS: u64 = 1 << 30;

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
        let (geometry, layers, labels) = read(path, label)?;
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

impl LabelRuns {
    /// [`LabelVolume::read_nifti`] for a label map of which never more than a piece is in memory voxel by voxel.
    ///
    /// # Errors
    /// As there.
    pub fn read_nifti(path: &Path) -> Result<LabelRuns, NiftiError> {
        let file = NiftiVoxels::open(path)?;
        let mut runs = LabelRuns::empty(file.geometry.clone(), file.layout.volumes);
        let mut labels = Vec::new();
        file.for_each_piece(|layout, bytes| {
            labels.resize(bytes.len() / layout.voxel_bytes, 0);
            layout.convert(bytes, &mut labels, label)?;
            runs.push_rows(&labels);
            Ok(())
        })?;
        Ok(runs)
    }
}

/// The segment number that a voxel's number is.
fn label(value: f64) -> Result<u16, String> {
    let label = value as u16;
    if f64::from(label) == value {
        Ok(label)
    } else {
        nearly_whole(value)
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
    let file = NiftiVoxels::open(path)?;
    let (geometry, volumes) = (file.geometry.clone(), file.layout.volumes);
    let mut voxels: Vec<T> = Vec::new();
    file.for_each_piece(|layout, bytes| {
        let before = voxels.len();
        voxels.resize(before + bytes.len() / layout.voxel_bytes, T::default());
        layout.convert(bytes, &mut voxels[before..], &convert)
    })?;
    Ok((geometry, volumes, voxels))
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
    use std::fs::File;
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
            let _ = LabelRuns::read_nifti(&path);
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
            let runs = LabelRuns::read_nifti(&path).unwrap();
            assert_eq!(runs, LabelRuns::of(&back).unwrap());
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
            let runs = LabelRuns::read_nifti(&path).unwrap();
            assert_eq!(runs.to_volume(), meant, "{code}");
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
