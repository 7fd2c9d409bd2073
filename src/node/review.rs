//! Which results a person should look at before they are sent.

use crate::segment::ResultSegment;

/// Why a result is held, in a sentence for its job's record; `None` when every segment that was found has a
/// confidence of at least `least`.
///
/// Segments that were not found are no part of what would be sent, and do not count.
pub(super) fn doubt(rule: &str, segments: &[ResultSegment], least: f64) -> Option<String> {
    let doubtful: Vec<String> = segments
        .iter()
        .filter(|segment| segment.voxels > 0 && segment.confidence < least)
        .map(|segment| {
            // Rounded down: 0.597 must not be shown as 0.60 below 0.60.
            let shown = (segment.confidence * 100.0).floor() / 100.0;
            format!("{} {shown:.2}", segment.description.label)
        })
        .collect();
    (!doubtful.is_empty()).then(|| {
        format!(
            "rule `{rule}` holds its result for review, confidence below {least}: {}",
            doubtful.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Confidence;
    use crate::terminology::SegmentDescription;

    fn segment(label: &str, voxels: usize, confidence: f64) -> ResultSegment {
        ResultSegment {
            number: 1,
            description: SegmentDescription::or_generic(label),
            task: "t".into(),
            task_version: "v".into(),
            task_segment: 1,
            weights: Vec::new(),
            references: Vec::new(),
            confidence,
            confidence_parts: Confidence::default(),
            voxels,
            volume_ml: 0.0,
            slices: 0,
        }
    }

    #[test]
    fn a_found_segment_below_the_least_holds_the_result_and_is_named() {
        let segments = [
            segment("liver", 9, 0.9),
            segment("spleen", 9, 0.597),
            segment("aorta", 0, 0.0),
        ];
        let said = doubt("r", &segments, 0.6).unwrap();
        assert!(
            said.contains("rule `r`") && said.contains("0.6: Spleen 0.59"),
            "{said}"
        );
        assert!(!said.contains("Liver") && !said.contains("Aorta"), "{said}");
        assert_eq!(doubt("r", &segments, 0.5), None);
    }
}
