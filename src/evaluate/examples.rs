//! Which segments to show to a person.

use super::case::CaseScore;
use super::method::Method;

/// A segment of a case, by its place among all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Example {
    /// Whether it is the best, the median or the worst.
    pub rank: &'static str,
    /// Index of the case.
    pub case: usize,
    /// Index of the segment among those that the case's query has.
    pub segment: usize,
    /// Its Dice.
    pub dice: f64,
}

/// The segments with the best, the median and the worst Dice of a method; of fewer than three, those there are.
pub fn examples(scores: &[CaseScore], method: Method) -> Vec<Example> {
    let mut all: Vec<(usize, usize, f64)> = Vec::new();
    for (case, score) in scores.iter().enumerate() {
        for (segment, of_segment) in score.segments.iter().enumerate() {
            if let Some(measures) = of_segment.methods.get(&method) {
                all.push((case, segment, measures.dice));
            }
        }
    }
    all.sort_by(|a, b| b.2.total_cmp(&a.2));
    let Some(last) = all.len().checked_sub(1) else {
        return Vec::new();
    };
    let mut found: Vec<Example> = Vec::new();
    for (rank, at) in [("best", 0), ("median", last / 2), ("worst", last)] {
        let (case, segment, dice) = all[at];
        let again = |e: &Example| (e.case, e.segment) == (case, segment);
        if !found.iter().any(again) {
            found.push(Example {
                rank,
                case,
                segment,
                dice,
            });
        }
    }
    found
}
