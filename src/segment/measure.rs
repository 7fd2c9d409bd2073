//! Measures of segments.

use rayon::prelude::*;

use crate::volume::LabelVolume;

/// Dice coefficient `2·|A∩B| / (|A|+|B|)` of segment `a` of one label volume and segment `b` of another.
///
/// `None` when both are empty or the volumes do not have the same size; the caller must see to it that the
/// grids are the same in the patient.
pub fn dice(one: &LabelVolume, a: u16, other: &LabelVolume, b: u16) -> Option<f64> {
    if one.geometry.size != other.geometry.size {
        return None;
    }
    let holds = |labels: &LabelVolume, number: u16, at: usize| {
        labels
            .layers
            .iter()
            .any(|layer| layer.get(at) == Some(&number))
    };
    let (mut both, mut sum) = (0u64, 0u64);
    for at in 0..one.geometry.len() {
        let (in_a, in_b) = (holds(one, a, at), holds(other, b, at));
        both += u64::from(in_a && in_b);
        sum += u64::from(in_a) + u64::from(in_b);
    }
    (sum > 0).then(|| 2.0 * both as f64 / sum as f64)
}

/// How much there is of a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Its voxels.
    pub voxels: usize,
    /// Slices (third axis) it has a voxel in.
    pub slices: usize,
}

/// Voxels and slices of each segment number up to `last`, at index `number`, in one look at every layer.
pub fn tally(labels: &LabelVolume, last: u16) -> Vec<Tally> {
    let length = usize::from(last) + 1;
    let slice = (labels.geometry.size[0] * labels.geometry.size[1]).max(1);
    labels
        .layers
        .par_iter()
        .flat_map(|layer| layer.par_chunks(slice))
        .map(|slice| {
            let mut here = vec![Tally::default(); length];
            for &number in slice.iter().filter(|&&number| number != 0) {
                if let Some(tally) = here.get_mut(usize::from(number)) {
                    tally.voxels += 1;
                    tally.slices = 1;
                }
            }
            here
        })
        .reduce(
            || vec![Tally::default(); length],
            |mut sum, here| {
                for (sum, here) in sum.iter_mut().zip(here) {
                    sum.voxels += here.voxels;
                    sum.slices += here.slices;
                }
                sum
            },
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Geometry;

    #[test]
    fn dice_of_known_overlaps() {
        let geometry = Geometry::axial([4, 1, 2], [1.0; 3], [0.0; 3]);
        let one = LabelVolume::exclusive(geometry.clone(), vec![1, 1, 0, 0, 0, 0, 0, 2]);
        let other = LabelVolume {
            geometry,
            layers: vec![vec![0, 5, 5, 0, 0, 0, 0, 0], vec![0, 0, 0, 0, 0, 0, 0, 6]],
        };
        assert_eq!(dice(&one, 1, &other, 5), Some(0.5));
        assert_eq!(dice(&one, 2, &other, 6), Some(1.0));
        assert_eq!(dice(&one, 1, &other, 6), Some(0.0));
        assert_eq!(dice(&one, 9, &other, 9), None);
        let tally = tally(&other, 6);
        assert_eq!(
            tally[5],
            Tally {
                voxels: 2,
                slices: 1
            }
        );
        assert_eq!(tally[1], Tally::default());
    }
}
