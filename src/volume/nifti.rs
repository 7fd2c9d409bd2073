//! NIfTI files (.nii, .nii.gz): RAS in the file, LPS here.

use super::{Geometry, LabelVolume, Vec3, Volume};
use ::nifti::volume::ndarray::IntoNdArray;
use ::nifti::writer::WriterOptions;
use ::nifti::{NiftiHeader, NiftiObject, ReaderOptions};
use ndarray::{Array3, ShapeBuilder};
use std::path::{Path, PathBuf};

/// Most voxels read: 2048³ is beyond any scanner, and less than a hostile header may claim.
const MOST_VOXELS: u64 = 1 << 31;
/// Deflate makes at most about 1,032 bytes of one: a file cannot hold more than this allows.
const MOST_INFLATION: u64 = 1_100;

/// Why a NIfTI file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum NiftiError {
    /// The file cannot be opened, or is no whole NIfTI file.
    #[error("{} cannot be read as NIfTI: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The image has no three axes, or sizes that the file cannot hold.
    #[error("{}: {reason}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A label is negative, fractional or above 65535.
    #[error("{} is no label map: voxel value {value} is not a whole number from 0 to 65535", path.display())]
    NotLabels {
        /// The file.
        path: PathBuf,
        /// The value found.
        value: f32,
    },
    /// The file cannot be written.
    #[error("cannot write {}: {reason}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Volume {
    /// Reads an image, scaled by its slope and intercept; of a series of volumes the first.
    pub fn read_nifti(path: &Path) -> Result<Self, NiftiError> {
        let (geometry, voxels) = read(path)?;
        Ok(Self { geometry, voxels })
    }

    /// Writes an image as float32; compressed when the name ends in `.gz`.
    pub fn write_nifti(&self, path: &Path) -> Result<(), NiftiError> {
        write(path, &self.geometry, self.voxels.clone())
    }
}

impl LabelVolume {
    /// Reads a label map of exclusive labels.
    pub fn read_nifti(path: &Path) -> Result<Self, NiftiError> {
        let (geometry, voxels) = read(path)?;
        let labels = voxels
            .into_iter()
            .map(|value| {
                let whole = value.round();
                if (value - whole).abs() < 1e-3 && (0.0..=65535.0).contains(&whole) {
                    Ok(whole as u16)
                } else {
                    Err(NiftiError::NotLabels {
                        path: path.to_owned(),
                        value,
                    })
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self::exclusive(geometry, labels))
    }

    /// Writes the label map as 16-bit integers. NIfTI has one label a voxel: where layers overlap the last wins.
    pub fn write_nifti(&self, path: &Path) -> Result<(), NiftiError> {
        let mut labels = vec![0u16; self.geometry.len()];
        for layer in &self.layers {
            for (label, &over) in labels.iter_mut().zip(layer) {
                if over != 0 {
                    *label = over;
                }
            }
        }
        write(path, &self.geometry, labels)
    }
}

fn read(path: &Path) -> Result<(Geometry, Vec<f32>), NiftiError> {
    let unreadable = |reason: String| NiftiError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let shape = |reason: String| NiftiError::Shape {
        path: path.to_owned(),
        reason,
    };
    let on_disk = std::fs::metadata(path)
        .map_err(|e| unreadable(e.to_string()))?
        .len();
    let header = NiftiHeader::from_file(path).map_err(|e| unreadable(e.to_string()))?;
    let axes = usize::from(header.dim[0]);
    if !(3..=7).contains(&axes) {
        return Err(shape(format!("an image of {axes} axes is no volume")));
    }
    let size: [usize; 3] = std::array::from_fn(|a| usize::from(header.dim[a + 1]));
    // The bytes the header claims are compared with the bytes there are, before anything is allocated.
    let voxels = (1..=axes).try_fold(1u64, |n, a| n.checked_mul(u64::from(header.dim[a])));
    let claimed =
        voxels.and_then(|n| n.checked_mul(u64::from(header.bitpix.unsigned_abs()).div_ceil(8)));
    match (voxels, claimed) {
        (Some(0), _) => return Err(shape("an axis has no voxels".into())),
        (Some(n), Some(bytes))
            if n <= MOST_VOXELS && bytes <= on_disk.saturating_mul(MOST_INFLATION) => {}
        _ => {
            return Err(shape(
                "its header claims more voxels than the file can hold".into(),
            ));
        }
    }
    let geometry = geometry(&header, size)
        .ok_or_else(|| shape("its affine matrix is not invertible".into()))?;
    let object = ReaderOptions::new()
        .read_file(path)
        .map_err(|e| unreadable(e.to_string()))?;
    let array = object
        .into_volume()
        .into_ndarray::<f32>()
        .map_err(|e| unreadable(e.to_string()))?;
    // The file's first axis is fastest: reversed axes in standard order are that order.
    let mut ordered = array.view();
    while ordered.ndim() > 3 {
        let last = ndarray::Axis(ordered.ndim() - 1);
        ordered = ordered.index_axis_move(last, 0);
    }
    let voxels = ordered.reversed_axes().iter().copied().collect();
    Ok((geometry, voxels))
}

/// The affine of sform, else qform, else spacing alone, from RAS to LPS.
fn geometry(header: &NiftiHeader, size: [usize; 3]) -> Option<Geometry> {
    let rows: [[f64; 4]; 3] = if header.sform_code > 0 {
        [header.srow_x, header.srow_y, header.srow_z].map(|row| row.map(f64::from))
    } else if header.qform_code > 0 {
        qform(header)
    } else {
        let p = header.pixdim;
        std::array::from_fn(|r| {
            std::array::from_fn(|c| if r == c { f64::from(p[r + 1]) } else { 0.0 })
        })
    };
    let flip = [-1.0, -1.0, 1.0];
    let column = |c: usize| -> Vec3 { std::array::from_fn(|r| rows[r][c] * flip[r]) };
    let length = |v: Vec3| super::geometry::dot(v, v).sqrt();
    let spacing: [f64; 3] = std::array::from_fn(|c| length(column(c)));
    let geometry = Geometry {
        size,
        spacing,
        direction: std::array::from_fn(|c| column(c).map(|x| x / spacing[c])),
        origin: column(3),
    };
    geometry.is_valid().then_some(geometry)
}

/// The quaternion form of the NIfTI-1 standard (method 2).
fn qform(header: &NiftiHeader) -> [[f64; 4]; 3] {
    let [b, c, d] = [header.quatern_b, header.quatern_c, header.quatern_d].map(f64::from);
    let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
    let turn = [
        [
            a * a + b * b - c * c - d * d,
            2.0 * (b * c - a * d),
            2.0 * (b * d + a * c),
        ],
        [
            2.0 * (b * c + a * d),
            a * a + c * c - b * b - d * d,
            2.0 * (c * d - a * b),
        ],
        [
            2.0 * (b * d - a * c),
            2.0 * (c * d + a * b),
            a * a + d * d - b * b - c * c,
        ],
    ];
    let handed = if header.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let scale = [
        f64::from(header.pixdim[1]),
        f64::from(header.pixdim[2]),
        f64::from(header.pixdim[3]) * handed,
    ];
    let shift = [header.quatern_x, header.quatern_y, header.quatern_z].map(f64::from);
    std::array::from_fn(|r| {
        std::array::from_fn(|c| {
            if c == 3 {
                shift[r]
            } else {
                turn[r][c] * scale[c]
            }
        })
    })
}

fn write<T>(path: &Path, geometry: &Geometry, voxels: Vec<T>) -> Result<(), NiftiError>
where
    T: ::nifti::DataElement + bytemuck::Pod + Clone,
{
    let unwritable = |reason: String| NiftiError::Unwritable {
        path: path.to_owned(),
        reason,
    };
    let flip = [-1.0, -1.0, 1.0];
    let row = |r: usize| -> [f32; 4] {
        std::array::from_fn(|c| {
            let value = if c == 3 {
                geometry.origin[r]
            } else {
                geometry.direction[c][r] * geometry.spacing[c]
            };
            (value * flip[r]) as f32
        })
    };
    let mut header = NiftiHeader {
        srow_x: row(0),
        srow_y: row(1),
        srow_z: row(2),
        sform_code: 1,
        qform_code: 0,
        // Millimetres.
        xyzt_units: 2,
        ..Default::default()
    };
    for (pixel, spacing) in header.pixdim[1..4].iter_mut().zip(geometry.spacing) {
        *pixel = spacing as f32;
    }
    let [i, j, k] = geometry.size;
    let array =
        Array3::from_shape_vec((i, j, k).f(), voxels).map_err(|e| unwritable(e.to_string()))?;
    WriterOptions::new(path)
        .reference_header(&header)
        .write_nifti(&array)
        .map_err(|e| unwritable(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oblique() -> Geometry {
        let (s, c) = 0.3f64.sin_cos();
        Geometry {
            size: [5, 4, 3],
            spacing: [0.9, 1.1, 2.5],
            direction: [[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]],
            origin: [-31.5, 12.25, 400.0],
        }
    }

    #[test]
    fn what_is_written_is_read_back_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let geometry = oblique();
        let volume = Volume {
            voxels: (0..geometry.len())
                .map(|i| i as f32 * 1.5 - 1000.0)
                .collect(),
            geometry: geometry.clone(),
        };
        let labels = LabelVolume::exclusive(
            geometry.clone(),
            (0..geometry.len() as u16).map(|i| i * 900).collect(),
        );
        for name in ["a.nii", "a.nii.gz"] {
            let path = folder.path().join(name);
            volume.write_nifti(&path).unwrap();
            let back = Volume::read_nifti(&path).unwrap();
            assert_eq!(back.voxels, volume.voxels);
            assert!(back.geometry.is_close(&geometry, 1e-4));
            labels.write_nifti(&path).unwrap();
            let back = LabelVolume::read_nifti(&path).unwrap();
            assert_eq!(back.layers, labels.layers);
        }
    }

    #[test]
    fn bad_files_are_refused_with_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nii.gz");
        let missing = Volume::read_nifti(&path).unwrap_err();
        assert!(missing.to_string().contains("cannot be read as NIfTI"));

        std::fs::write(&path, b"PATIENT NOTES, NOT AN IMAGE").unwrap();
        assert!(matches!(
            Volume::read_nifti(&path),
            Err(NiftiError::Unreadable { .. })
        ));

        // A header that claims 30,000³ voxels in a file of a few hundred bytes.
        let bomb = folder.path().join("bomb.nii");
        let volume = Volume {
            geometry: oblique(),
            voxels: vec![0.0; 60],
        };
        volume.write_nifti(&bomb).unwrap();
        let mut bytes = std::fs::read(&bomb).unwrap();
        for axis in 0..3 {
            bytes[42 + 2 * axis..44 + 2 * axis].copy_from_slice(&30_000u16.to_le_bytes());
        }
        std::fs::write(&bomb, &bytes).unwrap();
        assert!(matches!(
            Volume::read_nifti(&bomb),
            Err(NiftiError::Shape { .. })
        ));

        // Cut short.
        let cut = folder.path().join("cut.nii");
        volume.write_nifti(&cut).unwrap();
        let bytes = std::fs::read(&cut).unwrap();
        std::fs::write(&cut, &bytes[..bytes.len() - 40]).unwrap();
        assert!(Volume::read_nifti(&cut).is_err());

        let fractions = folder.path().join("f.nii");
        Volume {
            geometry: oblique(),
            voxels: vec![0.5; 60],
        }
        .write_nifti(&fractions)
        .unwrap();
        assert!(matches!(
            LabelVolume::read_nifti(&fractions),
            Err(NiftiError::NotLabels { .. })
        ));
    }
}
