//! Order and regularity of slices, from their positions alone.

use crate::volume::{Vec3, cross, dot, norm};

/// Fewest slices of a volume: the regularity of one distance cannot be seen.
pub(super) const FEWEST_SLICES: usize = 3;
/// Largest angle between slices of one orientation, rad: half a millimetre at the far side of a 500 mm image.
pub(super) const PARALLEL: f64 = 1e-3;
/// Slices nearer than this along the normal are at one position, mm.
const SAME_POSITION: f64 = 0.01;
/// A distance is regular within this share of the usual one, or within [`STEP_MM`], whichever is more.
const STEP_SHARE: f64 = 0.01;
/// Positions are often written to a hundredth of a millimetre: both ends may be rounded.
const STEP_MM: f64 = 0.02;
/// How far a slice may be from its place in the regular stack, as a share of the distance: small
/// irregularities must not add up.
const DRIFT_SHARE: f64 = 0.05;
/// How far a slice may lie beside the normal through the first slice, mm.
const SIDEWAYS_MM: f64 = 0.1;
/// Largest angle that a stack may lean by: no gantry tilts further.
const STEEPEST_DEGREES: f64 = 45.0;

/// A regular stack.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stack {
    /// Slices in the order of their projection on the normal.
    pub(super) order: Vec<usize>,
    /// Distance between the centres of slices on the way through the stack, mm.
    pub(super) step: f64,
    /// Row direction, column direction and the way from slice to slice: the slice normal of a right-handed system,
    /// or leaning from it by the tilt of the gantry.
    pub(super) direction: [Vec3; 3],
    /// Angle between that way and the normal, degrees.
    pub(super) tilt: f64,
}

/// Why positions are no regular stack. Slices are named by their index in what was given.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum NoStack {
    TooFew,
    NoDirection {
        slice: usize,
    },
    Turned {
        slices: Vec<usize>,
        degrees: f64,
    },
    SeveralVolumes {
        volumes: usize,
        slices: usize,
        /// Those at the first position.
        first: Vec<usize>,
    },
    Duplicates {
        duplicates: usize,
        at: f64,
        slices: Vec<usize>,
    },
    Missing {
        missing: usize,
        before: usize,
        after: usize,
        gap: f64,
        step: f64,
        gaps: usize,
    },
    Irregular {
        smallest: f64,
        largest: f64,
        usual: f64,
        slice: usize,
    },
    Tilted {
        degrees: f64,
    },
    Shifted {
        by: f64,
        slice: usize,
    },
}

/// Orders slices by the projection of Image Position (Patient) on the slice normal and checks that they are
/// parallel, distinct, equally spaced and over one another, or each shifted by the same against the one before
/// (PS3.3 C.7.6.2.1.1). Instance numbers play no part.
///
/// `orientations` are Image Orientation (Patient) as row and column direction, `positions` Image Position
/// (Patient), mm, one per slice.
pub(super) fn stack(orientations: &[[Vec3; 2]], positions: &[Vec3]) -> Result<Stack, NoStack> {
    if positions.len() < FEWEST_SLICES || orientations.len() != positions.len() {
        return Err(NoStack::TooFew);
    }
    let mut axes = Vec::with_capacity(orientations.len());
    for (slice, orientation) in orientations.iter().enumerate() {
        axes.push(right_handed(*orientation).ok_or(NoStack::NoDirection { slice })?);
    }
    let direction = axes[0];
    check_parallel(&axes)?;
    let normal = direction[2];
    let height: Vec<f64> = positions.iter().map(|p| dot(*p, normal)).collect();
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by(|&a, &b| height[a].total_cmp(&height[b]));
    check_distinct(&order, &height)?;
    let lean = lean(&order, positions, &height, normal)?;
    let step = regular_step(&order, &height)?;
    let way: Vec3 = std::array::from_fn(|axis| normal[axis] + lean[axis]);
    let stretch = norm(way);
    Ok(Stack {
        order,
        step: step * stretch,
        direction: [direction[0], direction[1], way.map(|x| x / stretch)],
        tilt: norm(lean).atan().to_degrees(),
    })
}

/// Unit axes at right angles from two directions that are so up to a file's rounding.
pub(super) fn right_handed([row, column]: [Vec3; 2]) -> Option<[Vec3; 3]> {
    let (row_length, column_length) = (norm(row), norm(column));
    let unit = |length: f64| (length - 1.0).abs() < 1e-2;
    if !(unit(row_length) && unit(column_length)) {
        return None;
    }
    let row = row.map(|x| x / row_length);
    let column = column.map(|x| x / column_length);
    let along = dot(row, column);
    if along.abs() > 1e-2 {
        return None;
    }
    let across: Vec3 = std::array::from_fn(|axis| column[axis] - along * row[axis]);
    let length = norm(across);
    let column = across.map(|x| x / length);
    Some([row, column, cross(row, column)])
}

/// Whether slices of two orientations are parallel and turned the same way.
pub(super) fn are_parallel(one: [Vec3; 2], other: [Vec3; 2]) -> bool {
    match (right_handed(one), right_handed(other)) {
        (Some(one), Some(other)) => angle(&one, &other) <= PARALLEL,
        _ => one == other,
    }
}

/// The larger of the angles between two systems' rows and columns, rad.
fn angle(one: &[Vec3; 3], other: &[Vec3; 3]) -> f64 {
    let chord = |axis: usize| norm(difference(one[axis], other[axis])) / 2.0;
    2.0 * chord(0).max(chord(1)).min(1.0).asin()
}

fn check_parallel(axes: &[[Vec3; 3]]) -> Result<(), NoStack> {
    let angles: Vec<f64> = axes.iter().map(|other| angle(&axes[0], other)).collect();
    let turned: Vec<usize> = (0..axes.len())
        .filter(|&slice| angles[slice] > PARALLEL)
        .collect();
    if turned.is_empty() {
        return Ok(());
    }
    Err(NoStack::Turned {
        slices: turned,
        degrees: angles.iter().copied().fold(0.0, f64::max).to_degrees(),
    })
}

fn check_distinct(order: &[usize], height: &[f64]) -> Result<(), NoStack> {
    let mut places: Vec<Vec<usize>> = Vec::new();
    for &slice in order {
        match places.last_mut() {
            Some(place) if height[slice] - height[place[0]] < SAME_POSITION => place.push(slice),
            _ => places.push(vec![slice]),
        }
    }
    let Some(first) = places.iter().find(|place| place.len() > 1) else {
        return Ok(());
    };
    let per_place = places[0].len();
    if places.len() > 1 && places.iter().all(|place| place.len() == per_place) {
        return Err(NoStack::SeveralVolumes {
            volumes: per_place,
            slices: places.len(),
            first: places.swap_remove(0),
        });
    }
    Err(NoStack::Duplicates {
        duplicates: order.len() - places.len(),
        at: height[first[0]],
        slices: first.clone(),
    })
}

/// How far the stack goes aside for each millimetre along the normal, mm: nothing for slices over one another, the
/// tangent of the angle where the gantry was tilted.
fn lean(
    order: &[usize],
    positions: &[Vec3],
    height: &[f64],
    normal: Vec3,
) -> Result<Vec3, NoStack> {
    let first = order[0];
    let sideways = |slice: usize| -> Vec3 {
        let way = difference(positions[slice], positions[first]);
        let up = dot(way, normal);
        std::array::from_fn(|axis| way[axis] - up * normal[axis])
    };
    let by = order
        .iter()
        .map(|&slice| norm(sideways(slice)))
        .fold(0.0, f64::max);
    if by <= SIDEWAYS_MM {
        return Ok([0.0; 3]);
    }
    let last = order[order.len() - 1];
    let lean = sideways(last).map(|x| x / (height[last] - height[first]));
    let off_line = |slice: usize| {
        let up = height[slice] - height[first];
        let place = sideways(slice);
        norm(std::array::from_fn(|axis| place[axis] - up * lean[axis]))
    };
    if order.iter().any(|&slice| off_line(slice) > SIDEWAYS_MM) {
        let slice = order
            .iter()
            .copied()
            .find(|&slice| norm(sideways(slice)) > SIDEWAYS_MM);
        return Err(NoStack::Shifted {
            by,
            slice: slice.unwrap_or(first),
        });
    }
    let degrees = norm(lean).atan().to_degrees();
    if degrees > STEEPEST_DEGREES {
        return Err(NoStack::Tilted { degrees });
    }
    Ok(lean)
}

fn regular_step(order: &[usize], height: &[f64]) -> Result<f64, NoStack> {
    let steps: Vec<f64> = order
        .windows(2)
        .map(|pair| height[pair[1]] - height[pair[0]])
        .collect();
    let mut sorted = steps.clone();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted[sorted.len() / 2];
    let tolerance = (usual * STEP_SHARE).max(STEP_MM);
    let regular = |step: f64, times: f64| (step - times * usual).abs() <= tolerance * times;
    // With a gap the usual distance is the smaller one, also where half the distances are gaps.
    let smallest = sorted[0];
    let gap_free = |step: f64| (step - smallest).abs() <= (smallest * STEP_SHARE).max(STEP_MM);
    let multiple = |step: f64| (step / smallest).round();
    let whole = |step: f64| {
        let times = multiple(step);
        (step - times * smallest).abs() <= (smallest * STEP_SHARE).max(STEP_MM) * times
    };
    let gaps: Vec<usize> = (0..steps.len())
        .filter(|&at| !gap_free(steps[at]))
        .collect();
    let irregular = |at: usize| NoStack::Irregular {
        smallest,
        largest: sorted[sorted.len() - 1],
        usual,
        slice: order[at],
    };
    if let Some(&first) = gaps.iter().find(|&&at| multiple(steps[at]) >= 2.0)
        && steps.iter().all(|&step| whole(step))
    {
        return Err(NoStack::Missing {
            missing: gaps
                .iter()
                .map(|&at| multiple(steps[at]) as usize - 1)
                .sum(),
            before: order[first],
            after: order[first + 1],
            gap: steps[first],
            step: smallest,
            gaps: gaps.len(),
        });
    }
    if let Some(at) = (0..steps.len()).find(|&at| !regular(steps[at], 1.0)) {
        return Err(irregular(at));
    }
    let bottom = height[order[0]];
    let step = (height[order[order.len() - 1]] - bottom) / steps.len() as f64;
    let drift = (step * DRIFT_SHARE).max(STEP_MM);
    let off = |at: &usize| (height[order[*at]] - bottom - *at as f64 * step).abs() > drift;
    match (0..order.len()).find(off) {
        Some(at) => Err(irregular(at)),
        None => Ok(step),
    }
}

fn difference(a: Vec3, b: Vec3) -> Vec3 {
    std::array::from_fn(|axis| a[axis] - b[axis])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A right-handed orthonormal frame from a row direction and something not parallel to it.
    fn any_axes() -> impl Strategy<Value = [Vec3; 3]> {
        (
            prop::array::uniform3(-1.0..1.0f64),
            prop::array::uniform3(-1.0..1.0f64),
        )
            .prop_filter_map("no frame", |(a, b)| {
                let across = cross(a, b);
                (norm(a) > 0.1 && norm(across) > 0.05).then(|| {
                    let row = a.map(|x| x / norm(a));
                    let normal = across.map(|x| x / norm(across));
                    [row, cross(normal, row), normal]
                })
            })
    }

    fn at(origin: Vec3, axes: [Vec3; 3], up: f64, aside: f64) -> Vec3 {
        std::array::from_fn(|axis| origin[axis] + up * axes[2][axis] + aside * axes[0][axis])
    }

    prop_compose! {
        fn any_stack()(
            axes in any_axes(), count in 3usize..60, step in 0.3..8.0f64,
            origin in prop::array::uniform3(-500.0..500.0f64), seed in any::<u64>(),
        ) -> (Vec<Vec3>, [Vec3; 3], f64, Vec<usize>) {
            let positions: Vec<Vec3> = (0..count).map(|k| at(origin, axes, k as f64 * step, 0.0)).collect();
            let mut arrival: Vec<usize> = (0..count).collect();
            arrival.sort_by_key(|&k| (k as u64 + 1).wrapping_mul(seed | 1));
            (positions, axes, step, arrival)
        }
    }

    fn arrive(
        positions: &[Vec3],
        axes: [Vec3; 3],
        arrival: &[usize],
    ) -> (Vec<[Vec3; 2]>, Vec<Vec3>) {
        let positions: Vec<Vec3> = arrival.iter().map(|&k| positions[k]).collect();
        (vec![[axes[0], axes[1]]; positions.len()], positions)
    }

    proptest! {
        #[test]
        fn any_arrival_order_gives_one_stack((positions, axes, step, arrival) in any_stack()) {
            let (orientations, arrived) = arrive(&positions, axes, &arrival);
            let stack = stack(&orientations, &arrived).unwrap();
            let sorted: Vec<usize> = stack.order.iter().map(|&at| arrival[at]).collect();
            prop_assert_eq!(sorted, (0..positions.len()).collect::<Vec<_>>());
            prop_assert!((stack.step - step).abs() < 1e-6);
            for (found, made) in stack.direction.into_iter().zip(axes) {
                prop_assert!(norm(difference(found, made)) < 1e-6);
            }
        }

        #[test]
        fn a_missing_slice_is_counted_and_placed((mut positions, axes, step, _) in any_stack(), which in any::<prop::sample::Index>()) {
            prop_assume!(positions.len() > 4);
            let missing = 1 + which.index(positions.len() - 2);
            positions.remove(missing);
            let (orientations, arrived) = arrive(&positions, axes, &(0..positions.len()).collect::<Vec<_>>());
            match stack(&orientations, &arrived) {
                Err(NoStack::Missing { missing: 1, before, after, gap, gaps: 1, .. }) => {
                    prop_assert_eq!((before, after), (missing - 1, missing));
                    prop_assert!((gap - 2.0 * step).abs() < 1e-6);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn one_slice_twice_is_a_duplicate_and_all_twice_are_two_volumes((positions, axes, _, arrival) in any_stack()) {
            let mut once_more = positions.clone();
            once_more.push(positions[positions.len() / 2]);
            let all: Vec<usize> = (0..once_more.len()).collect();
            let (orientations, arrived) = arrive(&once_more, axes, &all);
            let error = stack(&orientations, &arrived).unwrap_err();
            prop_assert!(matches!(error, NoStack::Duplicates { duplicates: 1, .. }), "{:?}", error);

            let twice: Vec<usize> = arrival.iter().chain(&arrival).copied().collect();
            let (orientations, arrived) = arrive(&positions, axes, &twice);
            let error = stack(&orientations, &arrived).unwrap_err();
            let two = matches!(&error, NoStack::SeveralVolumes { volumes: 2, slices, first } if *slices == positions.len() && first.len() == 2);
            prop_assert!(two, "{:?}", error);
        }

        #[test]
        fn a_slice_out_of_place_is_never_let_through((mut positions, axes, step, arrival) in any_stack(), which in any::<prop::sample::Index>(), by in 0.06..0.94f64) {
            let moved = which.index(positions.len());
            let shift = (by * step).max(0.05);
            positions[moved] = at(positions[moved], axes, shift, 0.0);
            let (orientations, arrived) = arrive(&positions, axes, &arrival);
            prop_assume!(positions.len() > 3);
            prop_assert!(stack(&orientations, &arrived).is_err());
        }

        #[test]
        fn a_tilted_gantry_is_a_leaning_stack((positions, axes, step, arrival) in any_stack(), degrees in 2.0..80.0f64) {
            let lean = degrees.to_radians().tan() * step;
            let sheared: Vec<Vec3> = positions.iter().enumerate().map(|(k, p)| at(*p, axes, 0.0, lean * k as f64)).collect();
            let (orientations, arrived) = arrive(&sheared, axes, &arrival);
            match stack(&orientations, &arrived) {
                // Small steps of few slices stay within the tolerance.
                Ok(stack) if stack.tilt == 0.0 => prop_assert!(lean * (positions.len() - 1) as f64 <= SIDEWAYS_MM),
                Ok(stack) => {
                    prop_assert!((stack.tilt - degrees).abs() < 1e-6);
                    for (k, &slice) in stack.order.iter().enumerate() {
                        let way = k as f64 * stack.step;
                        let place: Vec3 = std::array::from_fn(|axis| sheared[0][axis] + way * stack.direction[2][axis]);
                        prop_assert!(norm(difference(place, arrived[slice])) < 1e-6);
                    }
                }
                Err(NoStack::Tilted { degrees: found }) => prop_assert!(found > STEEPEST_DEGREES && (found - degrees).abs() < 1e-6),
                other => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn one_turned_slice_is_noticed((positions, axes, _, arrival) in any_stack(), angle in 0.002..3.0f64) {
            let (mut orientations, arrived) = arrive(&positions, axes, &arrival);
            let (sin, cos) = angle.sin_cos();
            orientations[1][0] = std::array::from_fn(|axis| cos * axes[0][axis] + sin * axes[1][axis]);
            orientations[1][1] = std::array::from_fn(|axis| cos * axes[1][axis] - sin * axes[0][axis]);
            match stack(&orientations, &arrived) {
                Err(NoStack::Turned { slices, degrees }) => {
                    prop_assert_eq!(slices, vec![1]);
                    prop_assert!((degrees - angle.to_degrees()).abs() < 0.01);
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn nothing_in_the_numbers_makes_it_panic(
            orientations in prop::collection::vec(prop::array::uniform2(prop::array::uniform3(any::<f64>())), 0..6),
            positions in prop::collection::vec(prop::array::uniform3(any::<f64>()), 0..6),
        ) {
            let _ = stack(&orientations, &positions);
        }
    }

    #[test]
    fn slices_pushed_aside_each_in_its_own_way_are_no_tilt() {
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let positions: Vec<Vec3> = (0..6u8)
            .map(|k| [if k == 3 { 4.0 } else { 0.0 }, 0.0, f64::from(k) * 2.0])
            .collect();
        let error = stack(&[[axes[0], axes[1]]; 6], &positions).unwrap_err();
        assert_eq!(error, NoStack::Shifted { by: 4.0, slice: 3 });
    }

    #[test]
    fn positions_rounded_to_hundredths_are_regular() {
        let positions: Vec<Vec3> = (0..200)
            .map(|k| [0.0, 0.0, (f64::from(k) * 0.625 * 100.0).round() / 100.0])
            .collect();
        let orientations = vec![[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]; 200];
        let found = stack(&orientations, &positions).unwrap();
        assert!((found.step - 0.625).abs() < 1e-3);
    }
}
