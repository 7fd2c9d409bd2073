//! The grid in a NIfTI-1 header: RAS in the file, LPS in a [`Geometry`].

use nifti::NiftiHeader;

use super::geometry::{dot, norm};
use super::{Geometry, Vec3};

/// Cosine of the angle between two axes that still counts as a right angle.
const RIGHT_ANGLE: f64 = 1e-3;
/// The same for how far the way from slice to slice may lean: 45 degrees.
const STEEPEST_LEAN: f64 = 0.7072;

/// What a header says of where the voxels are; the sentence says why it cannot be used.
pub(super) fn geometry(header: &NiftiHeader, size: [usize; 3]) -> Result<Geometry, String> {
    // Rows of the affine in RAS: the sform when there is one, else the qform (NIfTI-1, "method 3" and "method 2").
    let (columns, origin) = if header.sform_code > 0 {
        let rows = [header.srow_x, header.srow_y, header.srow_z];
        let columns = std::array::from_fn(|axis| rows.map(|row| f64::from(row[axis])));
        (columns, rows.map(|row| f64::from(row[3])))
    } else if header.qform_code > 0 {
        let origin = [header.quatern_x, header.quatern_y, header.quatern_z].map(f64::from);
        (qform_columns(header), origin)
    } else {
        return Err(
            "it does not say how the image lies in the patient (sform_code and qform_code are 0). \
                    Write it again with an orientation."
                .into(),
        );
    };
    let mm = match header.xyzt_units & 7 {
        1 => 1000.0,
        3 => 0.001,
        _ => 1.0,
    };
    let to_lps = |v: Vec3| [-v[0] * mm, -v[1] * mm, v[2] * mm];
    let columns: [Vec3; 3] = columns.map(to_lps);
    let spacing = columns.map(norm);
    let numbers = columns.iter().flatten().chain(&origin);
    if numbers.copied().any(|x| !x.is_finite())
        || spacing.iter().any(|&s| !(1e-6..1e6).contains(&s))
    {
        return Err("its orientation is not a possible one (an axis has no length, or a number is not finite).".into());
    }
    let direction: [Vec3; 3] = std::array::from_fn(|axis| columns[axis].map(|x| x / spacing[axis]));
    // The third axis may lean: the stack of a tilted gantry.
    let leaning = [(0, 2), (1, 2)]
        .iter()
        .any(|&(a, b)| dot(direction[a], direction[b]).abs() > STEEPEST_LEAN);
    if leaning || dot(direction[0], direction[1]).abs() > RIGHT_ANGLE {
        return Err(
            "its rows and columns are not at right angles, or its slices lean by more than 45 degrees. \
                    Resample it to a right-angled grid first."
                .into(),
        );
    }
    Ok(Geometry {
        size,
        spacing,
        direction,
        origin: to_lps(origin),
    })
}

/// The axes, each as long as its voxel, of the qform's quaternion.
fn qform_columns(header: &NiftiHeader) -> [Vec3; 3] {
    let [b, c, d] = [header.quatern_b, header.quatern_c, header.quatern_d].map(f64::from);
    let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
    // The quaternion's length is one only up to the file's rounding.
    let length = (a * a + b * b + c * c + d * d).sqrt();
    let [a, b, c, d] = [a, b, c, d].map(|x| x / length);
    let qfac = if header.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let step = [
        f64::from(header.pixdim[1]).abs(),
        f64::from(header.pixdim[2]).abs(),
        f64::from(header.pixdim[3]).abs() * qfac,
    ];
    let rotation = [
        [
            a * a + b * b - c * c - d * d,
            2.0 * (b * c + a * d),
            2.0 * (b * d - a * c),
        ],
        [
            2.0 * (b * c - a * d),
            a * a + c * c - b * b - d * d,
            2.0 * (c * d + a * b),
        ],
        [
            2.0 * (b * d + a * c),
            2.0 * (c * d - a * b),
            a * a + d * d - b * b - c * c,
        ],
    ];
    std::array::from_fn(|axis| rotation[axis].map(|x| x * step[axis]))
}

/// A header for voxels on `geometry`: sform (scanner anatomical) in millimetres.
///
/// The sform alone, so that no reader has two orientations to choose from.
pub(super) fn header(geometry: &Geometry) -> NiftiHeader {
    let row = |patient: usize, sign: f64| -> [f32; 4] {
        std::array::from_fn(|axis| {
            let value = if axis == 3 {
                geometry.origin[patient]
            } else {
                geometry.direction[axis][patient] * geometry.spacing[axis]
            };
            // Not -0.0: a sign on nothing reads badly.
            (sign * value + 0.0) as f32
        })
    };
    let mut header = NiftiHeader {
        sform_code: 1,
        qform_code: 0,
        srow_x: row(0, -1.0),
        srow_y: row(1, -1.0),
        srow_z: row(2, 1.0),
        xyzt_units: 2,
        ..NiftiHeader::default()
    };
    for axis in 0..3 {
        header.pixdim[axis + 1] = geometry.spacing[axis] as f32;
    }
    header
}
