//! A person's yes: the reference goes into the task library.

use super::assignment::{Structure, assign, segment_of};
use super::material::{blocking, material_of};
use super::{Finding, Material, TeachError};
use crate::archive::{Archive, Proposal, Undecidable};
use crate::tasks::{TaskError, TaskLibrary};

/// What an approval did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// Name of the task.
    pub task: String,
    /// How many references it has now; 1 when it is new.
    pub references: usize,
    /// The task was proposed as new, and is there by now: it got a further reference instead.
    pub joined: bool,
}

/// Approves a proposal: makes its task, or adds the reference to the task that knows its structures. `name` is the task's,
/// instead of the one proposed; one that exists gets a further reference.
///
/// Tasks may have changed since it was proposed; it is held against them again. What was approved half before a crash is
/// approved whole the next time.
///
/// # Errors
/// When it waits for no decision, its labels or images are gone, or the task library refuses; it is proposed still.
pub async fn approve(
    archive: &Archive,
    library: &TaskLibrary,
    id: i64,
    name: Option<&str>,
) -> Result<Approved, TeachError> {
    let proposal = proposed(archive, id).await?;
    let finding = Finding::kept_with(&proposal).ok_or(TeachError::Damaged(id))?;
    let material = material_of(archive, &proposal).await?;
    let (library, name) = (library.clone(), name.map(str::to_owned));
    let taught = move || teach(&library, material, &finding, name.as_deref(), &proposal);
    let approved = blocking(taught).await?;
    let reason = match approved.references {
        1 => format!("made task `{}`", approved.task),
        number => format!("reference {number} of `{}`", approved.task),
    };
    match archive.approved(id, &approved.task, &reason).await? {
        Ok(()) => Ok(approved),
        Err(Undecidable::NoSuchProposal) => Err(TeachError::NoSuchProposal(id)),
        Err(Undecidable::State(state)) => Err(TeachError::NotProposed { id, state }),
    }
}

async fn proposed(archive: &Archive, id: i64) -> Result<Proposal, TeachError> {
    let found = archive.proposal(id).await?;
    let proposal = found.ok_or(TeachError::NoSuchProposal(id))?;
    match proposal.state.as_str() {
        "proposed" => Ok(proposal),
        state => Err(TeachError::NotProposed {
            id,
            state: state.to_owned(),
        }),
    }
}

fn teach(
    library: &TaskLibrary,
    material: Material,
    finding: &Finding,
    name: Option<&str>,
    proposal: &Proposal,
) -> Result<Approved, TeachError> {
    let tasks = library.list()?;
    let parts = assign(&material.segments, &tasks);
    let structures: Vec<Structure> = parts.iter().flat_map(|p| p.structures.clone()).collect();
    let proposed_as = proposal.task.as_deref().unwrap_or_default();
    // As it is assigned now: to the task that knows it, be it there only since it was proposed.
    let further = parts.first().filter(|part| part.is_further);
    let target = name.unwrap_or_else(|| further.map_or(proposed_as, |part| part.task.as_str()));
    let known = tasks.iter().find(|task| task.name == target);
    let Some(known) = known else {
        let (selections, reference) = material.reference(&structures);
        library.add_taught(target, selections.len() == 1, &selections, reference)?;
        return Ok(Approved {
            task: target.to_owned(),
            references: 1,
            joined: false,
        });
    };
    let structures: Vec<Structure> = structures
        .into_iter()
        .map(|structure| {
            let label = segment_of(known, &structure).map(|(label, _)| label);
            Structure {
                task_segment: label.unwrap_or_else(|| structure.task_segment.clone()),
                ..structure
            }
        })
        .collect();
    let (selections, reference) = material.reference(&structures);
    let references = match library.add_reference(target, &selections, reference) {
        Ok(task) => task.references.len(),
        // Approved before, and the process ended before the archive heard of it.
        Err(TaskError::ReferenceTwice { .. }) => known.references.len(),
        Err(error) => return Err(error.into()),
    };
    Ok(Approved {
        task: target.to_owned(),
        references,
        joined: !finding.is_further && name.is_none(),
    })
}
