//! Which tasks a rule runs on a series: those that it names, and what was taught where it says so.

use crate::config::{ALL_TAUGHT, Config, Rule};
use crate::tasks::{Task, TaskLibrary};

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

/// The tasks that were taught over DICOM, where a rule wants them; the error is a sentence. The library is read anew for each series: a task that
/// was approved a moment ago is used.
pub async fn taught_tasks(config: &Config) -> Result<Vec<Task>, String> {
    if !config.rules.iter().any(Rule::wants_taught) {
        return Ok(Vec::new());
    }
    let folder = config.node.task_dir.clone();
    tokio::task::spawn_blocking(move || TaskLibrary::open(folder)?.taught())
        .await
        .map_err(|_| "reading the tasks failed; the log says where".to_owned())?
        .map_err(|error| error.to_string())
}
