//! UIDs that follow from what they stand for: the same input twice gives the same UIDs.

use super::seg_form::SegmentationType;
use crate::assemble::SourceSeries;
use crate::encode::Provenance;
use uuid::Uuid;

/// The name space of UIDs derived by irisnode (a random UUID, drawn once).
const NAME_SPACE: Uuid = Uuid::from_u128(0x6f1c_9a52_5d0b_4be7_9d3e_71a8_c04f_26b5);

/// Derives the UIDs of one result (PS3.5 B.2: `2.25.` and a UUID as a decimal number).
#[derive(Debug, Clone)]
pub(super) struct ResultUids {
    result: Uuid,
}

impl ResultUids {
    /// From the source instances in slice order, the tasks with their versions, the weights and the rule.
    pub(super) fn new(
        source: &SourceSeries,
        provenance: &Provenance,
        kind: SegmentationType,
    ) -> Self {
        let mut name = Vec::new();
        let mut add = |field: &str| {
            // The length before each field keeps ("ab", "c") apart from ("a", "bc").
            name.extend_from_slice(&(field.len() as u64).to_le_bytes());
            name.extend_from_slice(field.as_bytes());
        };
        add(&provenance.rule);
        add(&provenance.weights_hash);
        add(&provenance.tasks.len().to_string());
        for (task, version) in &provenance.tasks {
            add(task);
            add(version);
        }
        for slice in &source.slices {
            add(&slice.sop_instance_uid);
            add(&slice.frame.unwrap_or(0).to_string());
        }
        // BINARY is what results were before there was a choice, and keeps its names.
        if kind != SegmentationType::Binary {
            add(kind.name());
        }
        Self {
            result: Uuid::new_v5(&NAME_SPACE, &name),
        }
    }

    /// The UID of a part of the result, such as `"instance"`.
    pub(super) fn of(&self, part: &str) -> String {
        uid(Uuid::new_v5(&self.result, part.as_bytes()))
    }
}

/// A UID that follows from another UID and from what it is for.
pub(super) fn derived(from: &str, purpose: &str) -> String {
    uid(Uuid::new_v5(
        &Uuid::new_v5(&NAME_SPACE, from.as_bytes()),
        purpose.as_bytes(),
    ))
}

fn uid(uuid: Uuid) -> String {
    format!("2.25.{}", uuid.as_u128())
}
