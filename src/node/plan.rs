//! What routing decided for a job, as it is kept in the job table.

use crate::archive::KEPT_HERE;
use crate::assemble::VolumeChoice;
use crate::config;
use crate::encode::SegmentationType;
use crate::segment::Strategy;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A rule that matched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedRule {
    /// Its name.
    pub rule: String,
    /// Names of the tasks to run.
    pub tasks: Vec<String>,
    /// Which references a query meets; a plan from before there was a choice has the default.
    #[serde(default)]
    pub strategy: Strategy,
    /// Which volume of a series that holds several.
    #[serde(default)]
    pub volume: VolumeChoice,
    /// The kind of DICOM-SEG.
    #[serde(default)]
    pub segmentation: SegmentationType,
    /// Whether a measurement report goes with it.
    #[serde(default)]
    pub report: bool,
    /// A result in which a segment has less confidence than this is held for review.
    #[serde(default)]
    pub hold_below: Option<f64>,
    /// Names of the peers that get the result; an empty one where it is kept to be fetched.
    pub destinations: Vec<String>,
    /// Why it cannot be done, if so: other rules are done all the same.
    #[serde(default)]
    pub obstacle: Option<String>,
}

/// One line, for a person: `abdominal CT: liver, spleen → pacs (volume 2, with a report)`.
impl fmt::Display for PlannedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let destinations = match &self.obstacle {
            None if self.destinations.iter().all(|name| name == KEPT_HERE) => {
                "kept here".to_owned()
            }
            None => self.destinations.join(", "),
            Some(_) => "nowhere".to_owned(),
        };
        write!(
            f,
            "{}: {} → {destinations}",
            self.rule,
            self.tasks.join(", ")
        )?;
        let mut said = Vec::new();
        if self.strategy != Strategy::default() {
            said.push(self.strategy.name().to_owned());
        }
        if self.volume != VolumeChoice::default() {
            said.push(format!("volume {}", self.volume));
        }
        if self.segmentation != SegmentationType::default() {
            said.push(self.segmentation.name().to_owned());
        }
        if self.report {
            said.push("with a report".to_owned());
        }
        if let Some(least) = self.hold_below {
            said.push(format!("held below {least}"));
        }
        match said.is_empty() {
            true => Ok(()),
            false => write!(f, " ({})", said.join(", ")),
        }
    }
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
    fn a_plan_in_words_says_what_is_not_the_default() {
        let mut plan: PlannedRule =
            serde_json::from_str(r#"{"rule": "r", "tasks": ["a", "b"], "destinations": ["d"]}"#)
                .unwrap();
        assert_eq!(plan.to_string(), "r: a, b → d");
        (plan.volume, plan.hold_below, plan.report) = (VolumeChoice::Nth(2), Some(0.5), true);
        assert_eq!(
            plan.to_string(),
            "r: a, b → d (volume 2, with a report, held below 0.5)"
        );
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
