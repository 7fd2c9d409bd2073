//! Where a segment is in its reference: enough to say where it would be in another patient, once others are found there.

use serde::{Deserialize, Serialize};

use crate::volume::{LabelVolume, Vec3};

/// The middle of a segment and how far it extends, in the reference's patient space (LPS, mm).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The mean of its voxels' positions.
    pub middle: Vec3,
    /// Their standard deviation along each patient axis.
    pub spread: Vec3,
}

/// The place of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlacedSegment {
    /// Its number in the task, from 1.
    pub segment: u16,
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
}

impl PlacedSegment {
    /// Of each segment that has a voxel.
    pub(super) fn all(labels: &LabelVolume, segments: usize) -> Vec<Self> {
        let mut sums = vec![Sums::default(); segments];
        let [columns, rows, _] = labels.geometry.size;
        for layer in &labels.layers {
            for (line, row) in layer.chunks(columns.max(1)).enumerate() {
                let (j, k) = (line % rows, line / rows);
                for (i, &number) in row.iter().enumerate() {
                    let sum = usize::from(number).checked_sub(1);
                    if let Some(sum) = sum.and_then(|at| sums.get_mut(at)) {
                        sum.add(labels.geometry.to_patient([i, j, k].map(|n| n as f64)), 1.0);
                    }
                }
            }
        }
        let placed = |(segment, sums): (u16, &Sums)| {
            let place = sums.place()?;
            Some(Self { segment, place })
        };
        (1u16..).zip(&sums).filter_map(placed).collect()
    }
}

/// Weighted positions on the way to a [`Place`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    weight: f64,
    first: Vec3,
    second: Vec3,
}

impl Sums {
    /// Counts a position.
    pub fn add(&mut self, position: Vec3, weight: f64) {
        self.weight += weight;
        for (axis, x) in position.into_iter().enumerate() {
            self.first[axis] += weight * x;
            self.second[axis] += weight * x.powi(2);
        }
    }

    /// Counts what others have counted.
    pub fn add_all(&mut self, others: &Self) {
        self.weight += others.weight;
        for axis in 0..3 {
            self.first[axis] += others.first[axis];
            self.second[axis] += others.second[axis];
        }
    }

    /// What they come to; none where nothing was counted.
    pub fn place(&self) -> Option<Place> {
        if self.weight <= 0.0 {
            return None;
        }
        let middle = self.first.map(|sum| sum / self.weight);
        let spread = std::array::from_fn(|axis| {
            let variance = self.second[axis] / self.weight - middle[axis].powi(2);
            variance.max(0.0).sqrt()
        });
        Some(Place { middle, spread })
    }
}
