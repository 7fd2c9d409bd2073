//! From the scores of cases to a line for each structure.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::bootstrap::{Estimate, estimate};
use super::case::{CaseScore, Measures, SegmentScore};
use super::method::{Method, RELATIONS};
use super::relation::Measured;

/// How well a method finds a structure.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct MethodSummary {
    /// Dice coefficient.
    pub dice: Estimate,
    /// Normalised surface distance.
    pub nsd: Estimate,
    /// Hausdorff distance at 95 percent, mm, where something was found.
    pub hd95_mm: Option<Estimate>,
    /// How often nothing was found, though it was there: those have no HD95.
    pub missed: usize,
}

/// How well one structure is found over all cases that have it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct StructureSummary {
    /// Its label.
    pub structure: String,
    /// Cases that have it.
    pub n: usize,
    /// Mean volume in the queries, ml.
    pub known_ml: f64,
    /// By method; methods that no case could be answered by are left out.
    pub methods: BTreeMap<Method, MethodSummary>,
}

/// What a method costs for a query, once its references are embedded.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct CostSummary {
    /// Wall time, s.
    pub seconds: Estimate,
    /// The most memory the process had resident in any case, MiB; none where the system does not say.
    pub peak_mib: Option<f64>,
}

/// All structures, and all together.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Summary {
    /// Structures in the order in which cases name them.
    pub structures: Vec<StructureSummary>,
    /// The mean over each case's segments, as one value a case: subjects are independent, organs of one are not.
    pub all: StructureSummary,
    /// The paper's relations, as far as their methods were measured.
    pub relations: Vec<Measured>,
    /// Time and memory by method.
    pub costs: BTreeMap<Method, CostSummary>,
}

/// Sums up.
pub fn summarise(scores: &[CaseScore]) -> Summary {
    let mut names: Vec<&str> = Vec::new();
    for segment in scores.iter().flat_map(|score| &score.segments) {
        if !names.contains(&segment.segment.as_str()) {
            names.push(&segment.segment);
        }
    }
    let structures = names.par_iter().map(|name| {
        let of_cases: Vec<Vec<&SegmentScore>> = scores
            .iter()
            .map(|score| {
                let segments = score.segments.iter();
                segments.filter(|s| s.segment == *name).collect()
            })
            .collect();
        structure(name, &of_cases)
    });
    let whole: Vec<Vec<&SegmentScore>> = scores
        .iter()
        .map(|score| score.segments.iter().collect())
        .collect();
    Summary {
        structures: structures.collect(),
        all: structure("all", &whole),
        relations: RELATIONS
            .into_iter()
            .filter_map(|relation| relation.measured(scores))
            .collect(),
        costs: costs(scores),
    }
}

/// A line over some segments of each case, every case counting once.
fn structure(name: &str, of_cases: &[Vec<&SegmentScore>]) -> StructureSummary {
    let mut methods: Vec<Method> = of_cases
        .iter()
        .flatten()
        .flat_map(|segment| segment.methods.keys().copied())
        .collect();
    methods.sort_unstable();
    methods.dedup();
    let with_any: Vec<&Vec<&SegmentScore>> = of_cases
        .iter()
        .filter(|segments| !segments.is_empty())
        .collect();
    let volumes: Vec<f64> = with_any
        .iter()
        .filter_map(|segments| mean(segments.iter().map(|s| s.known_ml)))
        .collect();
    StructureSummary {
        structure: name.to_owned(),
        n: with_any.len(),
        known_ml: mean(volumes.into_iter()).unwrap_or(0.0),
        methods: methods
            .into_iter()
            .filter_map(|method| Some((method, of_method(method, of_cases)?)))
            .collect(),
    }
}

fn of_method(method: Method, of_cases: &[Vec<&SegmentScore>]) -> Option<MethodSummary> {
    let measures: Vec<Vec<Measures>> = of_cases
        .iter()
        .map(|segments| {
            let measures = segments.iter().filter_map(|s| s.methods.get(&method));
            measures.copied().collect()
        })
        .collect();
    let over_cases = |of: fn(&Measures) -> Option<f64>| {
        let means = measures
            .iter()
            .filter_map(|m| mean(m.iter().filter_map(of)));
        estimate(&means.collect::<Vec<_>>())
    };
    Some(MethodSummary {
        dice: over_cases(|m| Some(m.dice))?,
        nsd: over_cases(|m| Some(m.nsd))?,
        hd95_mm: over_cases(|m| m.hd95_mm),
        missed: measures
            .iter()
            .flatten()
            .filter(|m| m.hd95_mm.is_none())
            .count(),
    })
}

fn costs(scores: &[CaseScore]) -> BTreeMap<Method, CostSummary> {
    let mut all: BTreeMap<Method, Vec<_>> = BTreeMap::new();
    for (method, cost) in scores.iter().flat_map(|score| &score.costs) {
        all.entry(*method).or_default().push(*cost);
    }
    all.into_iter()
        .filter_map(|(method, costs)| {
            let seconds: Vec<f64> = costs.iter().map(|cost| cost.seconds).collect();
            let peaks = costs.iter().filter_map(|cost| cost.peak_mib);
            let summary = CostSummary {
                seconds: estimate(&seconds)?,
                peak_mib: peaks.reduce(f64::max),
            };
            Some((method, summary))
        })
        .collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / n as f64)
}

#[cfg(test)]
mod tests {
    use super::super::relation::Verdict;
    use super::*;

    fn segment(name: &str, one_shot: f64, ensemble: f64) -> SegmentScore {
        let measures = |dice: f64| Measures {
            dice,
            nsd: dice / 2.0,
            hd95_mm: (dice > 0.0).then_some(10.0 * (1.0 - dice)),
            found_ml: 9.0,
            confidence: None,
        };
        SegmentScore {
            segment: name.into(),
            known_ml: 9.0,
            shown_in: 2,
            methods: BTreeMap::from([
                (Method::OneShot, measures(one_shot)),
                (Method::Ensemble, measures(ensemble)),
            ]),
        }
    }

    fn score(segments: Vec<SegmentScore>) -> CaseScore {
        CaseScore {
            case: "c".into(),
            references: Vec::new(),
            spacing_mm: [1.0; 3],
            segments,
            absent: Vec::new(),
            costs: BTreeMap::new(),
        }
    }

    #[test]
    fn a_structure_counts_where_it_is_and_all_counts_subjects() {
        let summary = summarise(&[
            score(vec![
                segment("Liver", 0.9, 0.9),
                segment("Spleen", 0.5, 0.5),
            ]),
            score(vec![segment("Liver", 0.7, 0.7)]),
            score(Vec::new()),
        ]);
        let liver = &summary.structures[0];
        assert_eq!((liver.structure.as_str(), liver.n), ("Liver", 2));
        let one_shot = &liver.methods[&Method::OneShot];
        assert!((one_shot.dice.mean - 0.8).abs() < 1e-12);
        assert!((one_shot.nsd.mean - 0.4).abs() < 1e-12);
        assert_eq!(summary.structures[1].methods[&Method::OneShot].dice.n, 1);
        let all = summary.all.methods[&Method::OneShot].dice;
        assert_eq!((all.n, all.mean), (2, 0.7));
    }

    #[test]
    fn what_is_missed_has_no_distance_and_is_counted() {
        let cases: Vec<CaseScore> = [0.0, 0.8, 0.0, 0.6]
            .map(|dice| score(vec![segment("Spleen", dice, 0.9)]))
            .into();
        let one_shot = &summarise(&cases).structures[0].methods[&Method::OneShot];
        assert_eq!((one_shot.missed, one_shot.dice.n), (2, 4));
        let distance = one_shot.hd95_mm.unwrap();
        assert_eq!(distance.n, 2);
        assert!((distance.mean - 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_claim_is_judged_by_the_differences_within_cases() {
        // Cases differ far more than the methods do, but the ensemble is a little better in each.
        let gains = |gain: f64| -> Vec<CaseScore> {
            (0..12)
                .map(|i| {
                    let dice = 0.2 + 0.05 * f64::from(i);
                    let gain = gain + 0.001 * f64::from(i % 3);
                    score(vec![segment("Liver", dice, dice + gain)])
                })
                .collect()
        };
        let verdict = |scores: &[CaseScore]| {
            let relations = summarise(scores).relations;
            assert_eq!(relations.len(), 1, "the other methods were not measured");
            relations[0].verdict
        };
        assert_eq!(verdict(&gains(0.01)), Verdict::Confirmed);
        assert_eq!(verdict(&gains(-0.01)), Verdict::Refuted);
        assert_eq!(verdict(&gains(-0.001)), Verdict::Undecided);
        assert_eq!(verdict(&gains(0.01)[..6]), Verdict::Confirmed);
        assert_eq!(verdict(&gains(0.01)[..5]), Verdict::Undecided);
    }
}
