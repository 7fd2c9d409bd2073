//! The Dice coefficient.

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
    }
}
