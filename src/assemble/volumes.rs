//! The volumes of a series, and the one to take.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::AssembleError;
use super::alike::{check_alike, in_words, names, same_grid};
use super::slice_header::SliceHeader;
use super::stacking::{FEWEST_SLICES, Stack, stack};
use super::tell_apart::by_traits;
use super::volume_choice::{VolumeChoice, is_value};

/// Most volumes that a sentence lists.
const LISTED: usize = 8;

/// The slices that make the volume taken.
#[derive(Debug)]
pub(super) struct Taken {
    /// Indices of slices in the order of the stack.
    pub(super) slices: Vec<usize>,
    pub(super) stack: Stack,
    /// Further copies of images of the series by their headers, and what they are copies of. Whether their pixels are
    /// the same is for whoever reads pixels.
    pub(super) copies: Vec<CopyOf>,
    /// What was left out, in sentences for the record.
    pub(super) notes: Vec<String>,
}

/// Indices of a slice and of the one that it seems to be a copy of.
#[derive(Debug, Clone, Copy)]
pub(super) struct CopyOf {
    pub(super) copy: usize,
    pub(super) of: usize,
}

/// One volume of several.
pub(super) struct Part {
    pub(super) slices: Vec<usize>,
    /// What tells it apart: keyword and value.
    pub(super) told_by: Vec<(&'static str, String)>,
    pub(super) stack: Result<Stack, AssembleError>,
}

/// Finds the volumes of a series and takes the one chosen.
///
/// Slices that make one regular stack are one volume, whatever their attributes say. Else they are several where
/// they differ in grid, or where up to three attributes part them into regular stacks that lie at the same place;
/// a series that is neither is refused for what it is as a whole.
pub(super) fn take(slices: &[SliceHeader], choice: &VolumeChoice) -> Result<Taken, AssembleError> {
    let mut notes = Vec::new();
    let (all, copies) = without_copies(slices, &mut notes)?;
    let all = without_localisers(slices, all, &mut notes);
    let whole = match one_volume(slices, &all) {
        Ok(stack) => return Ok(taken(&all, stack, copies, notes)),
        Err(whole) => whole,
    };
    let Some(mut parts) = divide(slices, &all) else {
        return Err(whole);
    };
    parts.sort_by(by_what_tells_apart);
    let listed = list(&parts);
    let refused = |asked: String| AssembleError::VolumeChoice {
        listed: listed.clone(),
        first: names(&first_of_each(slices, &parts)),
        asked,
    };
    let at = match choice {
        VolumeChoice::Fullest => fullest(slices, &parts, |_| true),
        VolumeChoice::Only => {
            return Err(refused(
                "the rule takes series of one volume only (`volume`)".into(),
            ));
        }
        VolumeChoice::Nth(n) => n.checked_sub(1).filter(|&at| at < parts.len()),
        VolumeChoice::Where(values) => fullest(slices, &parts, |part| has(slices, part, values)),
    };
    let Some(at) = at else {
        return Err(refused(format!(
            "none of them is the one asked for ({choice})"
        )));
    };
    notes.push(format!(
        "of {listed}, the one of {} was taken",
        described(&parts[at])
    ));
    let part = parts.swap_remove(at);
    Ok(taken(&part.slices, part.stack?, copies, notes))
}

fn taken(slices: &[usize], stack: Stack, copies: Vec<CopyOf>, mut notes: Vec<String>) -> Taken {
    if stack.tilt > 0.0 {
        notes.push(format!(
            "the gantry was tilted by {:.1} degrees",
            stack.tilt
        ));
    }
    Taken {
        slices: stack.order.iter().map(|&at| slices[at]).collect(),
        stack,
        copies,
        notes,
    }
}

/// All slices in an order that does not depend on arrival, without second copies of an instance, and those copies.
fn without_copies(
    slices: &[SliceHeader],
    notes: &mut Vec<String>,
) -> Result<(Vec<usize>, Vec<CopyOf>), AssembleError> {
    let mut all: Vec<usize> = (0..slices.len()).collect();
    all.sort_by(|&a, &b| numbered(&slices[a]).cmp(&numbered(&slices[b])));
    let mut first: HashMap<(&str, Option<u32>), usize> = HashMap::new();
    let mut copies = Vec::new();
    let mut kept = Vec::with_capacity(all.len());
    for at in all {
        let slice = &slices[at];
        if slice.sop_instance_uid.is_empty() {
            kept.push(at);
            continue;
        }
        match first.get(&(slice.sop_instance_uid.as_str(), slice.frame)) {
            None => {
                first.insert((&slice.sop_instance_uid, slice.frame), at);
                kept.push(at);
            }
            Some(&of) if same_image(slice, &slices[of]) => copies.push(CopyOf { copy: at, of }),
            Some(_) => return Err(another_of_its_name(slice)),
        }
    }
    if !copies.is_empty() {
        notes.push(format!(
            "{} images were there more than once and are counted once",
            copies.len()
        ));
    }
    Ok((kept, copies))
}

/// What is wrong with a slice that has the SOP Instance UID of another image.
pub(super) fn another_of_its_name(slice: &SliceHeader) -> AssembleError {
    AssembleError::Unsupported {
        slice: slice.name(),
        reason:
            "another image of the series has its SOP Instance UID, so no result can refer to either"
                .into(),
    }
}

/// Where the scanner counts a slice.
fn numbered(slice: &SliceHeader) -> (Option<i64>, Option<u32>, &str) {
    let SliceHeader {
        instance_number,
        frame,
        sop_instance_uid,
        ..
    } = slice;
    (*instance_number, *frame, sop_instance_uid)
}

fn same_image(one: &SliceHeader, other: &SliceHeader) -> bool {
    one.position == other.position
        && one.orientation == other.orientation
        && one.size == other.size
        && one.stored == other.stored
        && one.rescale == other.rescale
}

/// Localisers that lie beside other slices are no part of the volume.
fn without_localisers(
    slices: &[SliceHeader],
    all: Vec<usize>,
    notes: &mut Vec<String>,
) -> Vec<usize> {
    let (localisers, others): (Vec<usize>, Vec<usize>) =
        all.iter().partition(|&&at| slices[at].localiser);
    if localisers.is_empty() || others.is_empty() {
        return all;
    }
    let which: Vec<&SliceHeader> = localisers.iter().map(|&at| &slices[at]).collect();
    notes.push(format!(
        "{} localisers were left out ({})",
        which.len(),
        names(&which)
    ));
    others
}

/// The stack that some slices make.
pub(super) fn one_volume(slices: &[SliceHeader], some: &[usize]) -> Result<Stack, AssembleError> {
    let some: Vec<&SliceHeader> = some.iter().map(|&at| &slices[at]).collect();
    check_alike(&some)?;
    let orientations: Vec<_> = some.iter().map(|slice| slice.orientation).collect();
    let positions: Vec<_> = some.iter().map(|slice| slice.position).collect();
    stack(&orientations, &positions).map_err(|no| in_words(no, &some))
}

/// The volumes of slices that are not one; `None` when they are not several either.
fn divide(slices: &[SliceHeader], all: &[usize]) -> Option<Vec<Part>> {
    let grids = by_grid(slices, all);
    if let [one] = grids.as_slice() {
        return by_traits(slices, one);
    }
    // A few slices that differ are no volume: something is wrong with them.
    if grids.iter().any(|grid| grid.len() < FEWEST_SLICES) {
        return None;
    }
    let mut parts = Vec::new();
    for grid in &grids {
        let of_grid = grid_told_by(slices, &grids, grid);
        let stack = one_volume(slices, grid);
        let several = match stack {
            Ok(_) => None,
            Err(_) => by_traits(slices, grid),
        };
        match several {
            Some(several) => parts.extend(several.into_iter().map(|part| Part {
                told_by: of_grid.iter().cloned().chain(part.told_by).collect(),
                ..part
            })),
            None => parts.push(Part {
                slices: grid.clone(),
                told_by: of_grid,
                stack,
            }),
        }
    }
    Some(parts)
}

/// Slices of one size, spacing, orientation, unit and frame of reference.
fn by_grid(slices: &[SliceHeader], all: &[usize]) -> Vec<Vec<usize>> {
    let mut grids: Vec<Vec<usize>> = Vec::new();
    for &at in all {
        let own = grids
            .iter_mut()
            .find(|grid| same_grid(&slices[grid[0]], &slices[at]));
        match own {
            Some(grid) => grid.push(at),
            None => grids.push(vec![at]),
        }
    }
    grids
}

/// In which attributes a grid differs from another.
fn grid_told_by(
    slices: &[SliceHeader],
    grids: &[Vec<usize>],
    own: &[usize],
) -> Vec<(&'static str, String)> {
    type Words = (&'static str, fn(&SliceHeader) -> String);
    const SAID: [Words; 5] = [
        ("ImageOrientationPatient", |s| {
            let [a, b] = s.orientation;
            let numbers: Vec<String> = [a, b].concat().iter().map(|x| format!("{x:.3}")).collect();
            numbers.join("\\")
        }),
        ("Columns", |s| s.size[0].to_string()),
        ("Rows", |s| s.size[1].to_string()),
        ("PixelSpacing", |s| {
            format!("{:.4}\\{:.4}", s.spacing[1], s.spacing[0])
        }),
        ("RescaleType", |s| s.rescale.unit.clone()),
    ];
    SAID.iter()
        .filter(|(_, say)| {
            let first = say(&slices[own[0]]);
            grids.iter().any(|grid| say(&slices[grid[0]]) != first)
        })
        .map(|(keyword, say)| (*keyword, say(&slices[own[0]])))
        .collect()
}

fn by_what_tells_apart(one: &Part, other: &Part) -> Ordering {
    let values = one.told_by.iter().zip(&other.told_by);
    values
        .map(
            |((_, a), (_, b))| match (a.parse::<f64>(), b.parse::<f64>()) {
                (Ok(a), Ok(b)) => a.total_cmp(&b),
                _ => a.cmp(b),
            },
        )
        .find(|order| order.is_ne())
        .unwrap_or_else(|| one.slices.cmp(&other.slices))
}

/// Of those with the most slices the one that the scanner counts first.
fn fullest(slices: &[SliceHeader], parts: &[Part], fits: impl Fn(&Part) -> bool) -> Option<usize> {
    let fitting = parts.iter().enumerate().filter(|(_, part)| fits(part));
    let first = |part: &Part| part.slices.iter().map(|&at| numbered(&slices[at])).min();
    fitting
        .min_by_key(|(_, part)| (std::cmp::Reverse(part.slices.len()), first(part)))
        .map(|(at, _)| at)
}

fn has(slices: &[SliceHeader], part: &Part, values: &[(String, String)]) -> bool {
    values.iter().all(|(keyword, asked)| {
        let told = part
            .told_by
            .iter()
            .any(|(k, v)| k == keyword && is_value(v, asked));
        told || part.slices.iter().all(|&at| {
            let mut traits = slices[at].traits.iter();
            traits.any(|(k, v)| k == keyword && is_value(v, asked))
        })
    })
}

fn described(part: &Part) -> String {
    let values: Vec<String> = part
        .told_by
        .iter()
        .map(|(keyword, value)| match value.as_str() {
            "" => format!("no {keyword}"),
            value => format!("{keyword} {value}"),
        })
        .collect();
    values.join(", ")
}

/// The slice that each volume begins with.
fn first_of_each<'s>(slices: &'s [SliceHeader], parts: &[Part]) -> Vec<&'s SliceHeader> {
    let firsts = parts.iter().filter_map(|part| part.slices.first());
    firsts.map(|&at| &slices[at]).collect()
}

/// `2 volumes: EchoTime 4.6 (30 slices), EchoTime 2.3 (30 slices)`.
fn list(parts: &[Part]) -> String {
    let mut listed: Vec<String> = parts
        .iter()
        .take(LISTED)
        .map(|part| format!("{} ({} slices)", described(part), part.slices.len()))
        .collect();
    if parts.len() > LISTED {
        listed.push(format!("and {} more", parts.len() - LISTED));
    }
    format!("{} volumes: {}", parts.len(), listed.join("; "))
}
