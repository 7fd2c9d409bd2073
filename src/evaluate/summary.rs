//! From the scores of cases to a line for each structure.

use super::bootstrap::{Estimate, estimate};
use super::case::{CaseScore, SegmentScore};

/// How well one structure is found over all cases that have it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct StructureSummary {
    /// Its label.
    pub structure: String,
    /// Dice of the network.
    pub network: Option<Estimate>,
    /// Dice of the copied label.
    pub copied: Option<Estimate>,
    /// Dice of the intensity threshold.
    pub threshold: Option<Estimate>,
}

/// All structures, and all together.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Summary {
    /// Structures in the order in which cases name them.
    pub structures: Vec<StructureSummary>,
    /// The mean over each case's segments, as one value a case: subjects are independent, organs of one are not.
    pub all: StructureSummary,
}

/// Sums up.
pub fn summarise(scores: &[CaseScore]) -> Summary {
    let mut names: Vec<&str> = Vec::new();
    for segment in scores.iter().flat_map(|score| &score.segments) {
        if !names.contains(&segment.segment.as_str()) {
            names.push(&segment.segment);
        }
    }
    let of_structure = |name: &str| {
        let all: Vec<&SegmentScore> = scores
            .iter()
            .flat_map(|score| &score.segments)
            .filter(|segment| segment.segment == name)
            .collect();
        let values = |of: fn(&SegmentScore) -> f64| -> Vec<f64> {
            all.iter().map(|segment| of(segment)).collect()
        };
        StructureSummary {
            structure: name.to_owned(),
            network: estimate(&values(|s| s.network)),
            copied: estimate(&values(|s| s.copied)),
            threshold: estimate(&values(|s| s.threshold)),
        }
    };
    let means = |of: fn(&SegmentScore) -> f64| -> Vec<f64> {
        let with_segments = scores.iter().filter(|score| !score.segments.is_empty());
        with_segments
            .map(|score| score.segments.iter().map(of).sum::<f64>() / score.segments.len() as f64)
            .collect()
    };
    Summary {
        structures: names.into_iter().map(of_structure).collect(),
        all: StructureSummary {
            structure: "all".to_owned(),
            network: estimate(&means(|s| s.network)),
            copied: estimate(&means(|s| s.copied)),
            threshold: estimate(&means(|s| s.threshold)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structure_counts_where_it_is_and_all_counts_subjects() {
        let segment = |name: &str, network: f64| SegmentScore {
            segment: name.into(),
            network,
            copied: 0.1,
            threshold: 0.2,
            known_ml: 9.0,
            confidence: 0.5,
        };
        let score = |segments| CaseScore {
            case: "c".into(),
            reference_hash: String::new(),
            segments,
            absent: Vec::new(),
        };
        let summary = summarise(&[
            score(vec![segment("Liver", 0.9), segment("Spleen", 0.5)]),
            score(vec![segment("Liver", 0.7)]),
            score(Vec::new()),
        ]);
        let liver = &summary.structures[0];
        assert_eq!(liver.structure, "Liver");
        assert!((liver.network.unwrap().mean - 0.8).abs() < 1e-12);
        assert_eq!(summary.structures[1].network.unwrap().n, 1);
        let all = summary.all.network.unwrap();
        assert_eq!((all.n, all.mean), (2, 0.7));
    }
}
