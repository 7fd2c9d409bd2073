//! Training episodes drawn from phantoms.

use super::{Contrast, Phantom, Scene};
use crate::iris::train::{Episode, EpisodeSource};
use crate::preprocess::normalise;
use crate::volume::Geometry;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use tch::Tensor;

/// A class must have this many voxels in reference and query.
const LEAST_VOXELS: usize = 20;
/// Most classes of an episode.
const MOST_CLASSES: usize = 8;
/// Columns, rows and slices of a patch, about one budget of voxels: whole
/// bodies in thin slabs, as scanners send them, and cubes.
const PATCHES: [[usize; 3]; 4] = [[88, 64, 8], [80, 56, 16], [64, 48, 24], [40, 40, 40]];
/// Patches are multiples of this along each axis.
const CELL: f64 = 8.0;

/// Episodes of phantoms: seven of ten bodies, the others random shapes.
#[derive(Debug, Clone, Default)]
pub struct PhantomEpisodes {
    /// Seed of all episodes.
    pub seed: u64,
    /// Voxel spacing of the network, mm.
    pub spacing_mm: [f64; 3],
    /// The patches' largest voxel count relative to the usual; 1 for training, less for tests.
    pub scale: f64,
    /// Scenes from label maps; where there are any, about half of the bodies are theirs.
    pub maps: Vec<Arc<Scene>>,
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
        let body = rng.random_bool(0.7);
        let map = match self.maps.as_slice() {
            maps @ [_, ..] if body && rng.random_bool(0.5) => {
                Some(&maps[rng.random_range(0..maps.len())])
            }
            _ => None,
        };
        let mut scene = match map {
            Some(map) => Scene::clone(map),
            None if body => Scene::torso(),
            None => Scene::shapes(rng),
        };
        if body {
            scene.as_scanned(rng);
        }
        let (reference_contrast, query_contrast) = contrasts(rng);
        let shape = PATCHES[rng.random_range(0..PATCHES.len())];
        let heights = match &scene.atlas {
            // As much beyond the map's ends as its last slices may stand for.
            Some(atlas) => {
                let half = self.grid(shape, [0.0; 3]).size[2] as f64 * self.spacing_mm[2] / 2.0;
                let room = (atlas.reach()[2] + 10.0 - half).max(8.0);
                -room..room
            }
            None if body => -150.0..130.0,
            None => -60.0..60.0,
        };
        let center = place(shape, self.spacing_mm, body, heights.clone(), rng);
        let shifted = std::array::from_fn(|a| match a {
            2 => (center[a] + rng.random_range(-25.0..25.0)).clamp(heights.start, heights.end),
            _ => center[a] + rng.random_range(-14.0..14.0),
        });
        let mut reference =
            scene.subject(rng.random(), &self.grid(shape, center), reference_contrast);
        let mut query = scene.subject(rng.random(), &self.grid(shape, shifted), query_contrast);
        if rng.random_bool(0.5) {
            // The spine as one: its pieces look alike, and alone they teach little.
            scene.merge("vertebrae", &mut [&mut reference, &mut query]);
        }

        let counts = |phantom: &Phantom| {
            let mut counts = vec![0usize; scene.structures.len() + scene.surroundings.len() + 1];
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
        // Drawn with weights (Efraimidis & Spirakis, 2006).
        let mut drawn: Vec<(f64, u16)> = classes
            .drain(..)
            .map(|class| {
                let weight = interest(&scene.structures[usize::from(class) - 1].name);
                (rng.random_range(0.0f64..1.0).powf(1.0 / weight), class)
            })
            .collect();
        drawn.sort_by(|a, b| b.0.total_cmp(&a.0));
        drawn.truncate(rng.random_range(2..=MOST_CLASSES));
        classes.extend(drawn.into_iter().map(|(_, class)| class));
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
        let size = shape.map(|n| ((n as f64 * self.scale / CELL).round().max(1.0) * CELL) as usize);
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

/// How often a structure is asked for, relative to others.
fn interest(name: &str) -> f64 {
    match name {
        "liver" | "spleen" | "stomach" | "aorta" | "kidney_left" | "kidney_right" => 1.6,
        name if name.starts_with("vertebrae") => 0.6,
        name if name.starts_with("adrenal") || name.starts_with("portal") => 0.4,
        _ => 1.0,
    }
}

/// Where a patch lies: the body's axis for patches that span it, off it for smaller ones.
fn place(
    shape: [usize; 3],
    spacing_mm: [f64; 3],
    body: bool,
    heights: std::ops::Range<f64>,
    rng: &mut impl Rng,
) -> [f64; 3] {
    let half = if body { [150.0, 100.0] } else { [80.0, 60.0] };
    let room = |a: usize| (half[a] - shape[a] as f64 * spacing_mm[a] / 2.0).max(0.0) + 12.0;
    [
        rng.random_range(-room(0)..room(0)),
        rng.random_range(-room(1)..room(1)),
        rng.random_range(heights),
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
