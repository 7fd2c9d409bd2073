//! `[[rule]]`: which series get which tasks, and where results go.

use super::condition::Condition;
use super::problem::Problem;
use super::section::{Complaint, Placed, Section};
use super::{Segmentation, Strategy, Volume, segmentation, strategy, value, volume, when};
use toml::de::DeValue;

/// Among a rule's tasks: every task that was taught over DICOM, approved, and has a reference of the series' modality. No
/// task can have this name.
pub const ALL_TAUGHT: &str = "*taught";

/// `[[rule]]`: which series get which tasks, and where results go.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Unique name.
    pub name: String,
    /// The condition on the series.
    pub when: Condition,
    /// Names of tasks to run, [`ALL_TAUGHT`] perhaps among them.
    pub tasks: Vec<String>,
    /// Which of the tasks' references a series meets.
    pub strategy: Strategy,
    /// Which volume of a series that holds several.
    pub volume: Volume,
    /// The kind of DICOM-SEG that the result is.
    pub segmentation: Segmentation,
    /// Whether a measurement report (DICOM SR) goes with it.
    pub report: bool,
    /// Names of peers that get the result; empty means the peer it came from.
    pub destinations: Vec<String>,
    /// Higher runs first.
    pub priority: i32,
    /// A result in which a segment has less confidence than this is kept for review instead of being sent; 0 to 1.
    pub hold_below: Option<f64>,
}

impl Rule {
    /// Whether it runs what was taught over DICOM.
    pub fn wants_taught(&self) -> bool {
        self.tasks.iter().any(|task| task == ALL_TAUGHT)
    }

    /// Whether it runs a task, which was taught over DICOM or not.
    pub fn runs(&self, task: &str, is_taught: bool) -> bool {
        self.tasks.iter().any(|name| name == task) || (is_taught && self.wants_taught())
    }
}

/// A rule with the places of the names in it.
pub(super) struct PlacedRule {
    pub(super) name: Placed<String>,
    pub(super) tasks: Vec<Placed<String>>,
    pub(super) destinations: Vec<Placed<String>>,
    pub(super) rule: Rule,
}

/// Reads one `[[rule]]`; `None` when it has no usable name.
pub(super) fn read(mut section: Section<'_, '_>) -> Option<PlacedRule> {
    let name = section.required("name", "\"abdominal CT\"", value::text);
    let tasks = section.required("tasks", "[\"abdomen\"]", value::texts);
    if let Some(empty) = tasks.as_ref().filter(|tasks| tasks.value.is_empty()) {
        section.problems().push(
            Problem::error(
                empty.span.clone(),
                "a rule without tasks does nothing",
                "empty list",
            )
            .with_help("name at least one task; `irisnode task list` shows them"),
        );
    }
    let strategy = section.or("strategy", Strategy::default(), strategy::read);
    let volume = section.or("volume", Volume::default(), volume::read);
    let segmentation = section.or("segmentation", Segmentation::default(), segmentation::read);
    let report = section.or("report", false, value::boolean);
    let destinations = section.optional("destinations", value::texts);
    let priority = section.or("priority", 0, |value| {
        value::integer(value, -1_000_000, 1_000_000)
    });
    let hold_below = section.optional("hold_below", share);
    let when = match section.raw("when") {
        None => Condition::All(Vec::new()),
        Some(value) => match value.get_ref() {
            DeValue::Table(table) => when::read(table, section.problems()),
            other => {
                let label = format!("this is {}", value::kind(other));
                section.problems().push(
                    Problem::error(value.span(), "`when` must be a table of conditions", label)
                        .with_help("write [rule.when] on a line of its own and one condition a line below it"),
                );
                Condition::All(Vec::new())
            }
        },
    };
    section.finish();
    let name = name?;
    let tasks = tasks.map_or_else(Vec::new, |tasks| tasks.value);
    let destinations = destinations.map_or_else(Vec::new, |destinations| destinations.value);
    let names = |placed: &[Placed<String>]| placed.iter().map(|one| one.value.clone()).collect();
    let rule = Rule {
        name: name.value.clone(),
        when,
        tasks: names(&tasks),
        strategy,
        volume,
        segmentation,
        report,
        destinations: names(&destinations),
        priority: i32::try_from(priority).unwrap_or_default(),
        hold_below: hold_below.map(|placed| placed.value),
    };
    Some(PlacedRule {
        name,
        tasks,
        destinations,
        rule,
    })
}

/// A number from 0 to 1.
fn share(value: &DeValue<'_>) -> Result<f64, Complaint> {
    let help =
        "a confidence is a number from 0 (none) to 1; 0.6 holds what a person should look at first";
    let number = value::number(value).map_err(|complaint| complaint.with_help(help))?;
    if (0.0..=1.0).contains(&number) {
        Ok(number)
    } else {
        Err(Complaint::new("must lie between 0 and 1", "out of range").with_help(help))
    }
}
