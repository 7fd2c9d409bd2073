//! What routing decided for a job, as it is kept in the job table.

use crate::assemble::VolumeChoice;
use crate::config;
use crate::encode::SegmentationType;
use crate::segment::Strategy;
use serde::{Deserialize, Serialize};

/// A rule that matched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PlannedRule {
    /// Its name.
    pub(super) rule: String,
    /// Names of the tasks to run.
    pub(super) tasks: Vec<String>,
    /// Which references a query meets; a plan from before there was a choice has the default.
    #[serde(default)]
    pub(super) strategy: Strategy,
    /// Which volume of a series that holds several.
    #[serde(default)]
    pub(super) volume: VolumeChoice,
    /// The kind of DICOM-SEG.
    #[serde(default)]
    pub(super) segmentation: SegmentationType,
    /// Whether a measurement report goes with it.
    #[serde(default)]
    pub(super) report: bool,
    /// A result in which a segment has less confidence than this is held for review.
    #[serde(default)]
    pub(super) hold_below: Option<f64>,
    /// Names of the peers that get the result.
    pub(super) destinations: Vec<String>,
    /// Why it cannot be done, if so: other rules are done all the same.
    #[serde(default)]
    pub(super) obstacle: Option<String>,
}

/// The strategy that a rule names.
pub(super) fn strategy(named: config::Strategy) -> Strategy {
    match named {
        config::Strategy::OneShot => Strategy::OneShot,
        config::Strategy::Ensemble => Strategy::Ensemble,
        config::Strategy::ImageRetrieval => Strategy::ImageRetrieval,
        config::Strategy::Retrieval => Strategy::Retrieval,
        config::Strategy::Tuned => Strategy::Tuned,
    }
}

/// The volume that a rule names.
pub(super) fn volume(named: &config::Volume) -> VolumeChoice {
    match named {
        config::Volume::Fullest => VolumeChoice::Fullest,
        config::Volume::Only => VolumeChoice::Only,
        config::Volume::Nth(n) => VolumeChoice::Nth(*n),
        config::Volume::Where(values) => VolumeChoice::Where(values.clone()),
    }
}

/// The kind of DICOM-SEG that a rule names.
pub(super) fn segmentation(named: config::Segmentation) -> SegmentationType {
    match named {
        config::Segmentation::Binary => SegmentationType::Binary,
        config::Segmentation::Fractional => SegmentationType::Fractional,
        config::Segmentation::Labelmap => SegmentationType::Labelmap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn a_rule_names_every_strategy_as_the_command_line_does() {
        let of_rules: Vec<&str> = config::Strategy::ALL.map(config::Strategy::name).to_vec();
        let all: Vec<&str> = Strategy::value_variants()
            .iter()
            .map(|s| s.name())
            .collect();
        assert_eq!(of_rules, all);
        for named in config::Strategy::ALL {
            assert_eq!(strategy(named).name(), named.name());
        }
        assert_eq!(strategy(config::Strategy::default()), Strategy::default());
        for named in config::Segmentation::ALL {
            assert_eq!(segmentation(named).name(), named.name());
        }
        let all = SegmentationType::value_variants().len();
        assert_eq!(all, config::Segmentation::ALL.len());
    }

    #[test]
    fn a_plan_of_an_earlier_version_is_done_as_it_was_meant() {
        let old = r#"{"rule": "r", "tasks": ["t"], "destinations": ["d"]}"#;
        let plan: PlannedRule = serde_json::from_str(old).unwrap();
        assert_eq!((plan.strategy, plan.hold_below), (Strategy::Tuned, None));
        assert_eq!(plan.volume, VolumeChoice::Fullest);
    }

    #[test]
    fn a_rule_and_the_command_line_write_a_choice_of_volume_alike() {
        let values = vec![("EchoTime".to_owned(), "4.6".to_owned())];
        for named in [
            config::Volume::Fullest,
            config::Volume::Only,
            config::Volume::Nth(2),
            config::Volume::Where(values),
        ] {
            assert_eq!(named.to_string().parse(), Ok(volume(&named)));
        }
    }
}
