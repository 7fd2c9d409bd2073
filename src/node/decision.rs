//! What the rules say is to be done with a series: for the node as it comes, and for a person who asks what they would say.

use super::plan::{PlannedRule, segmentation, strategy, volume};
use super::rule_tasks::{rule_tasks, taught_tasks};
use crate::archive::KEPT_HERE;
use crate::assemble::read_attributes;
use crate::config::Config;
use crate::route::{SeriesContext, decide, destinations};
use crate::tasks::Task;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use std::path::PathBuf;

/// What is to become of a series.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// These rules are done, in this order.
    Routed {
        /// The rules.
        plan: Vec<PlannedRule>,
        /// The highest of their priorities.
        priority: i32,
    },
    /// Nothing is to be done; a sentence why.
    Skipped(String),
    /// Nothing can be done; a sentence why.
    Failed(String),
}

impl Decision {
    /// The rules that are done, if any.
    pub fn plan(&self) -> &[PlannedRule] {
        match self {
            Self::Routed { plan, .. } => plan,
            Self::Skipped(_) | Self::Failed(_) => &[],
        }
    }
}

/// Decides what becomes of the series that some instances are of; it came from the first AE title to the second.
pub(super) async fn decision_on(
    config: &Config,
    files: Vec<PathBuf>,
    titles: (&str, &str),
) -> Decision {
    let taught = taught_tasks(config).await;
    match (first_attributes(files).await, taught) {
        (Ok(attributes), Ok(taught)) => decision(config, &taught, titles, &attributes),
        (Err(reason), _) | (_, Err(reason)) => Decision::Failed(reason),
    }
}

/// Decides by the rules of a configuration; `taught` are the tasks that were taught over DICOM.
pub fn decision(
    config: &Config,
    taught: &[Task],
    (calling_ae, called_ae): (&str, &str),
    attributes: &InMemDicomObject,
) -> Decision {
    let series = SeriesContext {
        attributes,
        calling_ae,
        called_ae,
    };
    let decisions = decide(&config.rules, &series);
    if decisions.matched.is_empty() {
        return Decision::Skipped("no rule matched; `irisnode explain` shows why".into());
    }
    let modality = attributes
        .get(tags::MODALITY)
        .and_then(|modality| modality.to_str().ok())
        .map(|modality| modality.trim().to_owned())
        .unwrap_or_default();
    let mut plan = Vec::new();
    for rule in &decisions.matched {
        let tasks = rule_tasks(rule, taught, &modality);
        if tasks.is_empty() {
            continue;
        }
        let (names, obstacle) = match destinations(rule, &config.peers, calling_ae) {
            Ok(peers) => (peers.iter().map(|peer| peer.name.clone()).collect(), None),
            // Whoever stored it by STOW-RS asks for the result by WADO-RS.
            Err(_) if came_by_web(config, calling_ae) => (vec![KEPT_HERE.to_owned()], None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        plan.push(PlannedRule {
            rule: rule.name.clone(),
            tasks,
            strategy: strategy(rule.strategy),
            volume: volume(&rule.volume),
            segmentation: segmentation(rule.segmentation),
            report: rule.report,
            hold_below: rule.hold_below,
            destinations: names,
            obstacle,
        });
    }
    if plan.is_empty() {
        return Decision::Skipped(format!(
            "rules matched, and no task of modality {modality} was taught over DICOM yet; a task of `irisnode task add` is run by a rule that names it in `tasks`"
        ));
    }
    if plan.iter().all(|rule| rule.obstacle.is_some()) {
        let reasons = plan.into_iter().filter_map(|rule| rule.obstacle);
        return Decision::Failed(reasons.collect::<Vec<_>>().join("; "));
    }
    let priorities = decisions.matched.iter().map(|rule| rule.priority);
    let priority = priorities.max().unwrap_or(0);
    Decision::Routed { plan, priority }
}

/// Whether a series was stored by STOW-RS.
fn came_by_web(config: &Config, calling_ae: &str) -> bool {
    let web = &config.dicomweb;
    web.listen.is_some() && web.ae_title == calling_ae.trim()
}

/// The data set of one instance of a series, pixel data left where it is; the error is a sentence.
pub async fn first_attributes(files: Vec<PathBuf>) -> Result<InMemDicomObject, String> {
    let first = files
        .into_iter()
        .next()
        .ok_or("the series has no instances")?;
    tokio::task::spawn_blocking(move || {
        read_attributes(&first)
            .map_err(|_| "an instance of the series cannot be read back from disk".to_owned())
    })
    .await
    .unwrap_or_else(|_| Err("reading an instance of the series failed".into()))
}
