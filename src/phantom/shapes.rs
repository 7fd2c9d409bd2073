//! Scenes of random shapes: variety beyond anatomy, so that the network learns to look and not to recite.

use super::scene::{Scene, Structure};
use super::shape::Shape;
use rand::{Rng, RngExt};

impl Scene {
    /// Random solids in a random trunk, nested and touching; a kind of its own for every draw.
    pub fn shapes(rng: &mut impl Rng) -> Self {
        let body = [rng.random_range(90.0..190.0), rng.random_range(80.0..150.0)];
        let mut structures = vec![
            Structure::filler(
                "body",
                rng.random_range(-100.0..60.0),
                10.0,
                vec![Shape::Trunk { radii: body }],
            ),
            Structure::filler(
                "core",
                rng.random_range(-100.0..80.0),
                10.0,
                vec![Shape::Trunk {
                    radii: body.map(|r| r * 0.85),
                }],
            ),
        ];
        for index in 0..rng.random_range(6..16) {
            let center = place(rng, body, 0.7);
            let size = rng.random_range(8.0..45.0);
            let shapes = match rng.random_range(0..4) {
                0 => vec![Shape::tube(
                    &[center, place(rng, body, 0.7), place(rng, body, 0.6)],
                    size * 0.35,
                )],
                1 => vec![
                    Shape::ellipsoid(center, [size, size * 0.7, size * 0.8]),
                    Shape::ellipsoid(center.map(|c| c + size * 0.6), [size * 0.6; 3]),
                ],
                _ => vec![Shape::Superellipsoid {
                    center,
                    radii: std::array::from_fn(|_| size * rng.random_range(0.5..1.4)),
                    axes: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
                    exponent: rng.random_range(2.0..5.0),
                }],
            };
            structures.push(Structure::organ(
                &format!("shape_{index}"),
                rng.random_range(-60.0..300.0),
                20.0,
                shapes,
            ));
        }
        Self {
            structures,
            atlas: None,
            surroundings: Vec::new(),
            hollow: Vec::new(),
        }
    }
}

/// A random point within a share of the trunk, mm.
fn place(rng: &mut impl Rng, body: [f64; 2], reach: f64) -> [f64; 3] {
    [
        rng.random_range(-1.0..1.0) * body[0] * reach,
        rng.random_range(-1.0..1.0) * body[1] * reach,
        rng.random_range(-120.0..120.0),
    ]
}
