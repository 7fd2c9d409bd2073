//! Whether one method is better than another, case by case.

use super::bootstrap::{Estimate, estimate};
use super::case::CaseScore;
use super::method::Method;

/// Fewer cases than this decide nothing: that six differences have one sign, and the bootstrap's interval so leaves
/// out 0, comes by chance once in 32 times; with two cases it is every other time.
const LEAST_CASES: usize = 6;

/// A claim that one method is better than another.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Relation {
    /// In words.
    pub claim: &'static str,
    /// The method that is said to be better.
    pub better: Method,
    /// Than this one.
    pub worse: Method,
}

/// What the cases say of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The interval of the difference lies above 0.
    Confirmed,
    /// It lies below 0.
    Refuted,
    /// It holds 0, or there are fewer than six cases.
    Undecided,
}

/// A claim, measured.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Measured {
    /// The claim.
    #[serde(flatten)]
    pub relation: Relation,
    /// Mean over cases of the difference in a case's mean Dice.
    pub difference: Estimate,
    /// What it says.
    pub verdict: Verdict,
}

impl Verdict {
    fn of(difference: &Estimate) -> Self {
        match difference.interval {
            _ if difference.n < LEAST_CASES => Self::Undecided,
            Some([low, _]) if low > 0.0 => Self::Confirmed,
            Some([_, high]) if high < 0.0 => Self::Refuted,
            _ => Self::Undecided,
        }
    }

    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Refuted => "refuted",
            Self::Undecided => "undecided",
        }
    }
}

impl Relation {
    /// Measures the claim on the cases that have both methods' answers; `None` when no case has.
    ///
    /// The difference is taken within each case, over the segments that both methods were asked for, so that what
    /// makes a case hard for both does not widen the interval.
    pub fn measured(self, scores: &[CaseScore]) -> Option<Measured> {
        let differences: Vec<f64> = scores
            .iter()
            .filter_map(|score| {
                let of_segments: Vec<f64> = score
                    .segments
                    .iter()
                    .filter_map(|segment| {
                        let dice = |method| segment.methods.get(&method).map(|m| m.dice);
                        Some(dice(self.better)? - dice(self.worse)?)
                    })
                    .collect();
                let n = of_segments.len();
                (n > 0).then(|| of_segments.iter().sum::<f64>() / n as f64)
            })
            .collect();
        let difference = estimate(&differences)?;
        Some(Measured {
            relation: self,
            difference,
            verdict: Verdict::of(&difference),
        })
    }
}
