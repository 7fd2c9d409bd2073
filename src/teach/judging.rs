//! How well a task does on what it is taught: each reference found by the others.

use crate::iris::Iris;
use crate::segment::{SegmentError, SegmentOptions, Strategy, dice, segment_volume};
use crate::tasks::Fold;

/// Most references that are left out in turn: each is a pass of the network over its image.
pub const MOST_FOLDS: usize = 6;

/// The positions of the references that are left out of `references`: the last, which is new, then others from the
/// first on.
pub fn folds(references: usize) -> Vec<usize> {
    let Some(last) = references.checked_sub(1).filter(|last| *last > 0) else {
        return Vec::new();
    };
    std::iter::once(last)
        .chain(0..last)
        .take(MOST_FOLDS)
        .collect()
}

/// The Dice coefficient of each segment of a reference that was left out, found by the mean of the others.
///
/// # Errors
/// When the network fails.
pub fn judge(fold: Fold, iris: &Iris) -> Result<Vec<(u16, f64)>, SegmentError> {
    let options = SegmentOptions {
        strategy: Strategy::Ensemble,
        compare: 0,
        ..SegmentOptions::default()
    };
    let (image, modality) = (&fold.image, fold.modality.as_str());
    let found = segment_volume(
        image,
        modality,
        &[fold.task],
        iris,
        &options,
        &mut |_, _| {},
    )?;
    let labels = found.labels.to_volume();
    let scored = fold.segments.iter().map(|&number| {
        let dice = dice(&labels, number, &fold.labels, number);
        (number, dice.unwrap_or(0.0))
    });
    Ok(scored.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_reference_is_left_out_first_and_not_all_of_many() {
        assert!(folds(0).is_empty() && folds(1).is_empty());
        assert_eq!(folds(3), [2, 0, 1]);
        assert_eq!(folds(40).len(), MOST_FOLDS);
        assert_eq!(folds(40)[..2], [39, 0]);
    }
}
