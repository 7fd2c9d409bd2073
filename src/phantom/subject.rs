//! One subject of a scene: every structure moved, scaled, turned and bent on its own.

use super::atlas::Atlas;
use super::fidelity::Fidelity;
use super::field::Field;
use super::label_map::{Placed, each_row};
use super::lattice::Points;
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
    pub(super) shapes: Vec<Placed>,
    size: Vec3,
    turn: [Vec3; 3],
    shift: Vec3,
    bend: [[Field; 3]; 2],
    pub(super) atlas: Option<Arc<Atlas>>,
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
    pub(super) fn draw(scene: &Scene, fidelity: Fidelity, rng: &mut impl Rng) -> Self {
        let mut shapes = Vec::new();
        // What surrounds the body comes first: everything in the body covers it.
        let inside = scene.structures.len();
        let numbered = (inside..)
            .zip(&scene.surroundings)
            .chain(scene.structures.iter().enumerate());
        for (index, structure) in numbered {
            let label = index as u16 + 1;
            // A map's structures and lesions have their places from elsewhere.
            if structure.shapes.is_empty() {
                continue;
            }
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
                shapes.extend(shape.parts().into_iter().map(|part| {
                    let bounds = part.bounds();
                    (label, part, bounds)
                }));
            }
        }
        let girth = (normal(rng) * 0.10).exp();
        let mut fields = |pitch: f64, amplitude: f64| -> [Field; 3] {
            std::array::from_fn(|_| Field::new(rng, pitch, EXTENT, amplitude, fidelity))
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

    /// The real image of the subject's map at every voxel of a grid; see [`Subject::label_map`].
    pub(super) fn scanned(&self, geometry: &Geometry, step: usize) -> Vec<f32> {
        let mut voxels = vec![0f32; geometry.len()];
        let Some(atlas) = &self.atlas else {
            return voxels;
        };
        let points = Points::new(self, geometry, step);
        each_row(&mut voxels, geometry.size, &points, |voxels, row| {
            for (voxel, &point) in voxels.iter_mut().zip(row) {
                *voxel = atlas.value_at(point);
            }
        });
        voxels
    }

    /// From the patient to the scene's upright average body, mm.
    pub(super) fn body_point(&self, p: Vec3) -> Vec3 {
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
