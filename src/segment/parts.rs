//! Which connected parts of a segment are left out of a result.

use crate::volume::Components;

/// Voxels of components smaller than `share` of the largest.
///
/// `size` is the number of voxels along the fastest, middle and slowest axis.
pub(super) fn specks(mask: &[bool], size: [usize; 3], share: f64) -> Vec<usize> {
    let components = Components::of(mask, size);
    let least = share * components.largest() as f64;
    members(&components, |number| {
        (components.sizes[number] as f64) < least
    })
}

/// Components of a structure of one piece that weigh less than this share of the main one are islands.
///
/// Heavier ones may be its own: what is thin is found with gaps, and tears. On twelve drawn torsos (not those of the
/// model card) leaving islands out gave 0.010 of Dice with a share of 1, 0.009 with this, 0.007 with 0.3.
const ISLAND: f64 = 0.5;

/// Voxels of the islands beside the main component, of a structure that is one piece in the patient.
///
/// A component weighs the sum of its probabilities, and the main one weighs most. Where it reaches the edge of the
/// scan, others that do are no islands: they may be joined beyond it. `probability` is that of each voxel, and
/// `is_at_edge` says of each whether it lies at the edge of the scan.
pub(super) fn beside_the_main(
    mask: &[bool],
    size: [usize; 3],
    probability: &dyn Fn(usize) -> f32,
    is_at_edge: &dyn Fn(usize) -> bool,
) -> Vec<usize> {
    let components = Components::of(mask, size);
    let mut sums = vec![0.0f64; components.sizes.len()];
    let mut at_edge = vec![false; components.sizes.len()];
    for (at, &number) in components.of_voxel.iter().enumerate() {
        if number != 0 {
            sums[number as usize] += f64::from(probability(at));
            at_edge[number as usize] |= is_at_edge(at);
        }
    }
    let main = (1..sums.len()).max_by(|&a, &b| sums[a].total_cmp(&sums[b]));
    members(&components, |number| {
        main.is_some_and(|main| {
            let joined = at_edge[main] && at_edge[number];
            sums[number] < ISLAND * sums[main] && !joined
        })
    })
}

/// The voxels of those components.
fn members(components: &Components, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
    let number = |at: usize| components.of_voxel[at] as usize;
    (0..components.of_voxel.len())
        .filter(|&at| number(at) != 0 && wanted(number(at)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns, rows, slices.
    const SIZE: [usize; 3] = [12, 5, 5];

    fn index([x, y, z]: [usize; 3]) -> usize {
        x + SIZE[0] * (y + SIZE[1] * z)
    }

    fn is_at_edge(at: usize) -> bool {
        let place = [
            at % SIZE[0],
            at / SIZE[0] % SIZE[1],
            at / (SIZE[0] * SIZE[1]),
        ];
        (0..3).any(|axis| place[axis] == 0 || place[axis] + 1 == SIZE[axis])
    }

    fn mask(voxels: &[[usize; 3]]) -> Vec<bool> {
        let mut mask = vec![false; SIZE.iter().product()];
        for &voxel in voxels {
            mask[index(voxel)] = true;
        }
        mask
    }

    #[test]
    fn only_components_below_the_share_are_specks() {
        let bar: Vec<_> = (1..7).map(|x| [x, 1, 1]).collect();
        let (pair, single) = ([[9, 1, 1], [10, 2, 2]], [1, 3, 3]);
        let mask = mask(&[&bar[..], &pair, &[single]].concat());
        assert_eq!(specks(&mask, SIZE, 0.3), [index(single)]);
        let all = [index(pair[0]), index(pair[1]), index(single)];
        assert_eq!(specks(&mask, SIZE, 0.5), all);
        assert!(specks(&mask, SIZE, 0.0).is_empty());
    }

    #[test]
    fn the_surest_part_is_the_main_one_and_what_weighs_half_as_much_may_be_its_own() {
        let (large, sure) = ([[2, 2, 2], [3, 2, 2], [4, 2, 2]], [[8, 2, 2], [9, 2, 2]]);
        let mask = mask(&[&large[..], &sure].concat());
        let of_the_sure = |value: f32| {
            move |at: usize| {
                if at == index(sure[0]) { value } else { 0.6 }
            }
        };
        let beside = beside_the_main(&mask, SIZE, &of_the_sure(3.1), &is_at_edge);
        assert_eq!(beside, large.map(index));
        assert!(beside_the_main(&mask, SIZE, &of_the_sure(2.9), &is_at_edge).is_empty());
        assert!(beside_the_main(&[false; 300], SIZE, &of_the_sure(1.0), &is_at_edge).is_empty());
    }

    #[test]
    fn what_may_be_joined_beyond_the_scan_is_kept() {
        let main = [[3, 2, 0], [3, 2, 1], [3, 2, 2]];
        let (beyond, within) = ([7, 2, 0], [9, 2, 2]);
        let mask = mask(&[&main[..], &[beyond, within]].concat());
        assert_eq!(
            beside_the_main(&mask, SIZE, &|_| 0.9, &is_at_edge),
            [index(within)]
        );
    }
}
