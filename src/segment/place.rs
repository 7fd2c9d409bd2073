//! Where a segment should be, by where the others are: what tells a vertebra from the next one.
//!
//! A network that sees a window of the body finds *a* vertebra, or half of two. In a reference it is known how its
//! segments lie to one another; of those that are found for sure in the query, each says where the others should be.
//! Not of the paper.
//!
//! The numbers were chosen on twelve drawn torsos that are not those of the model card (`evaluate --first 1000`): 0.670
//! without, 0.697 with them; 0.688 where structures count that the edge of a scan cuts off, which cost 0.008 on scans of
//! 60 mm. On those there is nothing to go by, and nothing is changed.

use super::confidence::decided;
use super::source_grid::{Probabilities, class_of};
use crate::tasks::{EmbeddedReference, LoadedTask, Place, Sums};
use crate::volume::Vec3;
use rayon::prelude::*;
use std::ops::Range;

/// Segments found less surely than this say nothing of where others are.
const SURE: f64 = 0.25;
/// Fewer of them say nothing either.
const LEAST_ANCHORS: usize = 3;
/// How far patients differ, at best: √2 standard deviations, mm.
const LEAST_DEVIATION_MM: f64 = 12.0;
/// Bodies are about as long as one another: as if this many anchors, 100 mm from the middle, said that the scale is 1.
const SAME_SIZE: f64 = 2.0;
/// Rounds of an alignment.
const ROUNDS: usize = 8;
/// A solid reaches this many standard deviations from its middle, along each axis, or nearly.
const EXTENT: f64 = 1.8;
/// What fits less than this, on average, was found by a misled network or a misled alignment; nobody knows which.
const UNBELIEVABLE: f64 = 0.05;
/// What fits as well as this is at its place: its outline is the network's.
const WELL_PLACED: f64 = 0.8;
/// Less likely than this, a class is not weighed at a voxel: no place would make much of it.
pub(super) const LIKELY: f32 = 0.02;
/// The odds of a place are changed by no more than these factors.
const FACTORS: (f64, f64) = (0.02, 4.0);

/// A segment that was found for sure, where it is in a reference and in the query.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    from: Vec3,
    to: Vec3,
    weight: f64,
}

/// Along each axis: `to = scale · from + shift`, and how far anchors are from that, mm.
#[derive(Debug, Clone, Copy)]
struct Alignment {
    scale: Vec3,
    shift: Vec3,
    deviation: Vec3,
}

/// Where a reference says that a segment should be.
#[derive(Debug, Clone, Copy)]
struct Expected {
    place: Place,
    alignment: Alignment,
    weight: f64,
}

/// Whether some task's references say where enough of its segments are.
pub(super) fn have_places(tasks: &[LoadedTask]) -> bool {
    let mut references = tasks.iter().flat_map(|task| &task.references);
    references.any(|reference| reference.places.len() > LEAST_ANCHORS)
}

/// Makes what was found more likely where the references say that it should be, and less likely elsewhere.
///
/// `winners` are what was found for each group, stray parts taken out; `weights` say for each class how much each
/// reference of its task counts, all alike where they are empty. Whether anything changed.
pub(super) fn by_place(
    found: &mut Probabilities,
    winners: &[Vec<u16>],
    tasks: &[LoadedTask],
    weights: &[Vec<f64>],
) -> bool {
    let seen = seen(found, winners);
    let likely = likely(found);
    let mut has_changed = false;
    let mut first = 0;
    for task in tasks {
        let classes = first..first + task.segments.len();
        first = classes.end;
        for class in classes.clone() {
            let weights = weights.get(class).filter(|weights| !weights.is_empty());
            let expected = task
                .references
                .iter()
                .enumerate()
                .filter_map(|(nth, reference)| {
                    let of_nth = |weights: &Vec<f64>| weights.get(nth).copied().unwrap_or(0.0);
                    let weight = weights.map_or(1.0, of_nth);
                    let (place, alignment) = placed(reference, class, &classes, &seen)?;
                    (weight > 0.0).then_some(Expected {
                        place,
                        alignment,
                        weight,
                    })
                });
            let expected: Vec<Expected> = expected.collect();
            if !expected.is_empty() {
                has_changed |= weigh(found, class, &likely[class], &expected);
            }
        }
    }
    has_changed
}

/// Where a reference of a task, which has those classes, shows a class, and how its positions are found in the query.
fn placed(
    reference: &EmbeddedReference,
    class: usize,
    classes: &Range<usize>,
    seen: &[Option<Seen>],
) -> Option<(Place, Alignment)> {
    // Of what is cut off by the edge of a scan nobody knows the middle.
    let whole = |class: usize| {
        let at = class - classes.start;
        reference.whole_ml.get(at).copied().flatten()?;
        reference.place(u16::try_from(at + 1).ok()?)
    };
    let anchor = |other: usize| {
        let here = seen[other].filter(|here| other != class && !here.at_edge)?;
        Some(Anchor {
            from: whole(other)?.middle,
            to: here.place.middle,
            weight: here.confidence,
        })
    };
    let anchors: Vec<Anchor> = classes.clone().filter_map(anchor).collect();
    Some((whole(class)?, align(&anchors)?))
}

/// A class that was found for sure.
#[derive(Debug, Clone, Copy)]
struct Seen {
    place: Place,
    confidence: f64,
    at_edge: bool,
}

fn seen(found: &Probabilities, winners: &[Vec<u16>]) -> Vec<Option<Seen>> {
    let confidences = decided(found, winners);
    let [columns, rows, slices] = found.geometry.size;
    let of_slice = |k: usize| {
        let mut of_class = vec![(Sums::default(), false); found.classes];
        let first = k * rows * columns;
        for won in winners {
            let won = &won[first..first + rows * columns];
            for (j, row) in won.chunks_exact(columns).enumerate() {
                for (i, &label) in row.iter().enumerate() {
                    let Some(class) = class_of(label) else {
                        continue;
                    };
                    let voxel = first + j * columns + i;
                    let weight = f64::from(found.values[voxel * found.classes + class]);
                    let position = found.geometry.to_patient([i, j, k].map(|n| n as f64));
                    let (sums, at_edge) = &mut of_class[class];
                    sums.add(position, weight);
                    *at_edge |= found.geometry.is_at_edge([i, j, k]);
                }
            }
        }
        of_class
    };
    let of_slices: Vec<Vec<(Sums, bool)>> = (0..slices).into_par_iter().map(of_slice).collect();
    // One after the other: the sum must not depend on threads.
    let mut sums = vec![Sums::default(); found.classes];
    let mut at_edge = vec![false; found.classes];
    for of_slice in &of_slices {
        for (class, (of_class, touches)) in of_slice.iter().enumerate() {
            sums[class].add_all(of_class);
            at_edge[class] |= touches;
        }
    }
    let all = sums.iter().zip(confidences).zip(at_edge);
    all.map(|((sums, confidence), at_edge)| {
        let confidence = confidence.overall();
        let place = sums.place().filter(|_| confidence >= SURE)?;
        Some(Seen {
            place,
            confidence,
            at_edge,
        })
    })
    .collect()
}

/// Least squares along each axis, again and again with less weight for what lies off.
fn align(anchors: &[Anchor]) -> Option<Alignment> {
    if anchors.len() < LEAST_ANCHORS {
        return None;
    }
    let (mut scale, mut shift, mut deviation) = ([1.0; 3], [0.0; 3], [0.0; 3]);
    for axis in 0..3 {
        let mut weights: Vec<f64> = anchors.iter().map(|anchor| anchor.weight).collect();
        for _ in 0..ROUNDS {
            let sum: f64 = weights.iter().sum();
            let mean = |value: &dyn Fn(&Anchor) -> f64| {
                let terms = anchors.iter().zip(&weights);
                terms
                    .map(|(anchor, weight)| weight * value(anchor))
                    .sum::<f64>()
                    / sum
            };
            let (from, to) = (mean(&|a| a.from[axis]), mean(&|a| a.to[axis]));
            let variance = mean(&|a| (a.from[axis] - from).powi(2));
            let together = mean(&|a| (a.from[axis] - from) * (a.to[axis] - to));
            let same_size = SAME_SIZE * 100.0f64.powi(2) / sum;
            scale[axis] = (together + same_size) / (variance + same_size);
            shift[axis] = to - scale[axis] * from;
            let off = |a: &Anchor| a.to[axis] - scale[axis] * a.from[axis] - shift[axis];
            deviation[axis] = mean(&|a| off(a).powi(2)).sqrt().max(LEAST_DEVIATION_MM);
            for (weight, anchor) in weights.iter_mut().zip(anchors) {
                let far = (off(anchor) / deviation[axis]).abs();
                *weight = anchor.weight / far.max(1.0).powi(2);
            }
        }
    }
    Some(Alignment {
        scale,
        shift,
        deviation,
    })
}

impl Alignment {
    /// How well a position fits a segment of that place in the reference: 1 within its extent, less the farther off.
    fn fits(&self, place: &Place, position: Vec3) -> f64 {
        let squares: f64 = (0..3)
            .map(|axis| {
                let middle = self.scale[axis] * place.middle[axis] + self.shift[axis];
                let extent = EXTENT * self.scale[axis] * place.spread[axis];
                let beyond = ((position[axis] - middle).abs() - extent).max(0.0);
                (beyond / self.deviation[axis]).powi(2)
            })
            .sum();
        (-squares).exp()
    }
}

/// For each class the voxels at which it is worth weighing.
fn likely(found: &Probabilities) -> Vec<Vec<usize>> {
    let voxels = found.values.par_chunks_exact(found.classes.max(1));
    let all: Vec<(usize, usize)> = voxels
        .enumerate()
        .flat_map_iter(|(voxel, values)| {
            let likely = values.iter().enumerate().filter(|(_, p)| **p > LIKELY);
            likely.map(move |(class, _)| (class, voxel))
        })
        .collect();
    let mut of_classes = vec![Vec::new(); found.classes];
    for (class, voxel) in all {
        of_classes[class].push(voxel);
    }
    of_classes
}

/// Multiplies a class's odds at its likely voxels by how well the voxel fits, over the mean of that over all that was
/// found; `false` where that is not to be believed, or changes nothing.
fn weigh(found: &mut Probabilities, class: usize, likely: &[usize], expected: &[Expected]) -> bool {
    let of_all: f64 = expected.iter().map(|expected| expected.weight).sum();
    let fit: Vec<f64> = likely
        .par_iter()
        .map(|voxel| {
            let place = found.geometry.voxel(*voxel);
            let position = found.geometry.to_patient(place.map(|n| n as f64));
            let fits = expected.iter().map(|expected| {
                expected.weight * expected.alignment.fits(&expected.place, position)
            });
            fits.sum::<f64>() / of_all
        })
        .collect();
    let (mut sum, mut of_fit) = (0.0, 0.0);
    for (voxel, fit) in likely.iter().zip(&fit) {
        let p = f64::from(found.values[voxel * found.classes + class]);
        sum += p;
        of_fit += p * fit;
    }
    // Where nothing that was found fits, the alignment is not to be believed.
    let mean = if sum > 0.0 { of_fit / sum } else { 0.0 };
    if !(UNBELIEVABLE..WELL_PLACED).contains(&mean) {
        return false;
    }
    for (voxel, fit) in likely.iter().zip(&fit) {
        let p = &mut found.values[voxel * found.classes + class];
        let factor = (fit / mean).clamp(FACTORS.0, FACTORS.1);
        let odds = f64::from(*p) / (1.0 - f64::from(*p)).max(1e-6) * factor;
        *p = (odds / (1.0 + odds)) as f32;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Geometry;
    use proptest::prelude::*;

    fn anchor(from: Vec3, to: Vec3) -> Anchor {
        Anchor {
            from,
            to,
            weight: 0.8,
        }
    }

    proptest! {
        #[test]
        fn another_patient_in_another_position_is_found_and_one_wrong_anchor_hardly_counts(
            scale in prop::array::uniform3(0.85f64..1.18),
            shift in prop::array::uniform3(-300.0f64..300.0),
            wrong in prop::array::uniform3(-250.0f64..250.0),
        ) {
            let there = |from: Vec3| -> Vec3 { std::array::from_fn(|a| scale[a] * from[a] + shift[a]) };
            let organs: Vec<Vec3> = vec![
                [-80.0, -20.0, 60.0], [90.0, 30.0, 70.0], [60.0, -60.0, 40.0], [-60.0, 50.0, -30.0],
                [65.0, 50.0, -20.0], [0.0, 20.0, 0.0], [5.0, 60.0, 40.0],
            ];
            let mut anchors: Vec<Anchor> = organs.iter().map(|&from| anchor(from, there(from))).collect();
            anchors[3].to = wrong;
            let found = align(&anchors).unwrap();
            for axis in 0..3 {
                for from in [-60.0, 0.0, 60.0] {
                    let off = found.scale[axis] * from + found.shift[axis] - (scale[axis] * from + shift[axis]);
                    prop_assert!(off.abs() < 25.0, "{off} mm off along axis {axis}");
                }
            }
        }
    }

    #[test]
    fn two_anchors_say_nothing() {
        let anchors = [anchor([0.0; 3], [0.0; 3]), anchor([9.0; 3], [9.0; 3])];
        assert!(align(&anchors).is_none());
    }

    /// Three vertebrae, one above the other, each found as likely as the next; where the middle one should be.
    fn spine(likely: [f32; 3]) -> (Probabilities, Vec<Expected>) {
        let geometry = Geometry::axial([3, 3, 24], [5.0; 3], [0.0; 3]);
        let of_slice = |k: usize| match k % 8 {
            1..7 => likely[k / 8],
            _ => 0.0,
        };
        let values = (0..geometry.len())
            .map(|voxel| of_slice(voxel / 9))
            .collect();
        let found = Probabilities {
            geometry,
            classes: 1,
            values,
            beyond: vec![0.0],
        };
        let place = Place {
            middle: [5.0, 5.0, 57.5],
            spread: [4.0, 4.0, 8.5],
        };
        let alignment = Alignment {
            scale: [1.0; 3],
            shift: [0.0; 3],
            deviation: [LEAST_DEVIATION_MM; 3],
        };
        let weight = 1.0;
        (
            found,
            vec![Expected {
                place,
                alignment,
                weight,
            }],
        )
    }

    fn in_middles(found: &Probabilities) -> [f32; 3] {
        [4, 12, 20].map(|k| found.values[9 * k + 4])
    }

    #[test]
    fn of_vertebrae_that_look_alike_the_one_at_its_place_is_taken() {
        let (mut found, expected) = spine([0.4; 3]);
        let likely = likely(&found);
        assert!(weigh(&mut found, 0, &likely[0], &expected));
        let [below, middle, above] = in_middles(&found);
        assert!(
            middle > 0.6 && below < 0.2 && above < 0.2,
            "{below} {middle} {above}"
        );
    }

    #[test]
    fn what_is_at_its_place_keeps_its_outline_and_what_is_nowhere_near_is_left_alone() {
        for likely in [[0.0, 0.9, 0.0], [0.0, 0.0, 0.9]] {
            let (mut found, mut expected) = spine(likely);
            if likely[1] == 0.0 {
                expected[0].alignment.shift = [0.0, 0.0, -200.0];
            }
            let before = found.values.clone();
            let likely = self::likely(&found);
            assert!(!weigh(&mut found, 0, &likely[0], &expected));
            assert_eq!(found.values, before);
        }
    }
}
