//! Confidence: a number that falls where the result is worse, without knowing what is right.

use irisnode::iris::Iris;
use irisnode::segment::{SegmentOptions, Segmented, dice, segment_volume};
use irisnode::tasks::LoadedTask;
use irisnode::volume::Volume;

use crate::patient::*;

/// The task `trunk` by patients shifted to those places.
fn taught(iris: &Iris, shifts: &[f64]) -> (Workplace, Vec<LoadedTask>) {
    let place = workplace();
    let all = kidney_and_aorta();
    for (at, &shift) in shifts.iter().enumerate() {
        let reference = reference(4.0, shift);
        if at == 0 {
            place.library.add("trunk", true, &all, reference).unwrap();
        } else {
            let library = &place.library;
            library.add_reference("trunk", &all, reference).unwrap();
        }
    }
    let task = place.library.load("trunk", iris).unwrap();
    (place, vec![task])
}

fn segment(image: &Volume, tasks: &[LoadedTask], iris: &Iris, compare: usize) -> Segmented {
    let options = SegmentOptions {
        compare,
        ..SegmentOptions::default()
    };
    segment_volume(image, "CT", tasks, iris, &options, &mut |_, _| {}).unwrap()
}

/// Stripes of some HU over everything, the same every time.
fn striped(image: &Volume, amplitude: f32) -> Volume {
    let mut image = image.clone();
    for (at, voxel) in image.voxels.iter_mut().enumerate() {
        *voxel += amplitude * (at as f32 * 0.7).sin();
    }
    image
}

#[test]
fn confidence_falls_with_dice() {
    let Some(iris) = trained_network() else {
        return;
    };
    let (_place, tasks) = taught(&iris, &[0.0]);
    let (image, truth) = patient_on(axial(4.0), 4.0);
    let of = |amplitude: f32| {
        let result = segment(&striped(&image, amplitude), &tasks, &iris, 2);
        let kidney = &result.segments[0];
        let dice = dice(&result.labels.to_volume(), 1, &truth, KIDNEY).unwrap_or(0.0);
        (dice, kidney.confidence)
    };
    let seen = [0.0, 300.0, 600.0, 1200.0].map(of);
    eprintln!("(Dice, confidence) under ever stronger stripes: {seen:.2?}");
    assert!(seen[0].0 > 0.7 && seen[3].0 < seen[0].0 - 0.3, "{seen:?}");
    for better in seen {
        for worse in seen.iter().filter(|worse| worse.0 < better.0 - 0.15) {
            assert!(worse.1 < better.1, "{worse:?} {better:?}");
        }
    }
}

#[test]
fn several_references_are_compared_and_change_nothing_of_the_result() {
    let Some(iris) = trained_network() else {
        return;
    };
    let (image, _) = patient_on(axial(4.0), 4.0);
    let (_place, one) = taught(&iris, &[0.0]);
    let alone = segment(&image, &one, &iris, 2);
    assert!(
        alone
            .segments
            .iter()
            .all(|s| s.confidence_parts.agreement.is_none())
    );

    let (_place, several) = taught(&iris, &[0.0, 6.0, -6.0]);
    let compared = segment(&image, &several, &iris, 2);
    let not_compared = segment(&image, &several, &iris, 0);
    assert_eq!(compared.labels, not_compared.labels);
    for (with, without) in compared.segments.iter().zip(&not_compared.segments) {
        let agreement = with.confidence_parts.agreement.unwrap();
        // The references are one patient, moved a little: they agree, perhaps to the voxel.
        assert!((0.5..=1.0).contains(&agreement), "{agreement}");
        assert_eq!(without.confidence_parts.agreement, None);
        assert_eq!(
            with.confidence_parts.border,
            without.confidence_parts.border
        );
        assert_eq!(with.confidence, with.confidence_parts.overall());
    }
    // Of a query that is hard to see each finds a little else.
    let hard = segment(&striped(&image, 300.0), &several, &iris, 2);
    let agreements: Vec<f64> = hard
        .segments
        .iter()
        .filter_map(|segment| segment.confidence_parts.agreement)
        .collect();
    assert!(agreements.iter().any(|a| *a < 1.0), "{agreements:?}");
}

#[test]
fn volume_counts_for_what_is_seen_whole() {
    let Some(iris) = trained_network() else {
        return;
    };
    let (_place, tasks) = taught(&iris, &[0.0]);
    // The ball lies inside the scan, the tube goes through it from end to end.
    let whole: Vec<bool> = tasks[0].references[0]
        .whole_ml
        .iter()
        .map(Option::is_some)
        .collect();
    assert_eq!(whole, [true, false]);
    let (image, _) = patient_on(axial(4.0), 0.0);
    let result = segment(&image, &tasks, &iris, 2);
    let volumes: Vec<Option<f64>> = result
        .segments
        .iter()
        .map(|segment| segment.confidence_parts.volume)
        .collect();
    assert_eq!(volumes, [Some(1.0), None]);
}

#[test]
fn nothing_found_has_no_confidence() {
    let place = workplace();
    let iris = place.network(9);
    let (_place, tasks) = taught(&iris, &[0.0, 6.0]);
    let (image, _) = patient_on(axial(4.0), 0.0);
    let result = segment(&image, &tasks, &iris, 2);
    assert!(
        result
            .segments
            .iter()
            .all(|s| s.voxels == 0 && s.confidence == 0.0)
    );
}
