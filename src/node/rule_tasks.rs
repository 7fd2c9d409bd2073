//! Which tasks a rule runs on a series: those that it names, and what was taught where it says so.

use crate::config::{ALL_TAUGHT, Rule};
use crate::tasks::Task;

/// Whether a rule runs what was taught over DICOM.
pub fn wants_taught(rule: &Rule) -> bool {
    rule.tasks.iter().any(|task| task == ALL_TAUGHT)
}

/// The names of a rule's tasks for a series of a modality: in place of [`ALL_TAUGHT`] those of `taught` that have a
/// reference of that modality. None twice.
pub fn rule_tasks(rule: &Rule, taught: &[Task], modality: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for task in &rule.tasks {
        let of_it: Vec<&str> = if task == ALL_TAUGHT {
            let fitting = taught.iter().filter(|task| task.is_of_modality(modality));
            fitting.map(|task| task.name.as_str()).collect()
        } else {
            vec![task]
        };
        for name in of_it {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    names
}
