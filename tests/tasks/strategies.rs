//! Reference strategies: what a segment's embedding is made of, seen in the results.

use irisnode::iris::Iris;
use irisnode::segment::{SegmentOptions, Segmented, Strategy, segment_volume};
use irisnode::tasks::{LoadedTask, Reference};
use irisnode::volume::Volume;

use crate::patient::*;

const ALL: [Strategy; 5] = [
    Strategy::OneShot,
    Strategy::Ensemble,
    Strategy::ImageRetrieval,
    Strategy::Retrieval,
    Strategy::Tuned,
];

/// Kidney and aorta of the query, HU.
const QUERY: [f32; 2] = [180.0, 120.0];

/// The patient with a kidney and an aorta of other enhancement.
fn enhanced(values: [f32; 2]) -> Reference {
    let mut reference = reference(4.0, 0.0);
    let labels = &reference.labels.layers[0];
    for (voxel, &label) in reference.image.voxels.iter_mut().zip(labels) {
        match label {
            KIDNEY => *voxel = values[0],
            AORTA => *voxel = values[1],
            _ => {}
        }
    }
    reference
}

/// The task `trunk` by those references, in that order.
fn taught(iris: &Iris, references: &[[f32; 2]]) -> (Workplace, LoadedTask) {
    let place = workplace();
    let (first, further) = references.split_first().unwrap();
    let all = kidney_and_aorta();
    let library = &place.library;
    library.add("trunk", true, &all, enhanced(*first)).unwrap();
    for values in further {
        library
            .add_reference("trunk", &all, enhanced(*values))
            .unwrap();
    }
    let task = library.load("trunk", iris).unwrap();
    (place, task)
}

fn query() -> Volume {
    enhanced(QUERY).image
}

fn by(
    strategy: Strategy,
    retrieve: usize,
    task: LoadedTask,
    iris: &Iris,
) -> (Segmented, LoadedTask) {
    let options = SegmentOptions {
        strategy,
        retrieve,
        ..SegmentOptions::default()
    };
    let mut last = (0, 0);
    let tasks = [task];
    let result = segment_volume(&query(), "CT", &tasks, iris, &options, &mut |done, all| {
        assert!(
            done >= last.0 && (last.1 == 0 || all == last.1),
            "{last:?}, then {done} of {all}"
        );
        last = (done, all);
    })
    .unwrap();
    assert!(
        last.0 > 0 && last.0 == last.1,
        "progress ends at the end: {last:?}"
    );
    let [task] = tasks;
    (result, task)
}

fn weights(result: &Segmented) -> Vec<Vec<f64>> {
    let segments = result.segments.iter();
    segments.map(|segment| segment.weights.clone()).collect()
}

#[test]
fn retrieval_picks_the_reference_that_is_the_query_itself() {
    let Some(iris) = trained_network() else {
        return;
    };
    let (_place, mut task) = taught(&iris, &[[60.0, 220.0], QUERY, [260.0, 70.0]]);
    for strategy in [Strategy::Retrieval, Strategy::ImageRetrieval] {
        let (result, same) = by(strategy, 1, task, &iris);
        task = same;
        assert_eq!(weights(&result), [[0.0, 1.0, 0.0]; 2], "{strategy:?}");
    }
    let (result, _) = by(Strategy::Retrieval, 3, task, &iris);
    for segment in &result.segments {
        let [one, itself, other] = segment.weights[..] else {
            panic!("{:?}", segment.weights)
        };
        assert!((one + itself + other - 1.0).abs() < 1e-9);
        assert!(itself > one && itself > other, "{:?}", segment.weights);
    }
}

#[test]
fn objects_are_retrieved_each_from_its_own_reference_and_images_as_a_whole() {
    let Some(iris) = trained_network() else {
        return;
    };
    // One reference has the query's kidney, the other its aorta.
    let (_place, task) = taught(&iris, &[[QUERY[0], 40.0], [60.0, QUERY[1]]]);
    let (result, task) = by(Strategy::Retrieval, 1, task, &iris);
    assert_eq!(weights(&result), [[1.0, 0.0], [0.0, 1.0]]);
    let (result, _) = by(Strategy::ImageRetrieval, 1, task, &iris);
    let chosen = weights(&result);
    assert_eq!(chosen[0], chosen[1]);
    assert_eq!(chosen[0].iter().sum::<f64>(), 1.0);
}

#[test]
fn the_order_of_references_matters_to_one_shot_alone() {
    let Some(iris) = trained_network() else {
        return;
    };
    let order = [[60.0, 220.0], QUERY, [260.0, 70.0]];
    let mut turned = order;
    turned.reverse();
    let (_place, mut one) = taught(&iris, &order);
    let (_other_place, mut other) = taught(&iris, &turned);
    for strategy in ALL {
        let (result, task) = by(strategy, 2, one, &iris);
        let (of_turned, other_task) = by(strategy, 2, other, &iris);
        (one, other) = (task, other_task);
        let mut unturned = weights(&of_turned);
        unturned.iter_mut().for_each(|weights| weights.reverse());
        let apart: f64 = weights(&result)
            .iter()
            .flatten()
            .zip(unturned.iter().flatten())
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        if strategy == Strategy::OneShot {
            assert_eq!(apart, 1.0);
        } else {
            assert!(apart < 1e-3, "{strategy:?}: {apart}");
            let (a, b) = (result.labels.to_volume(), of_turned.labels.to_volume());
            let (a, b) = (&a.layers[0], &b.layers[0]);
            let differ = a.iter().zip(b).filter(|(a, b)| a != b).count();
            assert!(differ <= 2, "{strategy:?}: {differ} voxels differ");
        }
    }
}

#[test]
fn with_one_reference_every_strategy_finds_the_same_and_none_passes_for_another() {
    let Some(iris) = trained_network() else {
        return;
    };
    let (_place, mut task) = taught(&iris, &[[150.0, 150.0]]);
    let untuned = task.version.clone();
    let mut versions = Vec::new();
    let mut first: Option<Segmented> = None;
    for strategy in ALL {
        let (result, same) = by(strategy, 3, task, &iris);
        task = same;
        assert_eq!(weights(&result), [[1.0]; 2]);
        versions.push(result.tasks[0].1.clone());
        assert!(
            result
                .segments
                .iter()
                .all(|s| s.task_version == result.tasks[0].1)
        );
        let first = first.get_or_insert_with(|| result.clone());
        assert_eq!(first.labels, result.labels, "{strategy:?}");
        assert!(first.segments.iter().any(|segment| segment.voxels > 0));
    }
    let expected = [
        "one-shot",
        "ensemble",
        "image-retrieval of 3",
        "retrieval of 3",
    ]
    .map(|strategy| format!("{untuned} {strategy}"));
    assert_eq!(versions[..4], expected);
    // What was found before there were strategies keeps its version, and so its UIDs.
    assert_eq!(versions[4], untuned);
}

#[test]
fn a_segment_that_the_first_pass_does_not_find_keeps_the_ensemble() {
    let place = workplace();
    // Untrained: nothing is above one half.
    let iris = place.network(9);
    let (_place, task) = taught(&iris, &[QUERY, [60.0, 220.0]]);
    let (result, _) = by(Strategy::Retrieval, 1, task, &iris);
    assert!(result.segments.iter().all(|segment| segment.voxels == 0));
    assert_eq!(weights(&result), [[0.5, 0.5]; 2]);
}

#[test]
fn tuning_has_no_part_in_the_other_strategies() {
    let place = workplace();
    let iris = place.network(8);
    let library = &place.library;
    library
        .add("trunk", true, &kidney_and_aorta(), enhanced(QUERY))
        .unwrap();
    let before = library.load("trunk", &iris).unwrap();
    let options = irisnode::iris::TuneOptions {
        steps: 4,
        rate: 0.1,
        ..Default::default()
    };
    library
        .tune("trunk", &iris, &options, &mut |_, _, _| {})
        .unwrap();
    let tuned = library.load("trunk", &iris).unwrap();
    assert_eq!(tuned.untuned_version, before.version);
    let ensemble = tuned.ensemble().unwrap();
    assert_eq!(
        difference(ensemble.tensor(), before.embedding.tensor()),
        0.0
    );
    assert!(difference(tuned.embedding.tensor(), before.embedding.tensor()) > 1e-3);
    let (result, tuned) = by(Strategy::Tuned, 3, tuned, &iris);
    assert_eq!(result.tasks[0].1, tuned.version);
    assert!(weights(&result).iter().all(Vec::is_empty));
    let (result, _) = by(Strategy::Ensemble, 3, tuned, &iris);
    assert_eq!(result.tasks[0].1, format!("{} ensemble", before.version));
}
