//! How far apart the surfaces of two masks are: normalised surface distance and HD95.

use super::distance::squared_distances;

/// Surface measures of two masks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SurfaceMeasures {
    /// Normalised surface distance (Nikolov et al., 2018), 0 to 1: the share of both surfaces that lies within the
    /// tolerance of the other. 0 when one of the masks is empty.
    pub nsd: f64,
    /// Hausdorff distance at 95 percent, mm: the 95th percentile of the distances of one surface to the other, the
    /// greater of both directions. `None` when one of the masks is empty.
    pub hd95_mm: Option<f64>,
}

/// Surface measures of two masks on one grid; `None` when both are empty.
///
/// `size` and `spacing_mm` are along the fastest, middle and slowest axis; `tolerance_mm` is NSD's.
///
/// The definition is that of MONAI's `compute_surface_dice` (without subvoxels) and `compute_hausdorff_distance`
/// (`percentile=95`), which `tests/surface.rs` compares with: the surface of a mask is its voxels that have one of
/// their six neighbours outside it, or outside the grid; every surface voxel counts once, whatever its faces; a
/// percentile between two values is interpolated. DeepMind's `surface-distance` weighs surfaces by area instead.
pub fn surface_measures(
    one: &[bool],
    other: &[bool],
    size: [usize; 3],
    spacing_mm: [f64; 3],
    tolerance_mm: f64,
) -> Option<SurfaceMeasures> {
    let around = joint_box(one, other, size)?;
    let (one, size_of_box) = surface_in(one, size, around);
    let (other, _) = surface_in(other, size, around);
    let from_one = distances(&one, &other, size_of_box, spacing_mm);
    let from_other = distances(&other, &one, size_of_box, spacing_mm);
    let all = from_one.len() + from_other.len();
    let within = |distances: &[f64]| distances.iter().filter(|&&mm| mm <= tolerance_mm).count();
    let near = within(&from_one) + within(&from_other);
    let far = [from_one, from_other].map(|distances| percentile(distances, 0.95));
    Some(SurfaceMeasures {
        nsd: near as f64 / all as f64,
        hd95_mm: match far {
            [Some(one), Some(other)] => Some(one.max(other)).filter(|mm| mm.is_finite()),
            _ => None,
        },
    })
}

/// First and last voxel along each axis of the box around both masks.
fn joint_box(one: &[bool], other: &[bool], size: [usize; 3]) -> Option<[[usize; 2]; 3]> {
    let mut found: Option<[[usize; 2]; 3]> = None;
    let columns = size[0].max(1);
    for (row, (one, other)) in one.chunks(columns).zip(other.chunks(columns)).enumerate() {
        let inside = |(one, other): (&bool, &bool)| *one || *other;
        let Some(first) = one.iter().zip(other).position(inside) else {
            continue;
        };
        let last = one.iter().zip(other).rposition(inside).unwrap_or(first);
        let here = [[first, last], [row % size[1]; 2], [row / size[1].max(1); 2]];
        let bounds = found.get_or_insert(here);
        for (bound, [low, high]) in bounds.iter_mut().zip(here) {
            *bound = [bound[0].min(low), bound[1].max(high)];
        }
    }
    found
}

/// The surface voxels of a mask within a box that holds all of it, and the size of the box.
fn surface_in(mask: &[bool], size: [usize; 3], around: [[usize; 2]; 3]) -> (Vec<bool>, [usize; 3]) {
    let strides = [1, size[0], size[0] * size[1]];
    let size_of_box = around.map(|[first, last]| last - first + 1);
    let mut surface = Vec::with_capacity(size_of_box.iter().product());
    for k in around[2][0]..=around[2][1] {
        for j in around[1][0]..=around[1][1] {
            for i in around[0][0]..=around[0][1] {
                let at = i + strides[1] * j + strides[2] * k;
                let buried = || {
                    [i, j, k].into_iter().enumerate().all(|(axis, n)| {
                        n > 0
                            && n + 1 < size[axis]
                            && mask[at - strides[axis]]
                            && mask[at + strides[axis]]
                    })
                };
                surface.push(mask[at] && !buried());
            }
        }
    }
    (surface, size_of_box)
}

/// Distance of each voxel of a surface to the nearest of another, mm.
fn distances(from: &[bool], to: &[bool], size: [usize; 3], spacing_mm: [f64; 3]) -> Vec<f64> {
    let squared = squared_distances(to, size, spacing_mm);
    let of_surface = from
        .iter()
        .zip(squared)
        .filter(|(is_surface, _)| **is_surface);
    of_surface.map(|(_, squared)| squared.sqrt()).collect()
}

/// The value below which `share` of the values lie, interpolated between two; none of no value.
fn percentile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = share * values.len().checked_sub(1)? as f64;
    let (low, high) = (
        values[place.floor() as usize],
        values[place.ceil() as usize],
    );
    if low == high {
        return Some(low);
    }
    Some(low + (high - low) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masks() -> impl Strategy<Value = (Vec<bool>, Vec<bool>, [usize; 3], [f64; 3])> {
        let mask = || prop::collection::vec(any::<bool>(), 5 * 5 * 5);
        let size = prop::array::uniform3(1usize..6);
        let spacing = prop::array::uniform3(0.4..5.0f64);
        (mask(), mask(), size, spacing).prop_map(|(one, other, size, spacing)| {
            let count: usize = size.iter().product();
            (
                one[..count].to_vec(),
                other[..count].to_vec(),
                size,
                spacing,
            )
        })
    }

    proptest! {
        #[test]
        fn which_mask_comes_first_does_not_matter((one, other, size, spacing) in masks()) {
            prop_assert_eq!(
                surface_measures(&one, &other, size, spacing, 2.0),
                surface_measures(&other, &one, size, spacing, 2.0)
            );
        }

        #[test]
        fn a_mask_is_at_no_distance_from_itself((mask, _, size, spacing) in masks()) {
            let found = surface_measures(&mask, &mask, size, spacing, 0.0);
            let whole = SurfaceMeasures { nsd: 1.0, hd95_mm: Some(0.0) };
            prop_assert_eq!(found, mask.contains(&true).then_some(whole));
        }

        #[test]
        fn a_greater_tolerance_never_counts_less((one, other, size, spacing) in masks(), mm in 0.0..8.0f64) {
            let nsd = |mm| surface_measures(&one, &other, size, spacing, mm).map(|found| found.nsd);
            prop_assert!(nsd(mm) <= nsd(mm + 1.0));
        }
    }

    #[test]
    fn a_moved_box_is_as_far_as_it_was_moved() {
        let size = [20, 12, 8];
        let cuboid = |from: usize| -> Vec<bool> {
            let inside = |n: usize| {
                let [i, j, k] = [n % 20, n / 20 % 12, n / 240];
                (from..from + 6).contains(&i) && (2..9).contains(&j) && (2..6).contains(&k)
            };
            (0..20 * 12 * 8).map(inside).collect()
        };
        let found = surface_measures(&cuboid(3), &cuboid(6), size, [2.0, 1.0, 1.5], 5.9);
        let found = found.expect("two masks");
        // The faces across the shift lie 6 mm apart; beside it, surfaces lie on each other.
        assert_eq!(found.hd95_mm, Some(6.0));
        assert!((0.5..0.8).contains(&found.nsd), "{}", found.nsd);
        let nothing = vec![false; 20 * 12 * 8];
        let missed = SurfaceMeasures {
            nsd: 0.0,
            hd95_mm: None,
        };
        assert_eq!(
            surface_measures(&nothing, &cuboid(3), size, [1.0; 3], 2.0),
            Some(missed)
        );
        assert_eq!(
            surface_measures(&nothing, &nothing, size, [1.0; 3], 2.0),
            None
        );
    }
}
