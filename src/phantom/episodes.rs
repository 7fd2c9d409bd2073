//! Training episodes drawn from phantoms.

use super::episode_choices::{contrasts, interest, place};
use super::{Contrast, Phantom, Scene};
use crate::iris::train::{Augmentation, Episode, EpisodeSource};
use crate::preprocess::normalise;
use crate::volume::Geometry;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use tch::Tensor;

/// A class must have this many voxels in reference and query.
const LEAST_VOXELS: usize = 20;
/// Beyond the ends of a torso's map its last slices go on: as much of a patch may lie there along the body, mm.
const GUESSED_MM: f64 = 30.0;
/// Columns, rows and slices of the usual patches.
const PATCHES: [[usize; 3]; 4] = [[88, 64, 8], [80, 56, 16], [64, 48, 24], [40, 40, 40]];
/// Patches are multiples of this along each axis.
const CELL: f64 = 8.0;
/// Share of the images whose scan ends within the patch, as a thin stack does within the network's window.
const SHORT: f64 = 0.2;
/// Slices that such a scan has at least.
const LEAST_SLICES: usize = 6;

/// Scenes of one kind, drawn from the label maps of several subjects; a reference may be of one and its query of
/// another, since their structures have the same numbers.
#[derive(Debug, Clone)]
pub struct MapGroup {
    /// At least one.
    pub scenes: Vec<Arc<Scene>>,
    /// Whether they are torsos, to be shown as scanners show them: CT numbers, arms, table, gas.
    pub torsos: bool,
}

/// Episodes of phantoms: bodies, label maps of other kinds, and random shapes.
#[derive(Debug, Clone)]
pub struct PhantomEpisodes {
    /// Seed of all episodes.
    pub seed: u64,
    /// Voxel spacing of the network, mm.
    pub spacing_mm: [f64; 3],
    /// Columns, rows and slices of patches, one of which is drawn: at least one.
    pub patches: Vec<[usize; 3]>,
    /// Most classes of an episode, at least 2.
    pub most_classes: usize,
    /// So many episodes, from multiples of it on, have patches of one size and as many classes, for which some may ask
    /// twice; 1 where each is on its own.
    pub alike: u64,
    /// Scenes from label maps; where there are torsos among them, half of the bodies are theirs.
    pub maps: Vec<MapGroup>,
    /// Share of the drawn episodes whose reference and query differ in contrast.
    pub unlike_contrasts: f64,
    /// What happens to intensities, on each side of an episode on its own.
    pub augmentation: Augmentation,
}

/// What episodes that are alike have in common.
#[derive(Clone, Copy)]
struct Common {
    patch: [usize; 3],
    classes: usize,
}

/// What an episode is drawn from.
#[derive(Clone, Copy)]
enum Kind<'a> {
    Torso,
    Map(&'a MapGroup),
    Shapes,
}

impl EpisodeSource for PhantomEpisodes {
    fn episode(&self, index: u64) -> Episode {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(index);
        let common = self.common(index);
        loop {
            if let Some(episode) = self.draw(&mut rng, common) {
                return episode;
            }
        }
    }
}

impl PhantomEpisodes {
    /// Patches of about one budget of voxels, each a multiple of 8 along every axis: whole bodies in thin slabs, as
    /// scanners send them, and cubes. With `scale` 1 as the small network trains on, else as much longer along each axis.
    pub fn usual_patches(scale: f64) -> Vec<[usize; 3]> {
        let scaled = |n: usize| ((n as f64 * scale / CELL).round().max(1.0) * CELL) as usize;
        PATCHES.map(|patch| patch.map(scaled)).to_vec()
    }

    /// What episode `index` has in common with those beside it, where there are such.
    fn common(&self, index: u64) -> Option<Common> {
        if self.alike <= 1 {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(!self.seed);
        rng.set_stream(index / self.alike);
        Some(Common {
            patch: self.patches[rng.random_range(0..self.patches.len())],
            classes: rng.random_range(2..=self.most_classes.max(2)),
        })
    }

    /// One draw; `None` when reference and query share no class large enough, or do not fill the patch.
    fn draw(&self, rng: &mut ChaCha8Rng, common: Option<Common>) -> Option<Episode> {
        let kind = self.kind(rng);
        let [mut scene, mut other] = match kind {
            Kind::Torso => {
                let scene = Scene::torso();
                [scene.clone(), scene]
            }
            Kind::Shapes => {
                let scene = Scene::shapes(rng);
                [scene.clone(), scene]
            }
            Kind::Map(group) => {
                let mut of_subject = || {
                    group.scenes[rng.random_range(0..group.scenes.len())]
                        .as_ref()
                        .clone()
                };
                [of_subject(), of_subject()]
            }
        };
        let scanned = match kind {
            Kind::Torso => true,
            Kind::Map(group) => group.torsos,
            Kind::Shapes => false,
        };
        let real = [&scene, &other].map(|s| s.atlas.as_ref().is_some_and(|a| a.has_image()));
        // A real image is shown as it is two times of three, and lends its shapes to drawn contrasts otherwise.
        let real = real == [true; 2] && rng.random_bool(0.67);
        if !real && rng.random_bool(0.3) {
            scene.with_lesions(rng);
            other = other.with_what_grows_in(&scene);
        }
        if scanned {
            scene.as_scanned(rng);
            other.surroundings = scene.surroundings.clone();
            other.hollow = scene.hollow.clone();
            other.uneven = scene.uneven;
        }
        let (reference_contrast, query_contrast) = match real {
            true => (Contrast::Scanned, Contrast::Scanned),
            false => contrasts(scanned, self.unlike_contrasts, rng),
        };
        let shape = match common {
            Some(common) if !self.fills(&scene, common.patch) => return None,
            Some(common) => common.patch,
            None => self.patch(&scene, rng),
        };
        let heights = match &scene.atlas {
            // As much beyond the map's ends as its last slices may stand for.
            Some(atlas) => {
                let half = self.grid(shape, [0.0; 3]).size[2] as f64 * self.spacing_mm[2] / 2.0;
                let room = (atlas.reach()[2] + 10.0 - half).max(8.0);
                -room..room
            }
            None if scanned => -150.0..130.0,
            None => -60.0..60.0,
        };
        let center = place(shape, self.spacing_mm, scanned, heights.clone(), rng);
        let shifted = std::array::from_fn(|a| match a {
            2 => {
                // Half of the queries show much more above or below than their reference: which vertebra it is must
                // be told by what lies around it, not by its place in the window.
                let most = if rng.random_bool(0.5) { 25.0 } else { 80.0 };
                (center[a] + rng.random_range(-most..most)).clamp(heights.start, heights.end)
            }
            _ => center[a] + rng.random_range(-14.0..14.0),
        });
        let mut reference =
            scene.quick_subject(rng.random(), &self.grid(shape, center), reference_contrast);
        let mut query =
            other.quick_subject(rng.random(), &self.grid(shape, shifted), query_contrast);
        if rng.random_bool(0.35) {
            // The spine as one, as many ask for it.
            scene.merge("vertebrae", &mut [&mut reference, &mut query]);
        }
        if rng.random_bool(0.7) {
            scene.merge("rib_", &mut [&mut reference, &mut query]);
        }
        let slices = [&mut reference, &mut query].map(|phantom| self.shortened(phantom, rng));
        // A body of CT numbers has one right side; elsewhere both may be mirrored, as one.
        let mirrored = rng.random_bool(if scanned { 0.1 } else { 0.5 });

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
        let drawn = drawn.into_iter().map(|(_, class)| class);
        match common {
            Some(common) => {
                let drawn: Vec<u16> = drawn.take(common.classes).collect();
                classes.extend(drawn.iter().cycle().take(common.classes));
            }
            None => classes.extend(drawn.take(rng.random_range(2..=self.most_classes.max(2)))),
        }
        // An organ's mask holds its lesions or not: both are usual.
        let whole = rng.random_bool(0.5);
        let shown = |class: u16| -> Vec<u16> {
            let lesions = scene.lesions.iter().filter(|l| whole && l.host == class);
            std::iter::once(class)
                .chain(lesions.map(|l| l.number))
                .collect()
        };
        let classes: Vec<Vec<u16>> = classes.into_iter().map(shown).collect();
        let mut side = |phantom, slices, contrast| {
            self.tensors(phantom, slices, &classes, contrast, mirrored, rng)
        };
        let (reference, reference_masks) = side(reference, slices[0], reference_contrast);
        let (query, query_masks) = side(query, slices[1], query_contrast);
        Some(Episode {
            reference,
            reference_masks,
            query,
            query_masks,
        })
    }

    /// Ends the scan of some phantoms before their patch does: how many slices there are. Nothing is labelled beyond.
    fn shortened(&self, phantom: &mut Phantom, rng: &mut impl Rng) -> usize {
        let [columns, rows, slices] = phantom.volume.geometry.size;
        if slices <= LEAST_SLICES || !rng.random_bool(SHORT) {
            return slices;
        }
        let there = rng.random_range(LEAST_SLICES.max(slices / 2)..slices);
        for layer in &mut phantom.labels.layers {
            layer[there * rows * columns..].fill(0);
        }
        there
    }

    /// Whether a scene fills a patch: the map of a torso goes on only so far beyond its ends.
    fn fills(&self, scene: &Scene, patch: [usize; 3]) -> bool {
        match &scene.atlas {
            Some(atlas) if atlas.goes_on() => {
                patch[2] as f64 * self.spacing_mm[2] <= 2.0 * atlas.reach()[2] + GUESSED_MM
            }
            _ => true,
        }
    }

    /// The size of an episode's patches: one of ours, of those that the map of a torso fills if there are such.
    fn patch(&self, scene: &Scene, rng: &mut impl Rng) -> [usize; 3] {
        let fitting = self
            .patches
            .iter()
            .filter(|patch| self.fills(scene, **patch));
        let fitting: Vec<[usize; 3]> = fitting.copied().collect();
        let among = if fitting.is_empty() {
            &self.patches
        } else {
            &fitting
        };
        among[rng.random_range(0..among.len())]
    }

    /// What an episode shows: of a hundred, twelve maps of other kinds and eighteen random shapes where there are such
    /// maps, else thirty shapes; the others are bodies.
    fn kind(&self, rng: &mut impl Rng) -> Kind<'_> {
        let of = |torsos: bool| -> Vec<&MapGroup> {
            let all = self.maps.iter();
            all.filter(|group| group.torsos == torsos && !group.scenes.is_empty())
                .collect()
        };
        let (torsos, others) = (of(true), of(false));
        match rng.random_range(0..100) {
            0..35 if !torsos.is_empty() => Kind::Map(torsos[rng.random_range(0..torsos.len())]),
            0..70 => Kind::Torso,
            70..82 if !others.is_empty() => Kind::Map(others[rng.random_range(0..others.len())]),
            _ => Kind::Shapes,
        }
    }

    /// The preprocessed image `[1, 1, D, H, W]` and masks `[1, K, D, H, W]` of classes, each of one label or several.
    /// Beyond the slices that are `there` the last goes on, as inference fills a window.
    fn tensors(
        &self,
        mut phantom: Phantom,
        there: usize,
        classes: &[Vec<u16>],
        contrast: Contrast,
        mirrored: bool,
        rng: &mut impl Rng,
    ) -> (Tensor, Tensor) {
        let size = phantom.volume.geometry.size;
        let [columns, rows, slices] = size.map(|n| n as i64);
        let mut voxels = phantom.volume.voxels;
        if contrast != Contrast::Scanned {
            normalise(&mut voxels, contrast.modality());
        }
        let (gain, shift) = match contrast {
            Contrast::Ct => (rng.random_range(0.92..1.08), rng.random_range(-0.08..0.08)),
            Contrast::Random { .. } | Contrast::Scanned => {
                (rng.random_range(0.8..1.2), rng.random_range(-0.2..0.2))
            }
        };
        for voxel in &mut voxels {
            *voxel = *voxel * gain + shift;
        }
        self.augmentation.apply(&mut voxels, size, rng);
        let slice = size[0] * size[1];
        for beyond in there..size[2] {
            voxels.copy_within((there - 1) * slice..there * slice, beyond * slice);
        }
        if mirrored {
            // Not by a tensor's `flip`, which has a team of threads for each of those that draw.
            voxels.chunks_mut(size[0]).for_each(<[f32]>::reverse);
            let labels = phantom.labels.layers[0].chunks_mut(size[0]);
            labels.for_each(<[u16]>::reverse);
        }
        let labels = &phantom.labels.layers[0];
        let mut masks = Vec::with_capacity(labels.len() * classes.len());
        let mut is_of_class = vec![0u8; usize::from(labels.iter().copied().max().unwrap_or(0)) + 1];
        for class in classes {
            if let [one] = class[..] {
                masks.extend(labels.iter().map(|&label| u8::from(label == one)));
                continue;
            }
            is_of_class.fill(0);
            for &label in class {
                if let Some(of_class) = is_of_class.get_mut(usize::from(label)) {
                    *of_class = 1;
                }
            }
            masks.extend(labels.iter().map(|&label| is_of_class[usize::from(label)]));
        }
        (
            Tensor::from_slice(&voxels).reshape([1, 1, slices, rows, columns]),
            Tensor::from_slice(&masks).reshape([1, classes.len() as i64, slices, rows, columns]),
        )
    }

    fn grid(&self, shape: [usize; 3], center: [f64; 3]) -> Geometry {
        let origin =
            std::array::from_fn(|a| center[a] - (shape[a] as f64 - 1.0) / 2.0 * self.spacing_mm[a]);
        Geometry::axial(shape, self.spacing_mm, origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::{LabelVolume, Volume};

    /// A ball, label 3, in a block, label 900, of side 40 voxels; larger in a second subject.
    fn subject(radius: f64) -> (LabelVolume, Volume) {
        let grid = Geometry::axial([40; 3], [4.0; 3], [-78.0; 3]);
        let labels: Vec<u16> = (0..grid.len())
            .map(|at| {
                let from_middle = |n: usize| (n as f64 - 19.5).powi(2);
                let squares = [at % 40, at / 40 % 40, at / 1600].map(from_middle);
                match squares.iter().sum::<f64>().sqrt() < radius {
                    true => 3,
                    false => 900,
                }
            })
            .collect();
        let bright = |&label: &u16| if label == 3 { 1.5 } else { -0.5 };
        let image = Volume {
            geometry: grid.clone(),
            voxels: labels.iter().map(bright).collect(),
        };
        (LabelVolume::exclusive(grid, labels), image)
    }

    fn of_maps(real: bool) -> PhantomEpisodes {
        let (maps, images): (Vec<_>, Vec<_>) = [7.0, 9.0].map(subject).into_iter().unzip();
        let scenes = Scene::from_whole_maps(&maps, 1.0, 500);
        let scenes = scenes
            .into_iter()
            .zip(images)
            .map(|(scene, image)| match real {
                true => scene.with_image(image),
                false => scene,
            });
        PhantomEpisodes {
            seed: 5,
            spacing_mm: [5.0; 3],
            patches: vec![[24, 24, 24]],
            most_classes: 8,
            alike: 1,
            maps: vec![MapGroup {
                scenes: scenes.map(Arc::new).collect(),
                torsos: false,
            }],
            unlike_contrasts: 0.2,
            augmentation: Augmentation::none(),
        }
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.to_kind(tch::Kind::Float).flatten(0, -1)).unwrap()
    }

    #[test]
    fn an_episode_is_its_number_and_has_what_training_needs() {
        let source = of_maps(false);
        for index in 0..30 {
            let (episode, again) = (source.episode(index), source.episode(index));
            assert_eq!(values(&episode.query), values(&again.query));
            assert_eq!(
                values(&episode.reference_masks),
                values(&again.reference_masks)
            );
            assert_eq!(episode.reference.size(), [1, 1, 24, 24, 24]);
            for (image, masks) in [
                (&episode.reference, &episode.reference_masks),
                (&episode.query, &episode.query_masks),
            ] {
                assert!(values(image).iter().all(|v| v.is_finite()));
                let classes = masks.size()[1];
                assert!((1..=source.most_classes as i64).contains(&classes));
                let of_class =
                    masks.sum_dim_intlist([0i64, 2, 3, 4].as_slice(), false, tch::Kind::Float);
                let least = f64::try_from(of_class.min()).unwrap();
                assert!(
                    least >= LEAST_VOXELS as f64,
                    "episode {index}: {least} voxels"
                );
            }
        }
    }

    #[test]
    fn episodes_that_are_alike_have_one_size_and_as_many_classes() {
        let source = PhantomEpisodes {
            alike: 3,
            patches: vec![[24, 24, 24], [32, 24, 16]],
            ..of_maps(false)
        };
        let mut seen = std::collections::BTreeSet::new();
        for group in 0..8 {
            let sizes: Vec<Vec<i64>> = (0..3)
                .map(|member| source.episode(3 * group + member))
                .inspect(|episode| assert_eq!(episode.query.size(), episode.reference.size()))
                .map(|episode| episode.query_masks.size())
                .collect();
            assert!(sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
            seen.insert(sizes[0].clone());
        }
        // But groups differ, and so do the episodes of one.
        assert!(seen.len() > 3, "{seen:?}");
        assert_ne!(
            values(&source.episode(0).query),
            values(&source.episode(1).query)
        );
    }

    #[test]
    fn real_images_are_mixed_in_with_their_own_intensities() {
        // Noise is drawn everywhere; only the made-up image has the same value throughout its ball.
        let balls = |source: &PhantomEpisodes| -> Vec<(Tensor, Tensor)> {
            let each = (0..70).map(|index| {
                let Episode {
                    query, query_masks, ..
                } = source.episode(index);
                (query.ge_tensor(&(query.max() - 1e-4)), query_masks)
            });
            let even = |ball: &Tensor| f64::try_from(ball.sum(tch::Kind::Float)).unwrap() > 40.0;
            each.filter(|(ball, _)| even(ball)).collect()
        };
        let real = balls(&of_maps(true));
        for (ball, masks) in &real {
            // In the half that every scan has, it lies in the mask of its class, mirrored or not.
            let [ball, masks] = [ball, masks].map(|of| of.narrow(2, 0, 12));
            let of_class = (masks * &ball).sum_dim_intlist(
                [0i64, 2, 3, 4].as_slice(),
                false,
                tch::Kind::Float,
            );
            let voxels = ball.sum(tch::Kind::Float);
            let [all, of_class] = [voxels, of_class.max()].map(|n| f64::try_from(n).unwrap());
            // Where labels end is rounded, where the image ends is not.
            assert!(of_class >= 0.8 * all, "{of_class} of {all}");
        }
        let (with, without) = (real.len(), balls(&of_maps(false)).len());
        assert!(
            with >= without + 3,
            "{with} with real images, {without} without"
        );
    }
}
