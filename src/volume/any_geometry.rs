//! Random grids for property tests: any right-handed orientation, size and spacing.

use proptest::prelude::*;

use super::geometry::{cross, dot, norm};
use super::{Geometry, Vec3};

fn unit() -> impl Strategy<Value = Vec3> {
    prop::array::uniform3(-1.0..1.0f64)
        .prop_filter("too short to have a direction", |v| norm(*v) > 0.1)
        .prop_map(|v| v.map(|x| x / norm(v)))
}

fn axes() -> impl Strategy<Value = [Vec3; 3]> {
    (unit(), unit()).prop_filter_map("parallel", |(a, b)| {
        let along = dot(a, b);
        let across: Vec3 = std::array::from_fn(|axis| b[axis] - along * a[axis]);
        (norm(across) > 0.1).then(|| {
            let b = across.map(|x| x / norm(across));
            [a, b, cross(a, b)]
        })
    })
}

/// A small grid somewhere in the patient.
pub(super) fn any_geometry() -> impl Strategy<Value = Geometry> {
    (
        prop::array::uniform3(2usize..9),
        prop::array::uniform3(0.4..6.0f64),
        axes(),
        prop::array::uniform3(-300.0..300.0f64),
    )
        .prop_map(|(size, spacing, direction, origin)| Geometry {
            size,
            spacing,
            direction,
            origin,
        })
}
