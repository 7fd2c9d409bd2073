//! From what the network found to the DICOM-SEG that says so: one mapping for the node and the command line.

use crate::assemble::SourceSeries;
use crate::encode::{EncodeError, Provenance, SegInstance, Segment, write_seg};
use crate::segment::Segmented;

/// Encodes a result on the grid of its source series; each segment names its task as the algorithm.
///
/// The UIDs follow from the source, from `provenance`, and from nothing else.
///
/// # Errors
/// As [`write_seg`]; [`EncodeError::NothingFound`] is an answer rather than a failure.
pub fn encode_result(
    result: &Segmented,
    source: &SourceSeries,
    provenance: &Provenance,
) -> Result<SegInstance, EncodeError> {
    let segments: Vec<Segment> = result
        .segments
        .iter()
        .map(|segment| Segment {
            number: segment.number,
            description: segment.description.clone(),
            algorithm_name: segment.task.clone(),
            algorithm_version: segment.task_version.clone(),
        })
        .collect();
    write_seg(&result.labels, &segments, source, provenance)
}
