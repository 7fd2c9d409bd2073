//! A reference: an image, what is labelled in it, and which labels are the task's segments.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use tch::{Kind, Tensor};

use super::task::{hex, plain};
use super::{PlacedSegment, TaskError};
use crate::terminology::SegmentDescription;
use crate::volume::{Geometry, LabelRuns, LabelVolume, Volume, tally};

/// Grids nearer than this are one grid: NIfTI keeps positions as 32-bit floats, mm.
const SAME_GRID_MM: f64 = 0.1;

/// An image and its label map, as they came.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The image.
    pub image: Volume,
    /// Its DICOM Modality (0008,0060).
    pub modality: String,
    /// Labels in the same patient; on another grid they are brought to the image's.
    pub labels: LabelVolume,
}

/// Which label value is which segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// The value in the label map.
    pub value: u16,
    /// What it is.
    pub description: SegmentDescription,
}

/// A reference with its labels on the image's grid, numbered as the task's segments.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub(super) image: Volume,
    pub(super) modality: String,
    pub(super) labels: LabelVolume,
    /// Voxels of each segment, the first has number 1.
    pub(super) voxels: Vec<u64>,
    /// Whether each segment reaches the edge of the image.
    pub(super) cut: Vec<bool>,
    /// Whether each segment is one connected piece.
    pub(super) one_piece: Vec<bool>,
    /// Where each segment is.
    pub(super) places: Vec<PlacedSegment>,
}

impl Reference {
    /// Keeps the selected labels, numbered by `number` (from 1, one for each selection) out of `segments`.
    pub(super) fn choose(
        self,
        selections: &[Selection],
        numbers: &[u16],
        segments: usize,
        exclusive: bool,
    ) -> Result<Chosen, TaskError> {
        check_selections(selections)?;
        let present: BTreeSet<u16> = self
            .labels
            .layers
            .iter()
            .flatten()
            .copied()
            .filter(|&v| v != 0)
            .collect();
        if present.is_empty() {
            return Err(TaskError::LabelEmpty);
        }
        for selection in selections {
            if !present.contains(&selection.value) {
                return Err(TaskError::ValueAbsent {
                    value: selection.value,
                    name: selection.description.label.clone(),
                    present: present.into_iter().collect(),
                });
            }
        }
        let labels = on_grid_of(&self.image, self.labels)?;
        let renumbered = |value: u16| {
            let position = selections
                .iter()
                .position(|selection| selection.value == value);
            position.map_or(0, |position| numbers[position])
        };
        let mut layers: Vec<Vec<u16>> = labels
            .layers
            .into_iter()
            .map(|layer| layer.into_iter().map(renumbered).collect())
            .collect();
        layers.retain(|layer: &Vec<u16>| layer.iter().any(|&number| number != 0));
        let name = |number: u16| {
            let position = numbers.iter().position(|&n| n == number);
            position.map_or_else(String::new, |at| selections[at].description.label.clone())
        };
        if exclusive && layers.len() > 1 {
            layers = vec![one_layer(&layers, &name)?];
        }
        let labels = LabelVolume {
            geometry: self.image.geometry.clone(),
            layers,
        };
        let last = u16::try_from(segments).unwrap_or(u16::MAX);
        let tally = &tally(&LabelRuns::of(&labels)?, last)[1..];
        if let Some(&number) = numbers
            .iter()
            .find(|&&number| tally[usize::from(number) - 1].voxels == 0)
        {
            return Err(TaskError::OutsideImage { name: name(number) });
        }
        let one_piece = (1u16..).take(segments).map(|n| labels.is_one_piece(n));
        Ok(Chosen {
            cut: tally.iter().map(|segment| segment.at_edge).collect(),
            one_piece: one_piece.collect(),
            places: PlacedSegment::all(&labels, segments),
            labels,
            image: self.image,
            modality: self.modality,
            voxels: tally.iter().map(|segment| segment.voxels as u64).collect(),
        })
    }
}

fn check_selections(selections: &[Selection]) -> Result<(), TaskError> {
    if selections.is_empty() {
        return Err(TaskError::NoSegment);
    }
    for (at, selection) in selections.iter().enumerate() {
        let twice = selections[..at].iter().any(|earlier| {
            earlier.value == selection.value
                || plain(&earlier.description.label) == plain(&selection.description.label)
        });
        if twice {
            return Err(TaskError::SegmentTwice(selection.description.label.clone()));
        }
    }
    Ok(())
}

fn on_grid_of(image: &Volume, labels: LabelVolume) -> Result<LabelVolume, TaskError> {
    if labels.geometry.is_close(&image.geometry, SAME_GRID_MM) {
        return Ok(LabelVolume {
            geometry: image.geometry.clone(),
            ..labels
        });
    }
    let (a, b) = (bounds(&image.geometry), bounds(&labels.geometry));
    let apart = (0..3).any(|axis| a[0][axis] > b[1][axis] || b[0][axis] > a[1][axis]);
    if apart {
        return Err(TaskError::NoOverlap {
            image: in_words(a),
            label: in_words(b),
        });
    }
    Ok(labels.resampled(&image.geometry))
}

/// Lowest and highest position of a grid's corners along each patient axis, mm.
fn bounds(geometry: &Geometry) -> [[f64; 3]; 2] {
    let mut bounds = [[f64::INFINITY; 3], [f64::NEG_INFINITY; 3]];
    for corner in geometry.corners() {
        for (axis, position) in corner.into_iter().enumerate() {
            bounds[0][axis] = bounds[0][axis].min(position);
            bounds[1][axis] = bounds[1][axis].max(position);
        }
    }
    bounds
}

fn in_words(bounds: [[f64; 3]; 2]) -> String {
    let axis = |a: usize| format!("{:.0} to {:.0}", bounds[0][a], bounds[1][a]);
    format!("{}; {}; {}", axis(0), axis(1), axis(2))
}

fn one_layer(layers: &[Vec<u16>], name: &dyn Fn(u16) -> String) -> Result<Vec<u16>, TaskError> {
    let mut joined = layers[0].clone();
    let mut clash: Option<(u16, u16, usize)> = None;
    for layer in &layers[1..] {
        for (kept, &number) in joined.iter_mut().zip(layer) {
            if number == 0 || number == *kept {
                continue;
            }
            if *kept == 0 {
                *kept = number;
            } else {
                let (one, other, voxels) = clash.get_or_insert((*kept, number, 0));
                if (*one, *other) == (*kept, number) {
                    *voxels += 1;
                }
            }
        }
    }
    match clash {
        None => Ok(joined),
        Some((one, other, voxels)) => Err(TaskError::SegmentsOverlap {
            one: name(one),
            other: name(other),
            voxels,
        }),
    }
}

impl Chosen {
    /// SHA-256 of everything an embedding depends on, but for the network and the preprocessing.
    pub(super) fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(b"irisnode reference 1");
        let geometry = &self.image.geometry;
        for size in geometry.size {
            hasher.update((size as u64).to_le_bytes());
        }
        let numbers = geometry
            .spacing
            .iter()
            .chain(&geometry.origin)
            .chain(geometry.direction.iter().flatten());
        for number in numbers {
            hasher.update(number.to_le_bytes());
        }
        hasher.update((self.modality.len() as u64).to_le_bytes());
        hasher.update(&self.modality);
        for voxel in &self.image.voxels {
            hasher.update(voxel.to_le_bytes());
        }
        for layer in &self.labels.layers {
            hasher.update(b"layer");
            for label in layer {
                hasher.update(label.to_le_bytes());
            }
        }
        hex(&hasher.finalize())
    }
}

/// Masks `[K, D, H, W]` of the segments `numbers` on the network's grid.
///
/// A voxel belongs to a segment when the segment fills more than half of it. A structure too small to fill half
/// of any voxel keeps those it fills most, so that it is still taught.
pub fn masks(labels: &LabelVolume, numbers: &[u16], grid: &Geometry) -> Result<Tensor, TaskError> {
    let mut all = Vec::with_capacity(numbers.len());
    for &number in numbers {
        let mut mask = Volume {
            geometry: labels.geometry.clone(),
            voxels: vec![0.0; labels.geometry.len()],
        };
        for layer in &labels.layers {
            for (voxel, &label) in mask.voxels.iter_mut().zip(layer) {
                if label == number {
                    *voxel = 1.0;
                }
            }
        }
        let share = mask.resampled(grid, 0.0);
        let most = share.voxels.iter().copied().fold(0.0f32, f32::max);
        let least = if most > 0.5 { 0.5 } else { most * 0.99 };
        let mask: Vec<f32> = share
            .voxels
            .iter()
            .map(|&share| f32::from(u8::from(share > least)))
            .collect();
        all.push(Tensor::from_slice(&mask));
    }
    let [w, h, d] = grid.size.map(|n| n as i64);
    Ok(Tensor::f_stack(&all, 0)?.f_view([numbers.len() as i64, d, h, w])?)
}

/// The whole body as one class, `[1, D, H, W]`: the voxels of `image [D, H, W]` that are brighter than its mean,
/// which in a scan with air around the patient are the patient; everything in an image of one value.
///
/// # Errors
/// When libtorch fails.
pub fn body(image: &Tensor) -> Result<Tensor, tch::TchError> {
    let brighter = image.f_gt_tensor(&image.f_mean(None)?)?;
    let body = if brighter.f_any()?.f_int64_value(&[])? == 0 {
        image.f_ones_like()?
    } else {
        brighter
    };
    body.f_to_kind(Kind::Float)?.f_unsqueeze(0)
}
