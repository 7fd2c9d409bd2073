//! What a shape says of many points at once: of a row of them, and of all between some.

use super::shape::{Shape, dot, further, in_radii, most_squares, nearest, powers_hold, sub};
use crate::volume::Vec3;

impl Shape {
    /// Which points of a row (LPS, mm) lie inside: point `n` is `from + n·step`. What [`Shape::contains`] says of each, at
    /// a fraction of the price.
    pub fn along(&self, from: Vec3, step: Vec3, is_inside: &mut [bool]) {
        match self {
            Self::Superellipsoid {
                center,
                radii,
                axes,
                exponent,
            } => {
                // There the row is straight, too.
                let from = in_radii(sub(from, *center), axes, radii);
                let step = in_radii(step, axes, radii);
                let at = |n: i32| further(from, step, f64::from(n));
                let most = most_squares(*exponent);
                let mut are_near = false;
                for (n, is_inside) in (0..).zip(&mut *is_inside) {
                    let squares = dot(at(n), at(n));
                    *is_inside = squares < 1.0;
                    are_near |= (squares >= 1.0) & (squares < most);
                }
                if !are_near {
                    return;
                }
                for (n, is_inside) in (0..).zip(is_inside) {
                    let squares = dot(at(n), at(n));
                    if squares >= 1.0 && squares < most {
                        *is_inside = powers_hold(at(n), *exponent);
                    }
                }
            }
            Self::Trunk { radii: [x, y] } => {
                for (n, is_inside) in (0..).zip(is_inside) {
                    let across = |a: usize, radius: f64| {
                        let part = (from[a] + f64::from(n) * step[a]) / radius;
                        part * part
                    };
                    *is_inside = across(0, *x) + across(1, *y) < 1.0;
                }
            }
            Self::Tube { points, radius } => {
                is_inside.fill(false);
                for ends in points.windows(2) {
                    let chain = sub(ends[1], ends[0]);
                    let from_end = sub(from, ends[0]);
                    // How far along the chain the row's points lie, in its lengths.
                    let length = dot(chain, chain).max(f64::MIN_POSITIVE);
                    let (first, next) = (dot(chain, from_end) / length, dot(chain, step) / length);
                    for (n, is_inside) in (0..).zip(&mut *is_inside) {
                        let n = f64::from(n);
                        let along = (first + n * next).clamp(0.0, 1.0);
                        let away: Vec3 =
                            std::array::from_fn(|a| from_end[a] + n * step[a] - along * chain[a]);
                        *is_inside |= dot(away, away) < radius * radius;
                    }
                }
            }
            Self::Ribs { .. } => {
                for (n, is_inside) in (0..).zip(is_inside) {
                    *is_inside = self.contains(further(from, step, f64::from(n)));
                }
            }
        }
    }

    /// Whether all points between some points (LPS, mm) surely lie outside: a plane parts them from the shape. `false`
    /// where that was not found.
    pub fn misses(&self, points: &[Vec3]) -> bool {
        let middle: Vec3 =
            std::array::from_fn(|a| points.iter().map(|p| p[a]).sum::<f64>() / points.len() as f64);
        match self {
            Self::Superellipsoid {
                center,
                radii,
                axes,
                exponent,
            } => {
                let scaled = |p: Vec3| in_radii(sub(p, *center), axes, radii);
                let toward = scaled(middle);
                let reach = (most_squares(*exponent) * dot(toward, toward)).sqrt();
                points.iter().all(|&p| dot(toward, scaled(p)) > reach)
            }
            Self::Tube {
                points: chain,
                radius,
            } => chain.windows(2).all(|ends| {
                let toward = sub(middle, nearest(middle, ends[0], ends[1]));
                let reach = ends
                    .iter()
                    .map(|&end| dot(toward, end))
                    .fold(f64::MIN, f64::max)
                    + radius * dot(toward, toward).sqrt();
                points.iter().all(|&p| dot(toward, p) > reach)
            }),
            Self::Trunk { radii: [x, y] } => {
                let scaled = |p: Vec3| [p[0] / x, p[1] / y, 0.0];
                let toward = scaled(middle);
                let reach = dot(toward, toward).sqrt();
                points.iter().all(|&p| dot(toward, scaled(p)) > reach)
            }
            Self::Ribs { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::tests::shapes;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_row_has_the_points_inside_that_it_has_one_by_one(
            shape in shapes(),
            from in prop::array::uniform3(-60.0f64..60.0),
            step in prop::array::uniform3(-4.0f64..4.0),
        ) {
            let mut is_inside = [false; 30];
            shape.along(from, step, &mut is_inside);
            for (n, is_inside) in is_inside.into_iter().enumerate() {
                prop_assert_eq!(is_inside, shape.contains(further(from, step, n as f64)));
            }
        }

        #[test]
        fn what_misses_a_shape_has_no_point_of_it_between(
            shape in shapes(),
            corner in prop::array::uniform3(-90.0f64..90.0),
            size in prop::array::uniform3(1.0f64..40.0),
            between in prop::collection::vec(prop::array::uniform3(0.0f64..=1.0), 40),
        ) {
            let at = |part: Vec3| std::array::from_fn(|a| corner[a] + part[a] * size[a]);
            let corners: [Vec3; 8] = std::array::from_fn(|n| {
                at([n & 1, n >> 1 & 1, n >> 2].map(|n| n as f64))
            });
            if shape.misses(&corners) {
                prop_assert!(between.iter().all(|&part| !shape.contains(at(part))));
            }
        }
    }
}
