//! Which task each structure of some labels would make or add to.

use super::meaning::{Basis, is_coded, same_structure};
use crate::tasks::Task;
use crate::terminology::SegmentDescription;

/// A structure that labels show.
#[derive(Debug, Clone, PartialEq)]
pub struct Structure {
    /// Its numbers in the labels; several where several segments mean the same.
    pub values: Vec<u16>,
    /// What it is.
    pub description: SegmentDescription,
    /// What the task calls it.
    pub task_segment: String,
}

/// What a part of some labels would do to one task.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Name of the task.
    pub task: String,
    /// The task is there: it would get a further reference.
    pub is_further: bool,
    /// Why this task, in a sentence.
    pub why: String,
    /// What it would be taught.
    pub structures: Vec<Structure>,
}

/// Assigns each segment: to the task that knows the structure, else to a new task of its own.
///
/// Where several tasks know it, the one that knows most of these segments gets it, then the one with the fewest segments,
/// then the first by name. Segments that mean the same are one structure.
pub fn assign(segments: &[(u16, SegmentDescription)], tasks: &[Task]) -> Vec<Part> {
    let mut structures: Vec<Structure> = Vec::new();
    for (value, description) in segments {
        let known = structures
            .iter_mut()
            .find(|known| same_structure(&known.description, description).is_some());
        match known {
            Some(known) => known.values.push(*value),
            None => structures.push(Structure {
                values: vec![*value],
                description: description.clone(),
                task_segment: description.label.clone(),
            }),
        }
    }
    let knows = |task: &Task| {
        let mut all = structures.iter();
        let count = all
            .by_ref()
            .filter(|structure| segment_of(task, structure).is_some())
            .count();
        (count, std::cmp::Reverse(task.segments.len()))
    };
    let mut parts: Vec<Part> = Vec::new();
    for structure in &structures {
        let mut knowing: Vec<(&Task, String, Basis)> = tasks
            .iter()
            .filter_map(|task| {
                let (label, basis) = segment_of(task, structure)?;
                Some((task, label, basis))
            })
            .collect();
        // Stable: of equals the first by name stays first.
        knowing.sort_by_key(|(task, _, _)| std::cmp::Reverse(knows(task)));
        let others: Vec<&str> = knowing.iter().skip(1).map(|k| k.0.name.as_str()).collect();
        match knowing.first() {
            Some((task, label, basis)) => {
                let why = reason(structure, label, *basis, &others);
                let structure = Structure {
                    task_segment: label.clone(),
                    ..structure.clone()
                };
                let taken = |part: &Part| {
                    let mut shown = part.structures.iter();
                    shown.any(|other| other.task_segment == structure.task_segment)
                };
                let of_task = |part: &&mut Part| part.task == task.name && !taken(part);
                match parts.iter_mut().find(of_task) {
                    Some(part) => {
                        part.why = format!("{}; {why}", part.why);
                        part.structures.push(structure);
                    }
                    None => parts.push(Part {
                        task: task.name.clone(),
                        is_further: true,
                        why,
                        structures: vec![structure],
                    }),
                }
            }
            None => parts.push(Part {
                task: new_name(&structure.description, tasks, &parts),
                is_further: false,
                why: match is_coded(&structure.description) {
                    true => format!("no task has {}", coded(&structure.description)),
                    false => "no task has a segment of this name, and it carries no code".into(),
                },
                structures: vec![structure.clone()],
            }),
        }
    }
    parts
}

/// What a task calls a structure, where it knows it, and what shows that it is the same.
pub(super) fn segment_of(task: &Task, structure: &Structure) -> Option<(String, Basis)> {
    task.segments.iter().find_map(|segment| {
        let basis = same_structure(&segment.description, &structure.description)?;
        Some((segment.description.label.clone(), basis))
    })
}

fn reason(structure: &Structure, label: &str, basis: Basis, others: &[&str]) -> String {
    let same = match basis {
        Basis::Code => format!("its `{label}` is {}", coded(&structure.description)),
        Basis::Name => format!("its `{label}` has the same name; the codes do not tell"),
    };
    match others {
        [] => same,
        others => format!("{same}; also known to {}", others.join(", ")),
    }
}

fn coded(description: &SegmentDescription) -> String {
    let code = &description.property_type;
    let mut text = format!("{} {} ({}", code.value, code.scheme, code.meaning);
    for further in [
        &description.property_type_modifier,
        &description.anatomic_region,
    ]
    .into_iter()
    .flatten()
    {
        text += &format!(", {}", further.meaning);
    }
    text + ")"
}

/// A name that a folder and a rule can have, made of the label or else of the code's meaning; free.
fn new_name(description: &SegmentDescription, tasks: &[Task], parts: &[Part]) -> String {
    let words = |text: &str| {
        let plain: String = text
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' })
            .collect();
        plain.split_whitespace().collect::<Vec<_>>().join("-")
    };
    let meaning = words(&description.property_type.meaning);
    let name = [words(&description.label), meaning, "structure".to_owned()]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_default();
    let name: String = name.chars().take(48).collect();
    let is_free = |name: &str| {
        !tasks.iter().any(|task| task.name == name) && !parts.iter().any(|part| part.task == name)
    };
    std::iter::once(name.clone())
        .chain((2..).map(|n| format!("{name}-{n}")))
        .find(|name| is_free(name))
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::TaskSegment;

    fn task(name: &str, segments: &[&str]) -> Task {
        Task {
            name: name.into(),
            exclusive: true,
            created: chrono::Utc::now(),
            taught: false,
            segments: segments
                .iter()
                .map(|label| TaskSegment {
                    source_value: 1,
                    description: SegmentDescription::or_generic(label),
                })
                .collect(),
            references: Vec::new(),
        }
    }

    fn segments(labels: &[&str]) -> Vec<(u16, SegmentDescription)> {
        let all = (1..).zip(labels);
        all.map(|(n, label)| (n, SegmentDescription::or_generic(label)))
            .collect()
    }

    #[test]
    fn what_no_task_knows_becomes_a_task_of_its_own() {
        let parts = assign(
            &segments(&["spleen", "Left kidney", "Größe?", "spleen!"]),
            &[
                task("spleen-2", &["liver"]),
                task("left-kidney", &["aorta"]),
            ],
        );
        let names: Vec<&str> = parts.iter().map(|part| part.task.as_str()).collect();
        assert_eq!(names, ["spleen", "left-kidney-2", "gr-e", "spleen-3"]);
        assert!(parts.iter().all(|part| !part.is_further));
        assert!(parts[0].why.contains("78961009 SCT"), "{}", parts[0].why);
    }

    #[test]
    fn what_a_task_knows_goes_there_together_and_the_reason_is_said() {
        let tasks = [
            task("a-spleen", &["spleen"]),
            task("abdomen", &["Spleen", "liver", "aorta"]),
        ];
        let parts = assign(&segments(&["spleen", "liver"]), &tasks);
        assert_eq!(parts.len(), 1);
        assert!(parts[0].is_further && parts[0].task == "abdomen");
        assert_eq!(parts[0].structures[0].task_segment, "Spleen");
        assert!(
            parts[0].why.contains("also known to a-spleen"),
            "{}",
            parts[0].why
        );
        // Alone, it goes to the task that is about it.
        let parts = assign(&segments(&["spleen"]), &tasks);
        assert_eq!(parts[0].task, "a-spleen");
    }

    #[test]
    fn segments_that_mean_the_same_are_one_structure() {
        let parts = assign(&segments(&["spleen", "liver", "Spleen"]), &[]);
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].structures[0].values, [1, 3]);
    }
}
