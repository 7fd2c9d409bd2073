//! What the slices of a volume must have in common, and the words for what is wrong with them.

use std::collections::BTreeSet;

use super::AssembleError;
use super::slice_header::SliceHeader;
use super::stacking::{FEWEST_SLICES, NoStack, are_parallel};

/// Pixel spacings within this share of each other are the same.
const SAME_SPACING: f64 = 1e-4;

fn same_spacing(one: &SliceHeader, other: &SliceHeader) -> bool {
    let apart = |axis: usize| (one.spacing[axis] / other.spacing[axis] - 1.0).abs();
    apart(0) <= SAME_SPACING && apart(1) <= SAME_SPACING
}

/// Whether two slices could belong to one stack, their positions apart.
pub(super) fn same_grid(one: &SliceHeader, other: &SliceHeader) -> bool {
    one.size == other.size
        && one.rescale.unit == other.rescale.unit
        && one.frame_of_reference_uid == other.frame_of_reference_uid
        && same_spacing(one, other)
        && are_parallel(one.orientation, other.orientation)
}

/// What all slices must have in common, positions apart.
pub(super) fn check_alike(slices: &[&SliceHeader]) -> Result<(), AssembleError> {
    let Some(first) = slices.first() else {
        return Err(AssembleError::Empty);
    };
    if let Some((count, slice)) = another(slices, |slice| &slice.series_instance_uid) {
        return Err(AssembleError::SeveralSeries { count, slice });
    }
    if slices.len() < FEWEST_SLICES {
        return Err(AssembleError::TooFewSlices {
            found: slices.len(),
            which: names(slices),
            needed: FEWEST_SLICES,
        });
    }
    if let Some((count, slice)) = another(slices, |slice| &slice.frame_of_reference_uid) {
        return Err(AssembleError::MixedFrameOfReference { count, slice });
    }
    for &slice in slices {
        if slice.size != first.size {
            return Err(AssembleError::MixedSize {
                first: first.size,
                other: slice.size,
                slice: slice.name(),
            });
        }
        if !same_spacing(slice, first) {
            return Err(AssembleError::MixedSpacing {
                first: first.spacing,
                other: slice.spacing,
                slice: slice.name(),
            });
        }
        if slice.rescale.unit != first.rescale.unit {
            return Err(AssembleError::MixedRescale {
                first: first.rescale.unit.clone(),
                other: slice.rescale.unit.clone(),
                slice: slice.name(),
            });
        }
    }
    Ok(())
}

/// How many UIDs there are where slices differ in one, and the first slice that has another than the first of all.
fn another(slices: &[&SliceHeader], uid: impl Fn(&SliceHeader) -> &str) -> Option<(usize, String)> {
    let first = uid(slices.first()?);
    let other = slices.iter().find(|slice| uid(slice) != first)?;
    let all: BTreeSet<&str> = slices.iter().map(|slice| uid(slice)).collect();
    Some((all.len(), other.name()))
}

/// `image 3, image 7, and 4 more`.
pub(super) fn names(slices: &[&SliceHeader]) -> String {
    const SHOWN: usize = 5;
    let mut names: Vec<String> = slices
        .iter()
        .take(SHOWN)
        .map(|slice| slice.name())
        .collect();
    if slices.len() > SHOWN {
        names.push(format!("and {} more", slices.len() - SHOWN));
    }
    names.join(", ")
}

/// Why slices are no stack, with their names.
pub(super) fn in_words(no: NoStack, slices: &[&SliceHeader]) -> AssembleError {
    let total = slices.len();
    match no {
        NoStack::TooFew => AssembleError::TooFewSlices {
            found: total,
            which: names(slices),
            needed: FEWEST_SLICES,
        },
        NoStack::NoDirection { slice } => AssembleError::Attribute {
            slice: slices[slice].name(),
            attribute: "ImageOrientationPatient",
        },
        NoStack::Turned {
            slices: turned,
            degrees,
        } => AssembleError::MixedOrientation {
            count: turned.len(),
            total,
            degrees,
            slice: slices[turned[0]].name(),
        },
        NoStack::SeveralVolumes {
            volumes,
            slices: positions,
            first,
        } => AssembleError::SeveralVolumes {
            volumes,
            slices: positions,
            which: names(&first.iter().map(|&at| slices[at]).collect::<Vec<_>>()),
        },
        NoStack::Duplicates {
            duplicates,
            at,
            slices: there,
        } => AssembleError::DuplicatePosition {
            duplicates,
            total,
            at,
            which: names(&there.iter().map(|&at| slices[at]).collect::<Vec<_>>()),
        },
        NoStack::Missing {
            missing,
            before,
            after,
            gap,
            step,
            gaps,
        } => AssembleError::MissingSlices {
            missing,
            expected: total + missing,
            before: slices[before].name(),
            after: slices[after].name(),
            gap,
            step,
            more: match gaps {
                1 => String::new(),
                2 => ", and there is one more gap".into(),
                gaps => format!(", and there are {} more gaps", gaps - 1),
            },
        },
        NoStack::Irregular {
            smallest,
            largest,
            usual,
            slice,
        } => AssembleError::IrregularSpacing {
            smallest,
            largest,
            usual,
            total,
            slice: slices[slice].name(),
        },
        NoStack::Tilted { degrees } => {
            let name = |slice: Option<&&SliceHeader>| slice.map_or_else(String::new, |s| s.name());
            AssembleError::Tilted {
                degrees,
                first: name(slices.first()),
                last: name(slices.last()),
            }
        }
        NoStack::Shifted { by, slice } => AssembleError::Shifted {
            by,
            slice: slices[slice].name(),
        },
    }
}
