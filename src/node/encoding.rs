//! From what the network found to the DICOM-SEG that says so: one mapping for the node and the command line.

use crate::assemble::SourceSeries;
use crate::encode::{
    EncodeError, MadeBy, Provenance, ReportInstance, SegForm, SegInstance, Segment,
    SegmentationType, write_report, write_seg_to,
};
use crate::segment::{ResultSegment, Segmented};
use std::io::Write;

/// Writes a result on the grid of its source series; each segment names its task as the algorithm.
///
/// The UIDs follow from the source, from `provenance`, from the kind, and from nothing else. A LABELMAP in which
/// segments would overlap, and a FRACTIONAL of a result that keeps no probabilities, is written as BINARY instead:
/// nothing found is lost, and [`SegInstance::segmentation_type`] says so.
///
/// # Errors
/// As [`crate::encode::write_seg_to`]; [`EncodeError::NothingFound`] is an answer rather than a failure.
pub fn encode_result(
    out: &mut impl Write,
    result: &Segmented,
    source: &SourceSeries,
    provenance: &Provenance,
    kind: SegmentationType,
) -> Result<SegInstance, EncodeError> {
    let segments = segments(result);
    let labels = &result.labels;
    let mut write =
        |form: SegForm<'_>| write_seg_to(out, form, labels, &segments, source, provenance);
    match (kind, &result.probabilities) {
        (SegmentationType::Fractional, Some(probabilities)) => {
            let fill = |number: u16, k: usize, slice: &mut [u8]| {
                probabilities.fill(labels.geometry(), number, k, slice);
            };
            write(SegForm::Fractional(&fill))
        }
        (SegmentationType::Labelmap, _) => match write(SegForm::Labelmap) {
            Err(EncodeError::Overlap) => write(SegForm::Binary),
            written => written,
        },
        (SegmentationType::Fractional | SegmentationType::Binary, _) => write(SegForm::Binary),
    }
}

/// The measurement report of a result that was encoded: the volume of each segment of `seg`.
///
/// # Errors
/// As [`write_report`].
pub fn encode_report(
    result: &Segmented,
    seg: &SegInstance,
    source: &SourceSeries,
    provenance: &Provenance,
) -> Result<ReportInstance, EncodeError> {
    let grid = result.labels.geometry();
    write_report(seg, &segments(result), grid, source, provenance)
}

fn segments(result: &Segmented) -> Vec<Segment> {
    let segments = result.segments.iter().map(|segment| Segment {
        number: segment.number,
        description: segment.description.clone(),
        made_by: MadeBy::Iris,
        algorithm_name: segment.task.clone(),
        algorithm_version: segment.task_version.clone(),
        references: references(segment),
    });
    segments.collect()
}

/// The references that a segment was found by: the first digits of each one's hash, and its share of several.
fn references(segment: &ResultSegment) -> Vec<String> {
    let name = |hash: &String| hash.chars().take(16).collect::<String>();
    // A tuned task has one embedding, made from all of them.
    if segment.weights.is_empty() {
        return segment.references.iter().map(name).collect();
    }
    let shares = segment.references.iter().zip(&segment.weights);
    let counted: Vec<_> = shares.filter(|(_, share)| **share > 0.0).collect();
    match counted.as_slice() {
        [(only, _)] => vec![name(only)],
        several => several
            .iter()
            .map(|(hash, share)| format!("{} ({share:.2})", name(hash)))
            .collect(),
    }
}
