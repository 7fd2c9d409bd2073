//! One subject of a scene: every structure moved, scaled, turned and bent on its own.

use super::atlas::Atlas;
use super::field::Field;
use super::scene::Scene;
use super::shape::Shape;
use crate::volume::{Geometry, Vec3};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

/// Extent of the deformation's lattice around the body's middle, mm.
const EXTENT: f64 = 560.0;

/// A subject: shapes of its own, in a body of its own size and pose.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    shapes: Vec<Placed>,
    size: Vec3,
    turn: [Vec3; 3],
    shift: Vec3,
    bend: [[Field; 3]; 2],
    atlas: Option<Arc<Atlas>>,
}

/// A structure's label, a shape of it, and the shape's bounds.
type Placed = (u16, Shape, (Vec3, Vec3));

/// The label of the first shape that holds a point, 0 where none does; given the last painted first.
fn topmost<'s>(mut shapes: impl Iterator<Item = &'s Placed>, point: Vec3) -> u16 {
    shapes
        .find(|(_, shape, (from, to))| {
            (0..3).all(|a| from[a] <= point[a] && to[a] >= point[a]) && shape.contains(point)
        })
        .map_or(0, |(label, ..)| *label)
}

fn normal(rng: &mut impl Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// A turn by small random angles (radians, standard deviation) about the three axes; rows are unit vectors.
fn small_turn(rng: &mut impl Rng, angle: f64) -> [Vec3; 3] {
    let (a, b, c) = (
        normal(rng) * angle,
        normal(rng) * angle,
        normal(rng) * angle,
    );
    let (sa, ca) = a.sin_cos();
    let (sb, cb) = b.sin_cos();
    let (sc, cc) = c.sin_cos();
    [
        [cb * cc, -cb * sc, sb],
        [sa * sb * cc + ca * sc, ca * cc - sa * sb * sc, -sa * cb],
        [sa * sc - ca * sb * cc, ca * sb * sc + sa * cc, ca * cb],
    ]
}

impl Subject {
    pub(super) fn draw(scene: &Scene, rng: &mut impl Rng) -> Self {
        let mut shapes = Vec::new();
        // What surrounds the body comes first: everything in the body covers it.
        let inside = scene.structures.len();
        let numbered = (inside..)
            .zip(&scene.surroundings)
            .chain(scene.structures.iter().enumerate());
        for (index, structure) in numbered {
            let label = index as u16 + 1;
            if rng.random_bool(structure.missing.clamp(0.0, 1.0)) {
                continue;
            }
            let shift: Vec3 = std::array::from_fn(|_| normal(rng) * structure.wander);
            let swell = if structure.target {
                (normal(rng) * 0.12).exp()
            } else {
                (normal(rng) * 0.03).exp()
            };
            for shape in &structure.shapes {
                let shape = vary(shape, shift, swell, structure.target, rng);
                let bounds = shape.bounds();
                shapes.push((label, shape, bounds));
            }
        }
        let girth = (normal(rng) * 0.10).exp();
        let mut fields = |pitch: f64, amplitude: f64| -> [Field; 3] {
            std::array::from_fn(|_| Field::new(rng, pitch, EXTENT, amplitude))
        };
        // Structures of a map cannot wander on their own: they are bent more.
        let bend = match scene.atlas {
            None => [fields(80.0, 9.0), fields(30.0, 3.0)],
            Some(_) => [fields(80.0, 13.0), fields(35.0, 5.0)],
        };
        Self {
            shapes,
            size: [
                girth * (normal(rng) * 0.05).exp(),
                girth * (normal(rng) * 0.07).exp(),
                (normal(rng) * 0.08).exp(),
            ],
            turn: small_turn(rng, 0.06),
            shift: [normal(rng) * 10.0, normal(rng) * 10.0, normal(rng) * 8.0],
            bend,
            atlas: scene.atlas.clone(),
        }
    }

    /// The label at every voxel of a grid, column index fastest.
    pub(super) fn label_map(&self, geometry: &Geometry) -> Vec<u16> {
        let mut labels = vec![0u16; geometry.len()];
        if let Some(atlas) = &self.atlas {
            for (at, label) in labels.iter_mut().enumerate() {
                let [columns, rows, _] = geometry.size;
                let ijk = [at % columns, at / columns % rows, at / (columns * rows)];
                let point = self.body_point(geometry.to_patient(ijk.map(|n| n as f64)));
                *label = atlas.at(point);
                if *label == 0 {
                    *label = topmost(self.shapes.iter().rev(), point);
                }
            }
            return labels;
        }
        let mut near: Vec<&Placed> = Vec::new();
        for k in 0..geometry.size[2] {
            for j in 0..geometry.size[1] {
                let row: Vec<Vec3> = (0..geometry.size[0])
                    .map(|i| self.body_point(geometry.to_patient([i as f64, j as f64, k as f64])))
                    .collect();
                let low: Vec3 =
                    std::array::from_fn(|a| row.iter().map(|p| p[a]).fold(f64::INFINITY, f64::min));
                let high: Vec3 = std::array::from_fn(|a| {
                    row.iter().map(|p| p[a]).fold(f64::NEG_INFINITY, f64::max)
                });
                near.clear();
                near.extend(self.shapes.iter().rev().filter(|(_, _, (from, to))| {
                    (0..3).all(|a| from[a] <= high[a] && to[a] >= low[a])
                }));
                for (i, point) in row.iter().enumerate() {
                    labels[geometry.index(i, j, k)] = topmost(near.iter().copied(), *point);
                }
            }
        }
        labels
    }

    /// From the patient to the scene's upright average body, mm.
    fn body_point(&self, p: Vec3) -> Vec3 {
        let p: Vec3 = std::array::from_fn(|a| p[a] - self.shift[a]);
        let mut q: Vec3 = std::array::from_fn(|a| {
            (0..3).map(|b| self.turn[a][b] * p[b]).sum::<f64>() / self.size[a]
        });
        let at = q;
        for fields in &self.bend {
            for (value, field) in q.iter_mut().zip(fields) {
                *value += field.at(at);
            }
        }
        q
    }
}

fn vary(shape: &Shape, shift: Vec3, swell: f64, free: bool, rng: &mut impl Rng) -> Shape {
    match shape {
        Shape::Superellipsoid {
            center,
            radii,
            exponent,
            ..
        } => Shape::Superellipsoid {
            center: std::array::from_fn(|a| center[a] + shift[a]),
            radii: radii.map(|r| r * swell * (normal(rng) * 0.08).exp()),
            axes: small_turn(rng, 0.2),
            exponent: if free {
                exponent + rng.random_range(0.0..0.8)
            } else {
                *exponent
            },
        },
        Shape::Tube { points, radius } => Shape::Tube {
            points: points
                .iter()
                .map(|p| {
                    std::array::from_fn(|a| {
                        p[a] + shift[a] + if free { normal(rng) * 3.0 } else { 0.0 }
                    })
                })
                .collect(),
            radius: radius * swell,
        },
        Shape::Trunk { radii } => Shape::Trunk {
            radii: radii.map(|r| r * swell),
        },
        ribs @ Shape::Ribs { .. } => ribs.clone(),
    }
}
