//! Training episodes drawn from phantoms.

use super::{Contrast, Phantom, Scene};
use crate::iris::train::{Episode, EpisodeSource};
use crate::preprocess::normalise;
use crate::volume::Geometry;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

/// A class must have this many voxels in reference and query.
const LEAST_VOXELS: usize = 24;
/// Most classes of an episode.
const MOST_CLASSES: usize = 6;
/// Columns, rows and slices of a patch, about one budget of voxels: whole
/// bodies in thin slabs, as scanners send them, and cubes.
const PATCHES: [[usize; 3]; 4] = [[112, 96, 16], [96, 80, 32], [80, 80, 48], [64, 64, 64]];

/// Episodes of phantoms: three of four torsos, the others random shapes.
#[derive(Debug, Clone)]
pub struct PhantomEpisodes {
    /// Seed of all episodes.
    pub seed: u64,
    /// Voxel spacing of the network, mm.
    pub spacing_mm: [f64; 3],
    /// The patches' largest voxel count relative to the usual; 1 for training, less for tests.
    pub scale: f64,
}

impl EpisodeSource for PhantomEpisodes {
    fn episode(&self, index: u64) -> Episode {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(index);
        loop {
            if let Some(episode) = self.draw(&mut rng) {
                return episode;
            }
        }
    }
}

impl PhantomEpisodes {
    /// One draw; `None` when reference and query share no class large enough.
    fn draw(&self, rng: &mut ChaCha8Rng) -> Option<Episode> {
        let torso = rng.random_bool(0.75);
        let scene = if torso {
            Scene::torso()
        } else {
            Scene::shapes(rng)
        };
        let (reference_contrast, query_contrast) = contrasts(rng);
        let shape = PATCHES[rng.random_range(0..PATCHES.len())];
        let center = place(shape, self.spacing_mm, torso, rng);
        let shifted = std::array::from_fn(|a| {
            let reach = if a == 2 { 30.0 } else { 14.0 };
            center[a] + rng.random_range(-reach..reach)
        });
        let reference = scene.subject(rng.random(), &self.grid(shape, center), reference_contrast);
        let query = scene.subject(rng.random(), &self.grid(shape, shifted), query_contrast);

        let counts = |phantom: &Phantom| {
            let mut counts = vec![0usize; scene.structures.len() + 1];
            for &label in &phantom.labels.layers[0] {
                counts[usize::from(label)] += 1;
            }
            counts
        };
        let (in_reference, in_query) = (counts(&reference), counts(&query));
        let mut classes: Vec<u16> = (0..scene.structures.len())
            .filter(|&s| {
                scene.structures[s].target
                    && in_reference[s + 1] >= LEAST_VOXELS
                    && in_query[s + 1] >= LEAST_VOXELS
            })
            .map(|s| s as u16 + 1)
            .collect();
        if classes.is_empty() {
            return None;
        }
        classes.shuffle(rng);
        classes.truncate(rng.random_range(2..=MOST_CLASSES));
        let (reference, reference_masks) = tensors(reference, &classes, reference_contrast, rng);
        let (query, query_masks) = tensors(query, &classes, query_contrast, rng);
        Some(Episode {
            reference,
            reference_masks,
            query,
            query_masks,
        })
    }

    fn grid(&self, shape: [usize; 3], center: [f64; 3]) -> Geometry {
        let size = shape.map(|n| (((n as f64 * self.scale) / 16.0).round().max(1.0) as usize) * 16);
        let origin =
            std::array::from_fn(|a| center[a] - (size[a] as f64 - 1.0) / 2.0 * self.spacing_mm[a]);
        Geometry::axial(size, self.spacing_mm, origin)
    }
}

/// CT to CT, one random law for both, or two different ones.
fn contrasts(rng: &mut impl Rng) -> (Contrast, Contrast) {
    let law = rng.random();
    match rng.random_range(0..10) {
        0..6 => (Contrast::Ct, Contrast::Ct),
        6..9 => (Contrast::Random { law }, Contrast::Random { law }),
        _ => (
            Contrast::Random { law },
            Contrast::Random { law: rng.random() },
        ),
    }
}

/// Where a patch lies: the body's axis for patches that span it, off it for smaller ones.
fn place(shape: [usize; 3], spacing_mm: [f64; 3], torso: bool, rng: &mut impl Rng) -> [f64; 3] {
    let half = if torso { [150.0, 100.0] } else { [80.0, 60.0] };
    let room = |a: usize| (half[a] - shape[a] as f64 * spacing_mm[a] / 2.0).max(0.0) + 12.0;
    let height = if torso {
        (-150.0, 130.0)
    } else {
        (-60.0, 60.0)
    };
    [
        rng.random_range(-room(0)..room(0)),
        rng.random_range(-room(1)..room(1)),
        rng.random_range(height.0..height.1),
    ]
}

/// The preprocessed image `[1, 1, D, H, W]` and masks `[1, K, D, H, W]`.
fn tensors(
    phantom: Phantom,
    classes: &[u16],
    contrast: Contrast,
    rng: &mut impl Rng,
) -> (Tensor, Tensor) {
    let [columns, rows, slices] = phantom.volume.geometry.size.map(|n| n as i64);
    let mut voxels = phantom.volume.voxels;
    normalise(&mut voxels, contrast.modality());
    let (gain, shift) = match contrast {
        Contrast::Ct => (rng.random_range(0.92..1.08), rng.random_range(-0.08..0.08)),
        Contrast::Random { .. } => (rng.random_range(0.8..1.2), rng.random_range(-0.2..0.2)),
    };
    for voxel in &mut voxels {
        *voxel = *voxel * gain + shift;
    }
    let labels = &phantom.labels.layers[0];
    let mut masks = Vec::with_capacity(labels.len() * classes.len());
    for &class in classes {
        masks.extend(
            labels
                .iter()
                .map(|&label| f32::from(u8::from(label == class))),
        );
    }
    (
        Tensor::from_slice(&voxels).reshape([1, 1, slices, rows, columns]),
        Tensor::from_slice(&masks).reshape([1, classes.len() as i64, slices, rows, columns]),
    )
}
