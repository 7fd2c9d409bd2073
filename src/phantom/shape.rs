//! Solid shapes in patient space (LPS, mm) and the test whether a point lies inside.

use crate::volume::Vec3;

/// Lower and upper corner of a box, mm.
pub type Bounds = (Vec3, Vec3);

/// A solid.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// `|x/a|^e + |y/b|^e + |z/c|^e < 1` in its own turned axes: an ellipsoid for e = 2, boxier above.
    Superellipsoid {
        /// Centre, mm.
        center: Vec3,
        /// Half axes, mm.
        radii: Vec3,
        /// Rows are the shape's own axes.
        axes: [Vec3; 3],
        /// Exponent, 2 or more.
        exponent: f64,
    },
    /// Everything within `radius` of a chain of line segments.
    Tube {
        /// The chain's points, mm.
        points: Vec<Vec3>,
        /// mm.
        radius: f64,
    },
    /// An endless elliptic cylinder along the body axis.
    Trunk {
        /// Half widths to the left and to posterior, mm.
        radii: [f64; 2],
    },
    /// Slanted rings inside a trunk's wall, as ribs run.
    Ribs {
        /// Half widths of the wall's middle, mm.
        radii: [f64; 2],
        /// Distance from ring to ring, mm.
        pitch: f64,
        /// Thickness of a ring, mm.
        thickness: f64,
        /// The lowest ring, mm.
        from: f64,
    },
}

impl Shape {
    /// An upright ellipsoid.
    pub fn ellipsoid(center: Vec3, radii: Vec3) -> Self {
        Self::Superellipsoid {
            center,
            radii,
            axes: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            exponent: 2.0,
        }
    }

    /// A tube along points.
    pub fn tube(points: &[Vec3], radius: f64) -> Self {
        Self::Tube {
            points: points.to_vec(),
            radius,
        }
    }

    /// Whether a point (LPS, mm) lies inside.
    pub fn contains(&self, p: Vec3) -> bool {
        match self {
            Self::Superellipsoid {
                center,
                radii,
                axes,
                exponent,
            } => {
                let t = in_radii(sub(p, *center), axes, radii);
                let squares = dot(t, t);
                squares < 1.0 || (squares < most_squares(*exponent) && powers_hold(t, *exponent))
            }
            Self::Tube { points, radius } => points
                .windows(2)
                .any(|ends| distance_squared(p, ends[0], ends[1]) < radius * radius),
            Self::Trunk { radii } => (p[0] / radii[0]).powi(2) + (p[1] / radii[1]).powi(2) < 1.0,
            Self::Ribs {
                radii,
                pitch,
                thickness,
                from,
            } => {
                let wall = ((p[0] / radii[0]).powi(2) + (p[1] / radii[1]).powi(2)).sqrt();
                if (wall - 1.0).abs() * radii[1] > thickness / 2.0 {
                    return false;
                }
                // Ribs fall from the spine toward the front.
                let height = p[2] - from - 0.45 * p[1];
                height > 0.0 && height.rem_euclid(*pitch) < *thickness
            }
        }
    }

    /// The box outside of which no point is inside: lower and upper corner, mm.
    pub fn bounds(&self) -> Bounds {
        match self {
            Self::Superellipsoid {
                center,
                radii,
                axes,
                exponent,
            } => {
                // Hölder: furthest along a direction is the dual norm of the radii's parts along it.
                let dual = exponent / (exponent - 1.0);
                let reach = std::array::from_fn(|a| {
                    let parts = radii.iter().zip(axes).map(|(r, axis)| (r * axis[a]).abs());
                    let powers = parts.map(|part| part.powf(dual));
                    // A hair more than rounding takes away.
                    powers.sum::<f64>().powf(1.0 / dual) * (1.0 + 1e-9)
                });
                widened((*center, *center), reach)
            }
            Self::Tube { points, radius } => widened(around(points.iter().copied()), [*radius; 3]),
            Self::Trunk { radii: [x, y] } => endless(*x, *y),
            Self::Ribs {
                radii, thickness, ..
            } => {
                let outermost = 1.0 + thickness / (2.0 * radii[1]) + 1e-9;
                endless(radii[0] * outermost, radii[1] * outermost)
            }
        }
    }

    /// Whether all points between two of its points are its own.
    pub fn is_convex(&self) -> bool {
        match self {
            Self::Superellipsoid { .. } | Self::Trunk { .. } => true,
            Self::Tube { points, .. } => points.len() <= 2,
            Self::Ribs { .. } => false,
        }
    }

    /// Shapes that together are this one, each of which fills more of its bounds: a tube's segments.
    pub fn parts(self) -> Vec<Self> {
        match self {
            Self::Tube { points, radius } if points.len() > 2 => points
                .windows(2)
                .map(|ends| Self::tube(ends, radius))
                .collect(),
            whole => vec![whole],
        }
    }
}

/// The box around some points.
pub(super) fn around(points: impl Iterator<Item = Vec3>) -> Bounds {
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for p in points {
        for a in 0..3 {
            // Not `min` and `max`, which look for what is no number.
            low[a] = if p[a] < low[a] { p[a] } else { low[a] };
            high[a] = if p[a] > high[a] { p[a] } else { high[a] };
        }
    }
    (low, high)
}

/// A box larger by `reach` on either side.
fn widened((low, high): Bounds, reach: Vec3) -> Bounds {
    (sub(low, reach), std::array::from_fn(|a| high[a] + reach[a]))
}

/// The box of half widths to the left and to posterior that has no end along the body.
fn endless(x: f64, y: f64) -> Bounds {
    ([-x, -y, f64::NEG_INFINITY], [x, y, f64::INFINITY])
}

/// A way along a superellipsoid's axes, in its radii.
pub(super) fn in_radii(way: Vec3, axes: &[Vec3; 3], radii: &Vec3) -> Vec3 {
    std::array::from_fn(|a| dot(axes[a], way) / radii[a])
}

/// The point so many steps on.
pub(super) fn further(from: Vec3, step: Vec3, steps: f64) -> Vec3 {
    std::array::from_fn(|a| from[a] + steps * step[a])
}

pub(super) fn sub(a: Vec3, b: Vec3) -> Vec3 {
    std::array::from_fn(|i| a[i] - b[i])
}

pub(super) fn dot(a: Vec3, b: Vec3) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Squares of the distances along a superellipsoid's axes, in radii, of which no point inside has as large a sum: the
/// ball that holds it (the means of powers), a little more.
pub(super) fn most_squares(exponent: f64) -> f64 {
    // 3^(1 − 2/e) for the highest exponent of each.
    if exponent <= 2.0 {
        1.0
    } else if exponent <= 2.4 {
        1.2011
    } else if exponent <= 3.0 {
        1.4423
    } else if exponent <= 4.0 {
        1.7321
    } else {
        3.0
    }
}

/// Whether the sum of these distances' powers is below 1; for an exponent above 2.
pub(super) fn powers_hold(t: Vec3, exponent: f64) -> bool {
    let t = t.map(f64::abs);
    if t.iter().any(|&t| t >= 1.0) {
        return false;
    }
    if exponent <= 3.0 {
        // Powers are slow, and convex in the exponent: no greater than the line between the second and the third, no
        // smaller than that line beyond its ends. What these leave open is thin.
        let sum = |of: &dyn Fn(f64) -> f64| t.iter().map(|&t| of(t)).sum::<f64>();
        let [squares, cubes] = [sum(&|t| t * t), sum(&|t| t * t * t)];
        let beyond = exponent - 2.0;
        if squares + beyond * (cubes - squares) < 1.0 {
            return true;
        }
        let (firsts, fourths) = (sum(&|t| t), sum(&|t| t * t * t * t));
        if squares + beyond * (squares - firsts) >= 1.0
            || cubes + (1.0 - beyond) * (cubes - fourths) >= 1.0
        {
            return false;
        }
    }
    t.iter().map(|t| t.powf(exponent)).sum::<f64>() < 1.0
}

/// Squared distance of a point from the segment a–b.
fn distance_squared(p: Vec3, a: Vec3, b: Vec3) -> f64 {
    let d = sub(p, nearest(p, a, b));
    dot(d, d)
}

/// The point of the segment a–b that is nearest to another.
pub(super) fn nearest(p: Vec3, a: Vec3, b: Vec3) -> Vec3 {
    let (along, from_a) = (sub(b, a), sub(p, a));
    let length = dot(along, along);
    let t = if length > 0.0 {
        (dot(along, from_a) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    std::array::from_fn(|i| a[i] + t * along[i])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A turn about z and then about x; rows are unit vectors.
    fn turned(a: f64, b: f64) -> [Vec3; 3] {
        let ((sa, ca), (sb, cb)) = (a.sin_cos(), b.sin_cos());
        [
            [ca, sa, 0.0],
            [-sa * cb, ca * cb, sb],
            [sa * sb, -ca * sb, cb],
        ]
    }

    pub(in crate::phantom) fn shapes() -> impl Strategy<Value = Shape> {
        let place = prop::array::uniform3(-60.0f64..60.0);
        let size = 4.0f64..50.0;
        prop_oneof![
            (
                place.clone(),
                prop::array::uniform3(size.clone()),
                (0.0f64..3.0, 0.0f64..3.0),
                2.0f64..6.0
            )
                .prop_map(|(center, radii, (a, b), exponent)| {
                    Shape::Superellipsoid {
                        center,
                        radii,
                        axes: turned(a, b),
                        exponent,
                    }
                }),
            (prop::collection::vec(place, 2..5), size.clone())
                .prop_map(|(points, radius)| Shape::tube(&points, radius)),
            prop::array::uniform2(size).prop_map(|radii| Shape::Trunk { radii }),
            (prop::array::uniform2(30.0f64..60.0), 12.0f64..40.0).prop_map(|(radii, pitch)| {
                Shape::Ribs {
                    radii,
                    pitch,
                    thickness: 10.0,
                    from: -40.0,
                }
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_known_of_powers_without_computing_them_is_so(
            t in prop::array::uniform3(-1.1f64..1.1),
            exponent in 2.0f64..4.0,
        ) {
            let sum: f64 = t.iter().map(|t| t.abs().powf(exponent)).sum();
            prop_assume!((sum - 1.0).abs() > 1e-12);
            prop_assert_eq!(powers_hold(t, exponent), sum < 1.0);
            // A point inside is in the ball.
            prop_assert!(sum >= 1.0 || dot(t, t) < most_squares(exponent));
        }

        #[test]
        fn bounds_parts_and_convexity_are_those_of_the_points_inside(
            shape in shapes(),
            points in prop::collection::vec(prop::array::uniform3(-110.0f64..110.0), 200),
            along in 0.0f64..1.0,
        ) {
            let (low, high) = shape.bounds();
            let parts = shape.clone().parts();
            let inside: Vec<Vec3> = points.iter().copied().filter(|&p| shape.contains(p)).collect();
            for p in &points {
                prop_assert_eq!(shape.contains(*p), parts.iter().any(|part| part.contains(*p)));
            }
            for p in &inside {
                prop_assert!((0..3).all(|a| low[a] <= p[a] && p[a] <= high[a]));
            }
            if shape.is_convex() {
                for pair in inside.windows(2) {
                    let between = std::array::from_fn(|a| pair[0][a] + along * (pair[1][a] - pair[0][a]));
                    prop_assert!(shape.contains(between));
                }
            }
        }
    }
}
