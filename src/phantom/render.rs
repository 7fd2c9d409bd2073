//! From a scene to voxels: labels, and intensities by a law.

use super::fidelity::Fidelity;
use super::field::Field;
use super::interior::Interior;
use super::label_map::runs;
use super::scene::Scene;
use super::subject::Subject;
use crate::volume::{Geometry, LabelVolume, Volume};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// The law by which structures get their intensity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contrast {
    /// CT numbers: plausible means, per-subject spread, noise. HU.
    Ct,
    /// Any mean for any structure, with texture and a bias field: what an MR sequence, or none, would show.
    Random {
        /// Seed of the means; reference and query may share it (one sequence) or not.
        law: u64,
    },
    /// The real image of the scene's label map, bent with it; already on the network's scale.
    Scanned,
}

impl Contrast {
    /// The DICOM Modality whose intensity scale fits.
    pub fn modality(self) -> &'static str {
        match self {
            Self::Ct => "CT",
            Self::Random { .. } | Self::Scanned => "MR",
        }
    }
}

/// A lesion differs from its organ by this at least, where contrasts are random.
const LEAST_STEP: f64 = 0.18;
/// What a HU of a structure's unevenness is where contrasts are random, whose means lie within 1.
const RANDOM_PER_HU: f64 = 1.0 / 500.0;
/// Gas in the gut, HU.
const GAS_HU: f64 = -950.0;

/// A labelled volume of one subject.
#[derive(Debug, Clone)]
pub struct Phantom {
    /// Intensities: HU for [`Contrast::Ct`], arbitrary units otherwise.
    pub volume: Volume,
    /// Labels: structure `i` of the scene is segment `i + 1`.
    pub labels: LabelVolume,
}

impl Scene {
    /// Draws subject number `seed` on a grid.
    ///
    /// The same scene, seed, grid and contrast give the same voxels.
    pub fn subject(&self, seed: u64, geometry: &Geometry, contrast: Contrast) -> Phantom {
        self.drawn(seed, geometry, contrast, Fidelity::Exact)
    }

    /// [`Scene::subject`], but [quick](Fidelity::Quick), for training.
    pub(super) fn quick_subject(
        &self,
        seed: u64,
        geometry: &Geometry,
        contrast: Contrast,
    ) -> Phantom {
        self.drawn(seed, geometry, contrast, Fidelity::Quick)
    }

    fn drawn(
        &self,
        seed: u64,
        geometry: &Geometry,
        contrast: Contrast,
        fidelity: Fidelity,
    ) -> Phantom {
        let step = fidelity.step(geometry);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let subject = Subject::draw(self, fidelity, &mut rng);
        let mut labels = subject.label_map(geometry, step);
        // A sequence of its own: a lesion more changes nothing else of the subject.
        let mut growth = ChaCha8Rng::seed_from_u64(seed);
        growth.set_stream(1);
        self.grow_lesions(&mut labels, geometry, &mut growth);
        let voxels = match contrast {
            Contrast::Ct => self.ct(&labels, geometry, fidelity, &mut rng),
            Contrast::Random { law } => self.random(&labels, geometry, law, fidelity, &mut rng),
            Contrast::Scanned => subject.scanned(geometry, step),
        };
        Phantom {
            volume: Volume {
                geometry: geometry.clone(),
                voxels,
            },
            labels: LabelVolume::exclusive(geometry.clone(), labels),
        }
    }

    fn ct(
        &self,
        labels: &[u16],
        geometry: &Geometry,
        fidelity: Fidelity,
        rng: &mut impl Rng,
    ) -> Vec<f32> {
        let normal = |rng: &mut _| -> f64 { StandardNormal.sample(rng) };
        let mut means = vec![-1000.0];
        means.extend(
            self.structures
                .iter()
                .chain(&self.surroundings)
                .map(|s| s.hu + s.hu_spread * normal(rng)),
        );
        let filled = self.with_gas(labels, geometry, means.len() as u16, rng);
        let labels = filled.as_deref().unwrap_or(labels);
        means.push(GAS_HU);
        let amplitude = rng.random_range(2.0..9.0);
        let texture = Field::new(rng, 14.0, 420.0, amplitude, fidelity);
        let noise = rng.random_range(4.0..24.0);
        let interior = self
            .uneven
            .then(|| Interior::draw(self, 1.0, fidelity, rng));
        let grey = Grey {
            means: &means,
            texture: &texture,
            interior: interior.as_ref(),
            noise,
            fidelity,
        };
        paint(labels, geometry, &grey, rng)
    }

    /// The labels with `gas` where hollow structures hold it: all that lies before a level
    /// (a patient lies on the back), which hides up to two thirds of each. None where nothing is hollow.
    fn with_gas(
        &self,
        labels: &[u16],
        geometry: &Geometry,
        gas: u16,
        rng: &mut impl Rng,
    ) -> Option<Vec<u16>> {
        let mut filled: Option<Vec<u16>> = None;
        let mut places: Vec<Vec<usize>> = vec![Vec::new(); self.hollow.len()];
        // By label, up to the highest that is hollow.
        let most = usize::from(self.hollow.iter().copied().max().unwrap_or(0));
        let mut place_of = vec![None; most + 1];
        for (place, &number) in self.hollow.iter().enumerate() {
            place_of[usize::from(number)] = Some(place);
        }
        for (at, &label) in labels.iter().enumerate() {
            if let Some(&Some(hollow)) = place_of.get(usize::from(label)) {
                places[hollow].push(at);
            }
        }
        for places in places {
            let share: f64 = rng.random_range(-0.3..0.66);
            let depth = |at: usize| geometry.to_patient(unravel(at, geometry))[1];
            let mut depths: Vec<f64> = places.iter().map(|&at| depth(at)).collect();
            let nth = (share.max(0.0) * depths.len() as f64) as usize;
            if nth >= depths.len() {
                continue;
            }
            let level = *depths.select_nth_unstable_by(nth, f64::total_cmp).1;
            let filled = filled.get_or_insert_with(|| labels.to_vec());
            for at in places {
                if depth(at) < level {
                    filled[at] = gas;
                }
            }
        }
        filled
    }

    fn random(
        &self,
        labels: &[u16],
        geometry: &Geometry,
        law: u64,
        fidelity: Fidelity,
        rng: &mut impl Rng,
    ) -> Vec<f32> {
        let mut sequence = ChaCha8Rng::seed_from_u64(law);
        let air = if sequence.random_bool(0.8) {
            0.0
        } else {
            sequence.random_range(0.0..1.0)
        };
        let mut means = vec![air];
        means.extend(self.structures.iter().chain(&self.surroundings).map(|_| {
            let mean: f64 = sequence.random_range(0.05..1.0);
            let own: f64 = StandardNormal.sample(rng);
            mean + own * 0.04
        }));
        for lesion in &self.lesions {
            let (own, host) = (usize::from(lesion.number), means[usize::from(lesion.host)]);
            if (means[own] - host).abs() < LEAST_STEP {
                means[own] = host + if host < 0.5 { LEAST_STEP } else { -LEAST_STEP };
            }
        }
        let texture_amplitude = rng.random_range(0.0..0.06);
        let texture = Field::new(rng, 12.0, 420.0, texture_amplitude, fidelity);
        let noise = rng.random_range(0.005..0.06);
        let interior = self
            .uneven
            .then(|| Interior::draw(self, RANDOM_PER_HU, fidelity, rng));
        let grey = Grey {
            means: &means,
            texture: &texture,
            interior: interior.as_ref(),
            noise,
            fidelity,
        };
        let mut voxels = paint(labels, geometry, &grey, rng);
        let bias_amplitude = rng.random_range(0.0..0.25);
        let bias = Field::new(rng, 150.0, 600.0, bias_amplitude, fidelity).exp();
        let [columns, rows, _] = geometry.size;
        let (mut bias, mut row) = (bias.over(geometry), vec![0f32; columns]);
        for (number, voxels) in voxels.chunks_mut(columns.max(1)).enumerate() {
            bias.row(number % rows, number / rows, &mut row);
            for (voxel, bias) in voxels.iter_mut().zip(&row) {
                *voxel *= bias;
            }
        }
        voxels
    }
}

fn unravel(at: usize, geometry: &Geometry) -> [f64; 3] {
    geometry.voxel(at).map(|n| n as f64)
}

/// What voxels get their intensity from.
struct Grey<'g> {
    /// By label.
    means: &'g [f64],
    /// Of everything but the air.
    texture: &'g Field,
    /// Of each structure, where it has one.
    interior: Option<&'g Interior>,
    /// Standard deviation.
    noise: f64,
    fidelity: Fidelity,
}

/// Means, texture, partial volume at the borders (a random blur), noise.
fn paint(labels: &[u16], geometry: &Geometry, grey: &Grey<'_>, rng: &mut impl Rng) -> Vec<f32> {
    let [columns, rows, _] = geometry.size;
    let mut voxels = vec![0f32; labels.len()];
    let mut own = vec![0f32; columns];
    let means: Vec<f32> = grey.means.iter().map(|&mean| mean as f32).collect();
    let mut texture = grey.texture.over(geometry);
    let mut inside = grey
        .interior
        .map(|interior| interior.over(labels, geometry));
    let each_row = voxels
        .chunks_mut(columns.max(1))
        .zip(labels.chunks(columns.max(1)));
    for (number, (voxels, labels)) in each_row.enumerate() {
        let (j, k) = (number % rows, number / rows);
        if labels.iter().any(|&label| label != 0) {
            texture.row(j, k, &mut own);
            if let Some(inside) = &mut inside {
                inside.add(j, k, &mut own);
            }
        }
        for (label, columns) in runs(labels) {
            let mean = means[usize::from(label)];
            match label {
                0 => voxels[columns].fill(mean),
                _ => {
                    for (voxel, own) in voxels[columns.clone()].iter_mut().zip(&own[columns]) {
                        *voxel = mean + own;
                    }
                }
            }
        }
    }
    let sharp = rng.random_range(0.4..0.9);
    blur(&mut voxels, geometry, sharp);
    grey.fidelity.add_noise(&mut voxels, grey.noise, rng);
    voxels
}

/// `[s, 1, s]` along each axis, where `s` falls as `sharp` rises; the border goes on.
fn blur(voxels: &mut [f32], geometry: &Geometry, sharp: f64) {
    let (side, sharp) = (((1.0 - sharp) / 2.0) as f32, sharp as f32);
    let [columns, rows, _] = geometry.size;
    let mixed = |own: f32, low: f32, high: f32| own * sharp + side * (low + high);
    let mut before = Vec::new();
    for row in voxels
        .chunks_mut(columns.max(1))
        .filter(|row| row.len() > 1)
    {
        before.clear();
        before.extend_from_slice(row);
        let last = row.len() - 1;
        row[0] = mixed(before[0], before[0], before[1]);
        row[last] = mixed(before[last], before[last - 1], before[last]);
        for (voxel, three) in row[1..last].iter_mut().zip(before.windows(3)) {
            *voxel = mixed(three[1], three[0], three[2]);
        }
    }
    // Along the others whole rows, whole slices are neighbours.
    for (stride, length) in [(columns, rows), (columns * rows, geometry.size[2])] {
        for block in voxels.chunks_mut((stride * length).max(1)) {
            before.clear();
            before.extend_from_slice(block);
            let at = |place: usize| &before[place * stride..(place + 1) * stride];
            for (place, voxels) in block.chunks_mut(stride).enumerate().filter(|_| length > 1) {
                let (low, high) = (place.saturating_sub(1), (place + 1).min(length - 1));
                let around = at(place).iter().zip(at(low)).zip(at(high));
                for (voxel, ((own, low), high)) in voxels.iter_mut().zip(around) {
                    *voxel = mixed(*own, *low, *high);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Geometry {
        Geometry::axial([80, 60, 48], [5.0; 3], [-200.0, -150.0, -60.0])
    }

    #[test]
    fn the_same_seed_gives_the_same_voxels_and_another_gives_others() {
        let scene = Scene::torso();
        let a = scene.subject(7, &grid(), Contrast::Ct);
        let b = scene.subject(7, &grid(), Contrast::Ct);
        let c = scene.subject(8, &grid(), Contrast::Ct);
        assert_eq!(a.volume.voxels, b.volume.voxels);
        assert_eq!(a.labels, b.labels);
        assert_ne!(a.labels, c.labels);
    }

    #[test]
    fn organs_have_the_size_and_side_they_have_in_people() {
        let scene = Scene::torso();
        let number = |name: &str| {
            scene
                .structures
                .iter()
                .position(|s| s.name == name)
                .unwrap() as u16
                + 1
        };
        let phantom = scene.subject(3, &grid(), Contrast::Ct);
        let ml = |name: &str| {
            phantom.labels.voxel_count(number(name)) as f64 * grid().voxel_mm3() / 1000.0
        };
        assert!(
            (500.0..3000.0).contains(&ml("liver")),
            "liver {} ml",
            ml("liver")
        );
        assert!(
            (60.0..500.0).contains(&ml("spleen")),
            "spleen {} ml",
            ml("spleen")
        );
        assert!(
            (60.0..400.0).contains(&ml("kidney_left")),
            "kidney {} ml",
            ml("kidney_left")
        );
        let mean_x = |name: &str| {
            let wanted = number(name);
            let (mut sum, mut count) = (0.0, 0.0);
            for (at, &label) in phantom.labels.layers[0].iter().enumerate() {
                if label == wanted {
                    sum += grid().to_patient(unravel(at, &grid()))[0];
                    count += 1.0;
                }
            }
            sum / count
        };
        assert!(mean_x("liver") < -20.0, "the liver is on the right");
        assert!(mean_x("spleen") > 40.0, "the spleen is on the left");
    }
}
