//! Scenes of random shapes: variety beyond anatomy, so that the network learns to look and not to recite.

use super::scene::{Scene, Structure};
use super::shape::Shape;
use crate::volume::Vec3;
use rand::{Rng, RngExt};

const UPRIGHT: [Vec3; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

impl Scene {
    /// Random solids in a random trunk: touching and nested ones, thin shells, branching tubes, rows of like
    /// pieces; a kind of its own for every draw.
    pub fn shapes(rng: &mut impl Rng) -> Self {
        let body = [rng.random_range(90.0..190.0), rng.random_range(80.0..150.0)];
        let trunk = |name: &str, hu, share: f64| {
            let radii = body.map(|r| r * share);
            Structure::filler(name, hu, 10.0, vec![Shape::Trunk { radii }])
        };
        let mut structures = vec![
            trunk("body", rng.random_range(-100.0..60.0), 1.0),
            trunk("core", rng.random_range(-100.0..80.0), 0.85),
        ];
        for _ in 0..rng.random_range(5..13) {
            let center = place(rng, body, 0.7);
            let size = rng.random_range(8.0..45.0);
            match rng.random_range(0..10) {
                0..2 => {
                    let branches = tree(center, size * 0.3, rng);
                    add(&mut structures, rng, branches);
                }
                2 => nested(&mut structures, center, size, rng),
                3 => row(&mut structures, center, size, rng),
                4..6 => {
                    let chain = [center, place(rng, body, 0.7), place(rng, body, 0.6)];
                    add(&mut structures, rng, vec![Shape::tube(&chain, size * 0.35)]);
                }
                6..8 => {
                    let lobes = vec![
                        Shape::ellipsoid(center, [size, size * 0.7, size * 0.8]),
                        Shape::ellipsoid(center.map(|c| c + size * 0.6), [size * 0.6; 3]),
                    ];
                    add(&mut structures, rng, lobes);
                }
                _ => {
                    let lump = lump(center, size, rng);
                    add(&mut structures, rng, vec![lump]);
                }
            }
        }
        Self {
            structures,
            atlas: None,
            surroundings: Vec::new(),
            hollow: Vec::new(),
            uneven: false,
            lesions: Vec::new(),
        }
    }
}

fn structure(index: usize, rng: &mut impl Rng, shapes: Vec<Shape>) -> Structure {
    let hu = rng.random_range(-60.0..300.0);
    Structure::organ(&format!("shape_{index}"), hu, 20.0, shapes)
}

fn add(structures: &mut Vec<Structure>, rng: &mut impl Rng, shapes: Vec<Shape>) {
    structures.push(structure(structures.len(), rng, shapes));
}

fn lump(center: Vec3, size: f64, rng: &mut impl Rng) -> Shape {
    Shape::Superellipsoid {
        center,
        radii: std::array::from_fn(|_| size * rng.random_range(0.5..1.4)),
        axes: UPRIGHT,
        exponent: rng.random_range(2.0..5.0),
    }
}

/// A solid in a shell (or in a thick wall), each of its own density: they stay together from subject to subject.
fn nested(structures: &mut Vec<Structure>, center: Vec3, size: f64, rng: &mut impl Rng) {
    let outer = size.max(18.0) * rng.random_range(0.8..1.4);
    let wall = rng.random_range(6.0..0.6 * outer);
    let radii: [f64; 3] = std::array::from_fn(|_| outer * rng.random_range(0.8..1.25));
    for radii in [radii, radii.map(|r| r - wall)] {
        let solid = Shape::ellipsoid(center, radii);
        let structure = structure(structures.len(), rng, vec![solid]);
        structures.push(structure.wander(0.0).missing(0.0));
    }
}

/// A stem that divides, and its branches once more.
fn tree(root: Vec3, radius: f64, rng: &mut impl Rng) -> Vec<Shape> {
    let mut shapes = Vec::new();
    let mut tips = vec![(root, direction(rng), radius.max(5.0))];
    for _ in 0..3 {
        let mut next = Vec::new();
        for (from, heading, radius) in tips {
            let length = rng.random_range(4.0..8.0) * radius;
            let to: Vec3 = std::array::from_fn(|a| from[a] + heading[a] * length);
            shapes.push(Shape::tube(&[from, to], radius));
            for _ in 0..2 {
                let aside = direction(rng);
                let turned: Vec3 = std::array::from_fn(|a| heading[a] + 0.9 * aside[a]);
                next.push((to, unit(turned), radius * 0.75));
            }
        }
        tips = next;
    }
    shapes
}

/// Pieces in a row with gaps between them, as vertebrae stand: one structure each, or one for all.
fn row(structures: &mut Vec<Structure>, center: Vec3, size: f64, rng: &mut impl Rng) {
    let (size, count) = (size.clamp(12.0, 26.0), rng.random_range(3..8));
    let pitch = size * rng.random_range(1.5..2.1);
    let lean: [f64; 2] = [rng.random_range(-0.4..0.4), rng.random_range(-0.4..0.4)];
    let pieces: Vec<Shape> = (0..count)
        .map(|index| {
            let up = (f64::from(index) - f64::from(count - 1) / 2.0) * pitch;
            Shape::Superellipsoid {
                center: [
                    center[0] + lean[0] * up,
                    center[1] + lean[1] * up,
                    center[2] + up,
                ],
                radii: [size, size * 0.8, size * 0.62],
                axes: UPRIGHT,
                exponent: 3.0,
            }
        })
        .collect();
    if rng.random_bool(0.5) {
        return add(structures, rng, pieces);
    }
    // One density for all: only their order tells them apart.
    let like = structure(structures.len(), rng, Vec::new());
    for piece in pieces {
        let name = format!("shape_{}", structures.len());
        let piece = Structure {
            name,
            shapes: vec![piece],
            ..like.clone()
        };
        structures.push(piece.wander(1.5).missing(0.0));
    }
}

fn direction(rng: &mut impl Rng) -> Vec3 {
    unit(std::array::from_fn(|_| rng.random_range(-1.0..1.0)))
}

fn unit(v: Vec3) -> Vec3 {
    let length = v.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-6);
    v.map(|x| x / length)
}

/// A random point within a share of the trunk, mm.
fn place(rng: &mut impl Rng, body: [f64; 2], reach: f64) -> Vec3 {
    [
        rng.random_range(-1.0..1.0) * body[0] * reach,
        rng.random_range(-1.0..1.0) * body[1] * reach,
        rng.random_range(-120.0..120.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::Contrast;
    use crate::volume::Geometry;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn a_shell_surrounds_its_core_and_pieces_of_a_row_stand_apart() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut structures = vec![Structure::filler(
            "body",
            0.0,
            0.0,
            vec![Shape::Trunk {
                radii: [150.0, 150.0],
            }],
        )];
        nested(&mut structures, [-60.0, 0.0, 0.0], 40.0, &mut rng);
        while structures.len() < 5 {
            structures.truncate(3);
            row(&mut structures, [60.0, 0.0, 0.0], 20.0, &mut rng);
        }
        let mut scene = Scene::shapes(&mut rng);
        scene.structures = structures;
        let grid = Geometry::axial([60, 60, 40], [5.0; 3], [-147.0, -147.0, -97.0]);
        let labels = scene.subject(4, &grid, Contrast::Ct).labels;
        assert!(labels.voxel_count(2) > 50 && labels.voxel_count(3) > 50);
        let layer = &labels.layers[0];
        for (at, _) in layer.iter().enumerate().filter(|(_, label)| **label == 3) {
            for neighbour in [at - 1, at + 1, at - 60, at + 60] {
                assert!(
                    [2, 3].contains(&layer[neighbour]),
                    "the core touches its shell only"
                );
            }
        }
        let pieces = (4..=scene.structures.len() as u16).filter(|&n| labels.voxel_count(n) > 10);
        assert!(pieces.count() >= 2);
    }
}
