//! Scenes drawn from a label map of a real body: its shapes, none of its intensities.

use super::scene::{Scene, Structure};
use crate::volume::{LabelVolume, Vec3, Volume};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rays on which the outline of a slice is measured.
const RAYS: usize = 72;
/// From the outermost labelled structure to the inside of the fat, mm.
const WALL: f64 = 9.0;
/// From there to the skin, mm.
const FAT: f64 = 16.0;
/// How deep below the outline unlabelled tissue is muscle rather than fat, mm.
const MUSCLE: f64 = 9.0;

/// The least value of the network's scale: air.
const DARKEST: f32 = -2.0;

/// Structure numbers on a grid whose middle is the scene's origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Atlas {
    labels: LabelVolume,
    center: Vec3,
    /// mm of the scene for a mm of the map.
    zoom: f64,
    /// Whether the body goes on beyond the map's first and last slice.
    goes_on: bool,
    /// The image that the map belongs to, on the network's scale of intensity.
    image: Option<Volume>,
}

impl Atlas {
    /// The structure at a point of the scene (mm from its origin); 0 is air. Above and below
    /// a map of a part of the body its last slices go on.
    pub(super) fn at(&self, p: Vec3) -> u16 {
        let grid = &self.labels.geometry;
        let ijk = grid.to_index(std::array::from_fn(|a| p[a] / self.zoom + self.center[a]));
        let [columns, rows, slices] = grid.size;
        let last = slices as f64 - 1.0;
        let k = match self.goes_on {
            true => ijk[2].round().clamp(0.0, last),
            false => ijk[2].round(),
        };
        let (i, j) = (ijk[0].round(), ijk[1].round());
        if !(0.0..=last).contains(&k)
            || i < 0.0
            || j < 0.0
            || i >= columns as f64
            || j >= rows as f64
        {
            return 0;
        }
        self.labels.layers[0][grid.index(i as usize, j as usize, k as usize)]
    }

    /// Whether the map's own image is known.
    pub(super) fn has_image(&self) -> bool {
        self.image.is_some()
    }

    /// The image at a point of the scene, trilinear; the darkest value outside, and where there is no image.
    pub(super) fn value_at(&self, p: Vec3) -> f32 {
        let Some(image) = &self.image else {
            return DARKEST;
        };
        let grid = &image.geometry;
        let at = grid.to_index(std::array::from_fn(|a| p[a] / self.zoom + self.center[a]));
        let last = grid.size.map(|n| n as f64 - 1.0);
        if (0..3).any(|a| !(-0.5..=last[a] + 0.5).contains(&at[a])) {
            return DARKEST;
        }
        let low: [usize; 3] = std::array::from_fn(|a| at[a].clamp(0.0, last[a]) as usize);
        let part: [f32; 3] =
            std::array::from_fn(|a| (at[a].clamp(0.0, last[a]) - low[a] as f64) as f32);
        let mut sum = 0.0;
        for corner in 0..8usize {
            let mut weight = 1.0;
            let ijk: [usize; 3] = std::array::from_fn(|a| {
                let high = corner >> a & 1 == 1;
                weight *= if high { part[a] } else { 1.0 - part[a] };
                (low[a] + usize::from(high)).min(grid.size[a] - 1)
            });
            sum += weight * image.voxels[grid.index(ijk[0], ijk[1], ijk[2])];
        }
        sum
    }

    /// Whether above and below the map its last slices go on.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Half of what the map covers along each axis, mm.
    pub(super) fn reach(&self) -> Vec3 {
        let grid = &self.labels.geometry;
        std::array::from_fn(|a| grid.size[a] as f64 * grid.spacing[a] * self.zoom / 2.0)
    }
}

impl Scene {
    /// A scene from a label map and the names of its labels, TotalSegmentator's.
    ///
    /// What is not labelled is filled: fat around the outline of what is, a
    /// wall of muscle along it, fat between the organs. CT numbers come from
    /// the torso's structure of that name, or its kind. `None` for an empty map.
    pub fn from_labels(map: &LabelVolume, names: &BTreeMap<u16, String>) -> Option<Self> {
        // Upright axes, so that a scene's left is the patient's left.
        let spacing = map.geometry.spacing.iter().copied().fold(0.0, f64::max);
        let grid = map.geometry.canonical([spacing.clamp(1.0, 4.0); 3]);
        let map = map.resampled(&grid);
        let layer = map.layers.first()?;
        let present: std::collections::BTreeSet<u16> =
            layer.iter().copied().filter(|&v| v != 0).collect();
        if present.is_empty() {
            return None;
        }
        let torso = Self::torso();
        let mut structures = vec![
            Structure::filler("fat", -100.0, 8.0, Vec::new()),
            Structure::filler("wall", 55.0, 8.0, Vec::new()),
            Structure::filler("cavity", -90.0, 15.0, Vec::new()),
        ];
        let mut number = BTreeMap::new();
        for &value in &present {
            let name = names.get(&value).map_or("unknown", String::as_str);
            let known = torso.structures.iter().find(|s| s.name == name);
            let (hu, spread, target) = match known {
                Some(known) => (known.hu, known.hu_spread, known.target),
                None if name.starts_with("lung") => (-820.0, 40.0, true),
                None if name.starts_with("vertebrae") => (210.0, 60.0, true),
                None if name.starts_with("rib") => (350.0, 80.0, true),
                None if name.starts_with("costal") => (120.0, 30.0, true),
                None if name.starts_with("spinal") => (30.0, 10.0, true),
                None => (50.0, 25.0, name != "unknown"),
            };
            let structure = Structure::organ(name, hu, spread, Vec::new());
            structures.push(Structure {
                target,
                ..structure
            });
            number.insert(value, structures.len() as u16);
        }
        let labels = fill(&map, &number);
        let size = grid.size;
        let center = grid.to_patient(std::array::from_fn(|a| (size[a] as f64 - 1.0) / 2.0));
        Some(Self {
            structures,
            atlas: Some(Arc::new(Atlas {
                labels: LabelVolume::exclusive(grid, labels),
                center,
                zoom: 1.0,
                goes_on: true,
                image: None,
            })),
            surroundings: Vec::new(),
            hollow: Vec::new(),
            uneven: false,
            lesions: Vec::new(),
        })
    }
}

impl Scene {
    /// Scenes from label maps that label everything, such as heads: one scene a map, all with the same structures,
    /// so that reference and query may be different subjects. `zoom` makes them larger, for a network whose voxels are
    /// large. Values from `fillers` on are what fills the space around, not objects one would ask for.
    ///
    /// Contrasts of such scenes are meant to be random: the structures' CT numbers are all alike. Empty for maps
    /// without labels.
    pub fn from_whole_maps(maps: &[LabelVolume], zoom: f64, fillers: u16) -> Vec<Self> {
        let present: std::collections::BTreeSet<u16> = maps
            .iter()
            .filter_map(|map| map.layers.first())
            .flatten()
            .copied()
            .filter(|&value| value != 0)
            .collect();
        let structures: Vec<Structure> = present
            .iter()
            .map(|&value| {
                let structure = Structure::organ(&format!("label_{value}"), 40.0, 10.0, Vec::new());
                Structure {
                    target: value < fillers,
                    ..structure
                }
            })
            .collect();
        let number: BTreeMap<u16, u16> = present.iter().copied().zip(1..).collect();
        let scene = |map: &LabelVolume| {
            let finest = map.geometry.spacing.iter().copied().fold(0.0, f64::max);
            // Half the voxels along each axis are enough, once enlarged less than twofold.
            let grid = map.geometry.canonical([(2.0 * finest).clamp(1.0, 4.0); 3]);
            let mut labels = map.resampled(&grid);
            labels.renumber(|value| number.get(&value).copied().unwrap_or(0));
            let size = grid.size;
            let center = grid.to_patient(std::array::from_fn(|a| (size[a] as f64 - 1.0) / 2.0));
            Self {
                structures: structures.clone(),
                atlas: Some(Arc::new(Atlas {
                    labels,
                    center,
                    zoom,
                    goes_on: false,
                    image: None,
                })),
                surroundings: Vec::new(),
                hollow: Vec::new(),
                uneven: false,
                lesions: Vec::new(),
            }
        };
        match structures.is_empty() {
            true => Vec::new(),
            false => maps.par_iter().map(scene).collect(),
        }
    }

    /// The scene with the image that its map was drawn on, on the network's scale of intensity: episodes may then show
    /// it as it was scanned ([`Contrast::Scanned`](super::Contrast::Scanned)).
    pub fn with_image(mut self, image: Volume) -> Self {
        if let Some(atlas) = self.atlas.take() {
            let mut atlas = Arc::unwrap_or_clone(atlas);
            atlas.image = Some(image);
            self.atlas = Some(Arc::new(atlas));
        }
        self
    }
}

/// Structure numbers everywhere: 1 fat under the skin, 2 the wall, 3 between the organs.
fn fill(map: &LabelVolume, number: &BTreeMap<u16, u16>) -> Vec<u16> {
    let grid = &map.geometry;
    let [columns, rows, slices] = grid.size;
    let mut filled = vec![0u16; grid.len()];
    for k in 0..slices {
        let outline = Outline::of(map, k);
        for j in 0..rows {
            for i in 0..columns {
                let at = grid.index(i, j, k);
                let value = map.layers[0][at];
                filled[at] = match (number.get(&value), &outline) {
                    (Some(&number), _) => number,
                    (None, Some(outline)) => match outline.outside(i, j) {
                        d if d < -MUSCLE => 3,
                        d if d < WALL => 2,
                        d if d < WALL + FAT => 1,
                        _ => 0,
                    },
                    (None, None) => 0,
                };
            }
        }
    }
    filled
}

/// The outline of what is labelled in a slice, as distances from its middle.
struct Outline {
    middle: [f64; 2],
    radius: [f64; RAYS],
    spacing: [f64; 2],
}

impl Outline {
    fn of(map: &LabelVolume, k: usize) -> Option<Self> {
        let grid = &map.geometry;
        let mut inside = Vec::new();
        for j in 0..grid.size[1] {
            for i in 0..grid.size[0] {
                if map.layers[0][grid.index(i, j, k)] != 0 {
                    inside.push([i as f64, j as f64]);
                }
            }
        }
        if inside.is_empty() {
            return None;
        }
        let count = inside.len() as f64;
        let middle = [0, 1].map(|a| inside.iter().map(|p| p[a]).sum::<f64>() / count);
        let spacing = [grid.spacing[0], grid.spacing[1]];
        let mut outline = Self {
            middle,
            radius: [0.0; RAYS],
            spacing,
        };
        for p in inside {
            let (ray, distance) = outline.polar(p);
            outline.radius[ray] = outline.radius[ray].max(distance);
        }
        // Gaps between ribs are closed, then corners rounded.
        let around = |radius: &[f64; RAYS], reach: usize| -> [Vec<f64>; RAYS] {
            std::array::from_fn(|ray| {
                (0..=2 * reach)
                    .map(|d| radius[(ray + RAYS + d - reach) % RAYS])
                    .collect()
            })
        };
        outline.radius =
            around(&outline.radius, 4).map(|near| near.into_iter().fold(0.0, f64::max));
        outline.radius =
            around(&outline.radius, 3).map(|near| near.iter().sum::<f64>() / near.len() as f64);
        Some(outline)
    }

    fn polar(&self, p: [f64; 2]) -> (usize, f64) {
        let x = (p[0] - self.middle[0]) * self.spacing[0];
        let y = (p[1] - self.middle[1]) * self.spacing[1];
        let turn = (y.atan2(x) / std::f64::consts::TAU).rem_euclid(1.0);
        (((turn * RAYS as f64) as usize) % RAYS, x.hypot(y))
    }

    /// mm outside the outline; negative inside.
    fn outside(&self, i: usize, j: usize) -> f64 {
        let (ray, distance) = self.polar([i as f64, j as f64]);
        distance - self.radius[ray]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom::Contrast;
    use crate::volume::Geometry;

    #[test]
    fn organs_stay_on_their_side_and_the_body_is_filled_around_them() {
        // A map that runs to the right (as NIfTI files often do): the spleen lies at high x.
        let mut geometry = Geometry::axial([40, 30, 10], [5.0; 3], [100.0, -70.0, 0.0]);
        geometry.direction[0] = [-1.0, 0.0, 0.0];
        let mut labels = vec![0u16; geometry.len()];
        for k in 0..10 {
            for j in 8..22 {
                for i in 6..34 {
                    labels[geometry.index(i, j, k)] = match i {
                        6..12 => 1,
                        24..34 => 5,
                        _ => 0,
                    };
                }
            }
        }
        let map = LabelVolume::exclusive(geometry, labels);
        let names = BTreeMap::from([(1, "spleen".to_owned()), (5, "liver".to_owned())]);
        let scene = Scene::from_labels(&map, &names).unwrap();
        let number = |name: &str| {
            scene
                .structures
                .iter()
                .position(|s| s.name == name)
                .unwrap() as u16
                + 1
        };
        let grid = Geometry::axial([60, 50, 8], [5.0; 3], [-150.0, -125.0, -20.0]);
        let phantom = scene.subject(5, &grid, Contrast::Ct);
        let mean_x = |label: u16| {
            let (mut sum, mut count) = (0.0, 0.0);
            for (at, &found) in phantom.labels.layers[0].iter().enumerate() {
                if found == label {
                    sum += (at % 60) as f64 * 5.0 - 150.0;
                    count += 1.0;
                }
            }
            assert!(count > 50.0, "structure {label} is there");
            sum / count
        };
        assert!(mean_x(number("spleen")) > mean_x(number("liver")) + 50.0);
        assert!(phantom.labels.voxel_count(number("fat")) > 100);
        assert!(phantom.labels.voxel_count(number("cavity")) > 100);
        assert_eq!(phantom.labels.layers[0][0], 0, "a corner is air");
    }
}
