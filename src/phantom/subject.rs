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
/// Voxels of a row for which the shapes that can hold them are chosen together.
const STRETCH: usize = 12;

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

/// Those of some shapes whose bounds meet the box around some points.
fn reaching<'s>(
    points: &[Vec3],
    shapes: impl Iterator<Item = &'s Placed>,
    near: &mut Vec<&'s Placed>,
) {
    let bound = |from: f64, further: fn(f64, f64) -> f64| -> Vec3 {
        std::array::from_fn(|a| points.iter().map(|p| p[a]).fold(from, further))
    };
    let (low, high) = (
        bound(f64::INFINITY, f64::min),
        bound(f64::NEG_INFINITY, f64::max),
    );
    near.clear();
    near.extend(
        shapes.filter(|(_, _, (from, to))| (0..3).all(|a| from[a] <= high[a] && to[a] >= low[a])),
    );
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

    /// The label at every voxel of a grid, column index fastest; bent exactly at every `step`th voxel along each axis
    /// and linearly between.
    pub(super) fn label_map(&self, geometry: &Geometry, step: usize) -> Vec<u16> {
        let mut labels = vec![0u16; geometry.len()];
        let [columns, rows, _] = geometry.size;
        let points = Points::new(self, geometry, step);
        let mut row: Vec<Vec3> = vec![[0.0; 3]; columns];
        let (mut near, mut nearer): (Vec<&Placed>, Vec<&Placed>) = (Vec::new(), Vec::new());
        for (line, labels) in labels.chunks_mut(columns.max(1)).enumerate() {
            points.row(line % rows, line / rows, &mut row);
            reaching(&row, self.shapes.iter().rev(), &mut near);
            for (labels, points) in labels.chunks_mut(STRETCH).zip(row.chunks(STRETCH)) {
                reaching(points, near.iter().copied(), &mut nearer);
                for (label, &point) in labels.iter_mut().zip(points) {
                    *label = self.atlas.as_ref().map_or(0, |atlas| atlas.at(point));
                    if *label == 0 {
                        *label = topmost(nearer.iter().copied(), point);
                    }
                }
            }
        }
        labels
    }

    /// The real image of the subject's map at every voxel of a grid; see [`Subject::label_map`].
    pub(super) fn scanned(&self, geometry: &Geometry, step: usize) -> Vec<f32> {
        let mut voxels = vec![0f32; geometry.len()];
        let Some(atlas) = &self.atlas else {
            return voxels;
        };
        let [columns, rows, _] = geometry.size;
        let points = Points::new(self, geometry, step);
        let mut row: Vec<Vec3> = vec![[0.0; 3]; columns];
        for (line, voxels) in voxels.chunks_mut(columns.max(1)).enumerate() {
            points.row(line % rows, line / rows, &mut row);
            for (voxel, &point) in voxels.iter_mut().zip(&row) {
                *voxel = atlas.value_at(point);
            }
        }
        voxels
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

/// Where the voxels of a grid lie in the scene.
struct Points<'s> {
    subject: &'s Subject,
    geometry: &'s Geometry,
    step: usize,
    /// Points of a lattice of every `step`th voxel and one beyond the last, columns fastest; none for a step of 1.
    lattice: Vec<Vec3>,
    size: [usize; 3],
}

impl<'s> Points<'s> {
    fn new(subject: &'s Subject, geometry: &'s Geometry, step: usize) -> Self {
        let size = geometry.size.map(|n| n.saturating_sub(1) / step + 2);
        let mut lattice = Vec::new();
        if step > 1 {
            for k in 0..size[2] {
                for j in 0..size[1] {
                    for i in 0..size[0] {
                        let ijk = [i, j, k].map(|n| (n * step) as f64);
                        lattice.push(subject.body_point(geometry.to_patient(ijk)));
                    }
                }
            }
        }
        Self {
            subject,
            geometry,
            step,
            lattice,
            size,
        }
    }

    fn row(&self, j: usize, k: usize, points: &mut [Vec3]) {
        if self.step <= 1 {
            for (i, point) in points.iter_mut().enumerate() {
                let ijk = [i, j, k].map(|n| n as f64);
                *point = self.subject.body_point(self.geometry.to_patient(ijk));
            }
            return;
        }
        let mix = |a: Vec3, b: Vec3, t: f64| -> Vec3 {
            std::array::from_fn(|axis| a[axis] + (b[axis] - a[axis]) * t)
        };
        let place = |n: usize| (n / self.step, (n % self.step) as f64 / self.step as f64);
        let ((y, down), (z, up)) = (place(j), place(k));
        // The lattice's line at this row and slice, interpolated once.
        let at =
            |x: usize, y: usize, z: usize| self.lattice[(z * self.size[1] + y) * self.size[0] + x];
        let line: Vec<Vec3> = (0..self.size[0])
            .map(|x| {
                mix(
                    mix(at(x, y, z), at(x, y + 1, z), down),
                    mix(at(x, y, z + 1), at(x, y + 1, z + 1), down),
                    up,
                )
            })
            .collect();
        for (i, point) in points.iter_mut().enumerate() {
            let (x, along) = place(i);
            *point = mix(line[x], line[x + 1], along);
        }
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
