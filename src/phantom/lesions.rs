//! Lesions: small bodies of another density inside an organ, elsewhere in every subject.

use super::scene::{Scene, Structure};
use crate::volume::Geometry;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

/// A lesion and the organ it grows in.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesion {
    /// Segment number of the lesion; its structure has no shapes.
    pub(super) number: u16,
    /// Segment number of the organ.
    pub(super) host: u16,
    /// Least and greatest half axis, mm.
    pub(super) radius: [f64; 2],
    /// Most that a subject has.
    pub(super) most: usize,
}

impl Scene {
    /// Adds, by chance, one or two kinds of lesion, each to an organ of its own.
    ///
    /// Must come before surroundings are added: those are numbered after the structures.
    pub(super) fn with_lesions(&mut self, rng: &mut impl Rng) {
        debug_assert!(self.surroundings.is_empty());
        let hosts: Vec<u16> = (1u16..)
            .zip(&self.structures)
            .filter(|(_, structure)| structure.target)
            .map(|(number, _)| number)
            .collect();
        if hosts.is_empty() {
            return;
        }
        for index in 0..rng.random_range(0..=2) {
            let host = hosts[rng.random_range(0..hosts.len())];
            let Some(organ) = self.structures.get(usize::from(host) - 1) else {
                continue;
            };
            // Clearly darker or brighter than the organ: a lesion nobody can see teaches nothing.
            let side = if rng.random_bool(0.65) { -1.0 } else { 1.0 };
            let hu = organ.hu + side * rng.random_range(35.0..110.0);
            let structure = Structure::organ(&format!("lesion_{index}"), hu, 12.0, Vec::new());
            let smallest = rng.random_range(7.0..12.0);
            self.structures.push(Structure {
                missing: 0.0,
                ..structure
            });
            self.lesions.push(Lesion {
                number: self.structures.len() as u16,
                host,
                radius: [smallest, smallest * rng.random_range(1.3..2.6)],
                most: rng.random_range(1..=4),
            });
        }
    }

    /// The scene of another subject with the lesions of `like`, whose structures are its own.
    pub(super) fn with_what_grows_in(mut self, like: &Self) -> Self {
        self.structures.clone_from(&like.structures);
        self.lesions.clone_from(&like.lesions);
        self
    }

    /// Labels a subject's lesions: ellipsoids around voxels of their organ, and nowhere beyond it.
    pub(super) fn grow_lesions(&self, labels: &mut [u16], geometry: &Geometry, rng: &mut impl Rng) {
        for lesion in &self.lesions {
            let organ: Vec<usize> = (0..labels.len())
                .filter(|&at| labels[at] == lesion.host)
                .collect();
            if organ.is_empty() {
                continue;
            }
            for _ in 0..rng.random_range(1..=lesion.most.max(1)) {
                let center = organ[rng.random_range(0..organ.len())];
                let radii: [f64; 3] = std::array::from_fn(|_| {
                    let bump: f64 = StandardNormal.sample(rng);
                    rng.random_range(lesion.radius[0]..lesion.radius[1]) * (bump * 0.12).exp()
                });
                paint(labels, geometry, lesion, center, radii);
            }
        }
    }
}

fn paint(labels: &mut [u16], geometry: &Geometry, lesion: &Lesion, center: usize, radii: [f64; 3]) {
    let [columns, rows, _] = geometry.size;
    let center = [
        center % columns,
        center / columns % rows,
        center / (columns * rows),
    ];
    let bounds: [std::ops::Range<usize>; 3] = std::array::from_fn(|a| {
        let reach = (radii[a] / geometry.spacing[a]).ceil() as usize;
        center[a].saturating_sub(reach)..(center[a] + reach + 1).min(geometry.size[a])
    });
    for k in bounds[2].clone() {
        for j in bounds[1].clone() {
            for i in bounds[0].clone() {
                let distance: f64 = [i, j, k]
                    .iter()
                    .enumerate()
                    .map(|(a, &n)| {
                        let mm = (n as f64 - center[a] as f64) * geometry.spacing[a];
                        (mm / radii[a]).powi(2)
                    })
                    .sum();
                let label = &mut labels[geometry.index(i, j, k)];
                if distance < 1.0 && *label == lesion.host {
                    *label = lesion.number;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::Contrast;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn a_lesion_lies_in_its_organ_and_stands_out_from_it() {
        let mut scene = Scene::torso();
        let liver = scene.number("liver").unwrap();
        // Drawn until one grows in the liver, the largest organ of the grid below.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        while !scene.lesions.iter().any(|lesion| lesion.host == liver) {
            scene = Scene::torso();
            scene.with_lesions(&mut rng);
        }
        let lesion = scene.lesions.iter().find(|l| l.host == liver).unwrap();
        let grid = Geometry::axial([76, 56, 30], [5.0; 3], [-187.0, -137.0, -20.0]);
        let (with, without) = (
            scene.subject(8, &grid, Contrast::Ct).labels,
            Scene::torso().subject(8, &grid, Contrast::Ct).labels,
        );
        assert!(with.voxel_count(lesion.number) > 8);
        assert!(with.voxel_count(liver) > with.voxel_count(lesion.number));
        for (a, b) in with.layers[0].iter().zip(&without.layers[0]) {
            assert!(*a == *b || scene.lesions.iter().any(|l| l.number == *a && l.host == *b));
        }
        let hu = |number: u16| scene.structures[usize::from(number) - 1].hu;
        assert!((hu(lesion.number) - hu(liver)).abs() > 30.0);
    }
}
