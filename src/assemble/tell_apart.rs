//! Which attributes tell apart the volumes of slices that are on one grid and not one stack.

use std::collections::{BTreeMap, HashMap};

use super::slice_header::SliceHeader;
use super::stacking::FEWEST_SLICES;
use super::volumes::{Part, one_volume};
use crate::volume::{Vec3, cross, dot};

/// Most attributes that together tell volumes apart.
const MOST_KEYWORDS: usize = 3;
/// Least share of a volume's height at which another of the series lies: else they are parts of one.
const LEAST_OVERLAP: f64 = 0.5;

/// Parts slices by the fewest attributes that make regular stacks of them, all at the same place.
pub(super) fn by_traits(slices: &[SliceHeader], some: &[usize]) -> Option<Vec<Part>> {
    let keywords = differing(slices, some);
    for count in 1..=MOST_KEYWORDS {
        let mut best: Option<Vec<Part>> = None;
        for chosen in combinations(keywords.len(), count) {
            let chosen: Vec<&Keyword> = chosen.iter().map(|&at| &keywords[at]).collect();
            let most = best.as_ref().map_or(usize::MAX, Vec::len);
            if let Some(parts) = parted(slices, some, &chosen, most) {
                best = Some(parts);
            }
        }
        if best.is_some() {
            return best;
        }
    }
    None
}

/// A keyword in which slices differ, with each slice's value as a number (0 where it has none).
struct Keyword {
    keyword: &'static str,
    values: Vec<String>,
    of_slice: Vec<usize>,
}

fn differing(slices: &[SliceHeader], some: &[usize]) -> Vec<Keyword> {
    let mut found: Vec<Keyword> = Vec::new();
    let mut known: Vec<HashMap<String, usize>> = Vec::new();
    for (row, &at) in some.iter().enumerate() {
        for (keyword, value) in &slices[at].traits {
            let column = match found.iter().position(|k| k.keyword == *keyword) {
                Some(column) => column,
                None => {
                    found.push(Keyword {
                        keyword,
                        values: vec![String::new()],
                        of_slice: vec![0; some.len()],
                    });
                    known.push(HashMap::new());
                    found.len() - 1
                }
            };
            let own = &mut found[column];
            let number = *known[column].entry(value.clone()).or_insert_with(|| {
                own.values.push(value.clone());
                own.values.len() - 1
            });
            own.of_slice[row] = number;
        }
    }
    // Each part has slices enough, so there cannot be too many.
    let most = some.len() / FEWEST_SLICES;
    found.retain(|k| {
        let missing = usize::from(k.of_slice.contains(&0));
        let kinds = k.values.len() - 1 + missing;
        (2..=most).contains(&kinds)
    });
    found
}

/// All ways to take `count` of `of`, in order.
fn combinations(of: usize, count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    (0..of)
        .flat_map(|last| {
            combinations(last, count - 1)
                .into_iter()
                .map(move |mut chosen| {
                    chosen.push(last);
                    chosen
                })
        })
        .collect()
}

/// The parts by some keywords, fewer than `fewer_than`, if every one is a regular stack and they lie at one place.
fn parted(
    slices: &[SliceHeader],
    some: &[usize],
    keywords: &[&Keyword],
    fewer_than: usize,
) -> Option<Vec<Part>> {
    let mut groups: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for (row, &at) in some.iter().enumerate() {
        let key = keywords.iter().map(|k| k.of_slice[row]).collect();
        groups.entry(key).or_default().push(at);
    }
    if groups.len() < 2
        || groups.len() >= fewer_than
        || groups.values().any(|part| part.len() < FEWEST_SLICES)
    {
        return None;
    }
    let mut parts = Vec::with_capacity(groups.len());
    for (key, part) in groups {
        let stack = one_volume(slices, &part).ok()?;
        let told_by = keywords.iter().zip(&key);
        parts.push(Part {
            told_by: told_by
                .map(|(k, &value)| (k.keyword, k.values[value].clone()))
                .collect(),
            slices: part,
            stack: Ok(stack),
        });
    }
    at_one_place(slices, &parts).then_some(parts)
}

/// Whether each part lies, for most of its height, where others lie: stations one after the other, or the two sides
/// of a gap, are one volume with something wrong.
fn at_one_place(slices: &[SliceHeader], parts: &[Part]) -> bool {
    let [row, column]: [Vec3; 2] = slices[parts[0].slices[0]].orientation;
    let normal = cross(row, column);
    let ranges: Vec<[f64; 2]> = parts
        .iter()
        .map(|part| {
            let heights = part
                .slices
                .iter()
                .map(|&at| dot(slices[at].position, normal));
            heights.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], h| {
                [low.min(h), high.max(h)]
            })
        })
        .collect();
    ranges.iter().enumerate().all(|(own, [low, high])| {
        ranges.iter().enumerate().any(|(other, [bottom, top])| {
            own != other && high.min(*top) - low.max(*bottom) >= LEAST_OVERLAP * (high - low)
        })
    })
}
