//! What needs no network: the reference's label copied, with and without registration, and an intensity threshold.

use rayon::prelude::*;

use super::affine::Affine;
use super::body::BodyBox;
use crate::preprocess::normalise;
use crate::volume::{Geometry, LabelVolume, Vec3, Volume};

/// The threshold takes values within this many standard deviations of the class's mean in the reference.
pub const STANDARD_DEVIATIONS: f64 = 2.0;
/// The threshold looks in the copied label's bounding box, enlarged on each side by this share of its length ...
pub const ENLARGED_BY: f64 = 0.25;
/// ... and by this at least, mm.
pub const ENLARGED_LEAST_MM: f64 = 20.0;

/// A class as the threshold looks for it.
struct Sought {
    number: u16,
    /// Values that belong to it.
    values: [f32; 2],
    /// Where it is looked for, relative to the body's box.
    within: [[f64; 2]; 3],
}

/// A reference and a query, for answers that need no network.
#[derive(Debug)]
pub struct Baselines<'a> {
    /// The reference's image and its DICOM Modality (0008,0060).
    pub reference: (&'a Volume, &'a str),
    /// Its labels, on any grid.
    pub labels: &'a LabelVolume,
    /// The query's image and modality.
    pub query: (&'a Volume, &'a str),
}

impl Baselines<'_> {
    /// *Copied*: each voxel of the query takes the label at the same relative position of the reference's body box
    /// ([`BodyBox`]). On the query's grid.
    pub fn copied(&self) -> LabelVolume {
        let (there, here) = self.bodies();
        self.labels_at(|point| there.point(here.relative(point)))
    }

    /// *Registered*: each voxel of the query takes the label at the point that an affine registration of the
    /// intensities, down to `spacing_mm`, finds in the reference. On the query's grid.
    pub fn registered(&self, spacing_mm: [f64; 3]) -> LabelVolume {
        let map = Affine::register(self.reference, self.query, spacing_mm);
        self.labels_at(|point| map.point(point))
    }

    /// *Threshold*: a voxel belongs to a class when its value lies within the class's mean ± 2 standard deviations
    /// in the reference, and its relative position in the box around the class there, enlarged on each side by a
    /// quarter of its length and 20 mm at least. A voxel may belong to several classes: a layer for each of
    /// `numbers` that the reference shows, on the query's grid. CT numbers are compared as they are; other
    /// modalities after the network's own normalisation, without which two scans share no scale.
    pub fn threshold(&self, numbers: &[u16]) -> LabelVolume {
        let (there, here) = self.bodies();
        let (taught, asked) = (comparable(self.reference), comparable(self.query));
        let grid = &self.query.0.geometry;
        let columns = grid.size[0].max(1);
        let layers = numbers
            .iter()
            .filter_map(|&number| Sought::learn(number, &taught, self.labels, &there))
            .map(|class| {
                let mut layer = vec![0u16; grid.len()];
                layer
                    .par_chunks_mut(columns)
                    .enumerate()
                    .for_each(|(line, voxels)| {
                        for (i, voxel) in voxels.iter_mut().enumerate() {
                            let value = asked[line * columns + i];
                            if class.has_value(value)
                                && class.is_within(here.relative(position(grid, line, i)))
                            {
                                *voxel = class.number;
                            }
                        }
                    });
                layer
            });
        LabelVolume {
            layers: layers.collect(),
            geometry: grid.clone(),
        }
    }

    /// The boxes around the bodies of reference and query.
    fn bodies(&self) -> (BodyBox, BodyBox) {
        let around = |(volume, modality)| BodyBox::around(volume, modality);
        (around(self.reference), around(self.query))
    }

    /// For each voxel of the query the label at the point of the reference that `there` says.
    fn labels_at(&self, there: impl Fn(Vec3) -> Vec3 + Sync) -> LabelVolume {
        let grid = &self.query.0.geometry;
        let mut found = vec![0u16; grid.len()];
        found
            .par_chunks_mut(grid.size[0].max(1))
            .enumerate()
            .for_each(|(line, voxels)| {
                for (i, voxel) in voxels.iter_mut().enumerate() {
                    *voxel = label_at(self.labels, there(position(grid, line, i)));
                }
            });
        LabelVolume::exclusive(grid.clone(), found)
    }
}

/// Where voxel `i` of a line of voxels lies in the patient.
fn position(grid: &Geometry, line: usize, i: usize) -> Vec3 {
    let rows = grid.size[1];
    grid.to_patient([i as f64, (line % rows) as f64, (line / rows) as f64])
}

impl Sought {
    fn learn(number: u16, values: &[f32], labels: &LabelVolume, body: &BodyBox) -> Option<Self> {
        let inside = labels.mask(number);
        let chosen = || inside.iter().zip(values).filter(|(inside, _)| **inside);
        let count = chosen().count();
        if count == 0 {
            return None;
        }
        let mean = chosen().map(|(_, &v)| f64::from(v)).sum::<f64>() / count as f64;
        let variance = chosen()
            .map(|(_, &v)| (f64::from(v) - mean).powi(2))
            .sum::<f64>();
        let reach = STANDARD_DEVIATIONS * (variance / count as f64).sqrt();
        Some(Self {
            number,
            values: [(mean - reach) as f32, (mean + reach) as f32],
            within: enlarged(relative_box(number, labels, body)?, body.extent_mm()),
        })
    }

    fn has_value(&self, value: f32) -> bool {
        let [low, high] = self.values;
        (low..=high).contains(&value)
    }

    fn is_within(&self, relative: [f64; 3]) -> bool {
        relative
            .iter()
            .zip(&self.within)
            .all(|(at, [low, high])| (low..=high).contains(&at))
    }
}

/// The box around a segment, relative to the body's.
fn relative_box(number: u16, labels: &LabelVolume, body: &BodyBox) -> Option<[[f64; 2]; 3]> {
    let bounds = labels.bounding_box(number)?;
    let mut relative = [[f64::INFINITY, f64::NEG_INFINITY]; 3];
    for corner in 0..8usize {
        let ijk = std::array::from_fn(|axis| {
            let [first, last] = bounds[axis];
            if corner >> axis & 1 == 0 {
                first as f64 - 0.5
            } else {
                last as f64 + 0.5
            }
        });
        let at = body.relative(labels.geometry.to_patient(ijk));
        for (bound, at) in relative.iter_mut().zip(at) {
            *bound = [bound[0].min(at), bound[1].max(at)];
        }
    }
    Some(relative)
}

fn enlarged(bounds: [[f64; 2]; 3], extent_mm: [f64; 3]) -> [[f64; 2]; 3] {
    std::array::from_fn(|axis| {
        let [low, high] = bounds[axis];
        let more = (ENLARGED_BY * (high - low)).max(ENLARGED_LEAST_MM / extent_mm[axis]);
        [low - more, high + more]
    })
}

/// Values on a scale that reference and query share.
fn comparable((volume, modality): (&Volume, &str)) -> Vec<f32> {
    let mut values = volume.voxels.clone();
    if modality.trim() != "CT" {
        normalise(&mut values, modality);
    }
    values
}

/// The first label at the voxel that a point lies in.
fn label_at(labels: &LabelVolume, point: [f64; 3]) -> u16 {
    let grid: &Geometry = &labels.geometry;
    let at = grid.to_index(point).map(f64::round);
    let inside = (0..3).all(|axis| at[axis] >= 0.0 && at[axis] < grid.size[axis] as f64);
    if !inside {
        return 0;
    }
    let at = grid.index(at[0] as usize, at[1] as usize, at[2] as usize);
    let all = labels.layers.iter().map(|layer| layer[at]);
    all.into_iter().find(|&label| label != 0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::dice;

    /// A square body with a bright organ, of any size and place.
    fn body(size: f64, at: f64) -> (Volume, LabelVolume) {
        let geometry = Geometry::axial([40, 40, 20], [5.0; 3], [0.0; 3]);
        let mut voxels = vec![-1000.0; geometry.len()];
        let mut labels = vec![0; geometry.len()];
        for k in 0..20 {
            for j in 0..40 {
                for i in 0..40 {
                    let relative = [i, j].map(|n| (n as f64 - at) / size);
                    if relative.iter().all(|r| (0.0..1.0).contains(r)) {
                        voxels[geometry.index(i, j, k)] = 0.0;
                    }
                    if relative.iter().all(|r| (0.25..0.5).contains(r)) {
                        voxels[geometry.index(i, j, k)] = 90.0 + (i % 3) as f32 * 10.0;
                        labels[geometry.index(i, j, k)] = 1;
                    }
                }
            }
        }
        let image = Volume {
            geometry: geometry.clone(),
            voxels,
        };
        (image, LabelVolume::exclusive(geometry, labels))
    }

    #[test]
    fn a_larger_body_elsewhere_gets_the_label_at_the_same_relative_position() {
        let (reference, labels) = body(16.0, 4.0);
        let (query, known) = body(32.0, 6.0);
        let baselines = Baselines {
            reference: (&reference, "CT"),
            labels: &labels,
            query: (&query, "CT"),
        };
        let threshold = baselines.threshold(&[1, 2]);
        assert!(dice(&baselines.copied(), 1, &known, 1).unwrap() > 0.9);
        assert!(dice(&threshold, 1, &known, 1).unwrap() > 0.9);
        // A class that the reference does not show is found nowhere.
        assert_eq!(threshold.layers.len(), 1);
    }
}
