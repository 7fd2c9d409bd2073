//! Solid shapes in patient space (LPS, mm) and the test whether a point lies inside.

use crate::volume::Vec3;

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
                let d = sub(p, *center);
                let mut t = [0.0; 3];
                for ((t, axis), radius) in t.iter_mut().zip(axes).zip(radii) {
                    *t = (dot(*axis, d) / radius).abs();
                    if *t >= 1.0 {
                        return false;
                    }
                }
                // Powers are slow. With a higher exponent it is no smaller than the ellipsoid, and no larger than the box.
                let is_in_ellipsoid = t.iter().map(|t| t * t).sum::<f64>() < 1.0;
                is_in_ellipsoid
                    || (*exponent > 2.0 && t.iter().map(|t| t.powf(*exponent)).sum::<f64>() < 1.0)
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
    pub fn bounds(&self) -> (Vec3, Vec3) {
        match self {
            Self::Superellipsoid { center, radii, .. } => {
                let reach = radii.iter().map(|r| r * r).sum::<f64>().sqrt();
                (center.map(|c| c - reach), center.map(|c| c + reach))
            }
            Self::Tube { points, radius } => points.iter().fold(
                ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]),
                |(low, high), p| {
                    (
                        std::array::from_fn(|a| low[a].min(p[a] - radius)),
                        std::array::from_fn(|a| high[a].max(p[a] + radius)),
                    )
                },
            ),
            Self::Trunk { .. } | Self::Ribs { .. } => ([f64::NEG_INFINITY; 3], [f64::INFINITY; 3]),
        }
    }
}

fn sub(a: Vec3, b: Vec3) -> Vec3 {
    std::array::from_fn(|i| a[i] - b[i])
}

fn dot(a: Vec3, b: Vec3) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Squared distance of a point from the segment a–b.
fn distance_squared(p: Vec3, a: Vec3, b: Vec3) -> f64 {
    let (along, from_a) = (sub(b, a), sub(p, a));
    let length = dot(along, along);
    let t = if length > 0.0 {
        (dot(along, from_a) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let nearest: Vec3 = std::array::from_fn(|i| a[i] + t * along[i]);
    let d = sub(p, nearest);
    dot(d, d)
}
