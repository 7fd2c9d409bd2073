//! Segmenting by a task: results on the source grid whatever its orientation.

use irisnode::iris::Iris;
use irisnode::segment::{SegmentOptions, dice, segment_volume};
use irisnode::tasks::Selection;
use irisnode::terminology::{Code, SegmentDescription};
use irisnode::volume::{Components, Geometry, LabelVolume};

use crate::patient::*;

/// The patient as other scanners present it: the same places, other axes.
fn presentations() -> Vec<(&'static str, Geometry)> {
    let [x, y, z] = axial(4.0).origin;
    let far = |axis: usize| -axial(4.0).origin[axis];
    vec![
        ("axial", axial(4.0)),
        (
            "feet first, from behind",
            Geometry {
                direction: [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]],
                origin: [far(0), far(1), far(2)],
                ..axial(4.0)
            },
        ),
        (
            "coronal",
            Geometry {
                size: [30, 20, 25],
                spacing: [4.0; 3],
                direction: [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]],
                origin: [x, y, far(2)],
            },
        ),
        (
            "sagittal from the right",
            Geometry {
                size: [25, 20, 30],
                spacing: [4.0; 3],
                direction: [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]],
                origin: [far(0), y, z],
            },
        ),
    ]
}

#[test]
fn labels_land_on_the_source_grid_whatever_its_orientation() {
    let place = workplace();
    let iris = place.network(3);
    place
        .library
        .add("trunk", true, &kidney_and_aorta(), reference(4.0, 0.0))
        .unwrap();
    let tasks = [place.library.load("trunk", &iris).unwrap()];
    // Weights are random here, so the threshold is put where about half of the voxels are above it.
    let options = SegmentOptions {
        threshold: middle_probability(&iris, &tasks[0]),
        ..SegmentOptions::default()
    };
    let mut places: Option<Vec<u16>> = None;
    for (name, geometry) in presentations() {
        let (image, _) = patient_on(geometry.clone(), 6.0);
        let mut last = (0, 0);
        let result = segment_volume(&image, "CT", &tasks, &iris, &options, &mut |done, all| {
            last = (done, all)
        })
        .unwrap();
        assert!(
            last.0 > 0 && last.0 == last.1,
            "progress ends at the end: {last:?}"
        );
        let labels = result.labels.to_volume();
        assert_eq!(labels.geometry, geometry, "{name}");
        assert_eq!(result.segments.len(), 2);
        for segment in &result.segments {
            assert_eq!(segment.voxels, labels.voxel_count(segment.number));
        }
        let here: Vec<u16> = in_patient_order(&labels, &axial(4.0));
        let labelled = here.iter().filter(|&&label| label != 0).count();
        assert!(
            labelled > here.len() / 10 && labelled < here.len() * 9 / 10,
            "{labelled} of {}",
            here.len()
        );
        match &places {
            None => places = Some(here),
            Some(first) => {
                let same = first.iter().zip(&here).filter(|(a, b)| a == b).count();
                let share = same as f64 / here.len() as f64;
                assert!(
                    share > 0.995,
                    "{name}: {share} of the places have the same label"
                );
            }
        }
    }
}

/// Labels at the positions of another grid (nearest voxel), so that grids with other axes can be compared.
fn in_patient_order(labels: &LabelVolume, grid: &Geometry) -> Vec<u16> {
    labels.resampled(grid).layers.remove(0)
}

fn middle_probability(iris: &Iris, task: &irisnode::tasks::LoadedTask) -> f32 {
    probability_of_rank(iris, task, 0.5)
}

/// The probability that this share of the voxels is below, of whatever class is the likeliest.
fn probability_of_rank(iris: &Iris, task: &irisnode::tasks::LoadedTask, share: f64) -> f32 {
    let (image, _) = patient_on(axial(4.0), 6.0);
    let input =
        irisnode::preprocess::network_input(&image, "CT", iris.config().spacing_mm).unwrap();
    let found = iris
        .segment(
            &input.image,
            &task.embedding,
            &Default::default(),
            &mut |_, _| {},
        )
        .unwrap();
    let (greatest, _) = found.max_dim(0, false);
    f64::try_from(
        greatest
            .flatten(0, -1)
            .quantile_scalar(share, 0, false, "lower"),
    )
    .unwrap() as f32
}

/// Connected parts of a segment: those that do not reach the edge of the scan, and all.
fn parts(labels: &LabelVolume, segment: u16) -> (usize, usize) {
    let size = labels.geometry.size;
    let components = Components::of(&labels.mask(segment), size);
    let mut at_edge = vec![false; components.sizes.len()];
    for (at, &part) in components.of_voxel.iter().enumerate() {
        let place = [
            at % size[0],
            at / size[0] % size[1],
            at / (size[0] * size[1]),
        ];
        at_edge[part as usize] |= (0..3).any(|a| place[a] == 0 || place[a] + 1 == size[a]);
    }
    let inner = at_edge.iter().skip(1).filter(|&&edge| !edge).count();
    (inner, components.sizes.len() - 1)
}

#[test]
fn an_organ_shown_in_one_piece_is_found_in_one_piece_and_a_lesion_may_have_many() {
    let place = workplace();
    let iris = place.network(3);
    let kidney = |category: Code| {
        vec![Selection {
            value: KIDNEY,
            description: SegmentDescription {
                category,
                ..described("Kidney")
            },
        }]
    };
    let organ = Code::new("91723000", "SCT", "Anatomical Structure");
    let lesion = Code::new("49755003", "SCT", "Morphologically Abnormal Structure");
    let find = |name: &str, selections: &[Selection], references: usize| {
        let library = &place.library;
        library
            .add(name, true, selections, reference(4.0, 0.0))
            .unwrap();
        if references > 1 {
            // A second one, in which the kidney lies in two halves.
            let mut halved = reference(4.0, 0.0);
            let slice = halved.image.geometry.size[0] * halved.image.geometry.size[1];
            let middle = halved.image.geometry.size[2] / 2;
            halved.labels.layers[0][slice * middle..slice * (middle + 2)].fill(0);
            library.add_reference(name, selections, halved).unwrap();
        }
        let tasks = [library.load(name, &iris).unwrap()];
        // Weights are random here: few voxels are above the threshold, and they are scattered.
        let options = SegmentOptions {
            threshold: probability_of_rank(&iris, &tasks[0], 0.9),
            least_part: 0.0,
            ..SegmentOptions::default()
        };
        // On the network's own grid, where parts are told apart.
        let (image, _) = patient_on(axial(5.0), 6.0);
        let found = segment_volume(&image, "CT", &tasks, &iris, &options, &mut |_, _| {});
        parts(&found.unwrap().labels.to_volume(), 1)
    };
    let (inner, many) = find("lesion", &kidney(lesion), 1);
    assert!(
        inner > 1,
        "{inner} of {many} parts: the situation shows nothing"
    );
    let (inner, kept) = find("organ", &kidney(organ.clone()), 1);
    assert!(
        kept >= 1 && (inner == 0 || (inner, kept) == (1, 1)),
        "{inner} inner of {kept} parts"
    );
    let (_, of_halves) = find("halves", &kidney(organ), 2);
    assert!(
        of_halves > kept,
        "{of_halves} parts by a reference of two, {kept} by one"
    );
}

#[test]
fn the_same_input_gives_the_same_result() {
    let place = workplace();
    let iris = place.network(4);
    place
        .library
        .add("trunk", true, &kidney_and_aorta(), reference(4.0, 0.0))
        .unwrap();
    let tasks = [place.library.load("trunk", &iris).unwrap()];
    let options = SegmentOptions {
        threshold: middle_probability(&iris, &tasks[0]),
        ..SegmentOptions::default()
    };
    let (image, _) = patient_on(axial(2.0), 5.0);
    let run = || segment_volume(&image, "CT", &tasks, &iris, &options, &mut |_, _| {}).unwrap();
    assert_eq!(run(), run());
}

#[test]
fn two_tasks_run_in_one_pass_and_keep_their_own_segments() {
    let place = workplace();
    let iris = place.network(5);
    let all = kidney_and_aorta();
    place
        .library
        .add("trunk", true, &all, reference(4.0, 0.0))
        .unwrap();
    place
        .library
        .add("vessel", false, &all[1..], reference(4.0, 0.0))
        .unwrap();
    let tasks = ["trunk", "vessel"].map(|name| place.library.load(name, &iris).unwrap());
    let (image, _) = patient_on(axial(4.0), 0.0);
    let result = segment_volume(
        &image,
        "CT",
        &tasks,
        &iris,
        &Default::default(),
        &mut |_, _| {},
    )
    .unwrap();
    let names: Vec<_> = result
        .segments
        .iter()
        .map(|s| {
            (
                s.number,
                s.task.as_str(),
                s.task_segment,
                s.description.label.as_str(),
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            (1, "trunk", 1, "Kidney"),
            (2, "trunk", 2, "Aorta"),
            (3, "vessel", 1, "Aorta")
        ]
    );
}

#[test]
fn trained_weights_find_a_reference_in_itself() {
    let Some(iris) = trained_network() else {
        return;
    };
    let place = workplace();
    place
        .library
        .add("trunk", true, &kidney_and_aorta(), reference(2.0, 0.0))
        .unwrap();
    let tasks = [place.library.load("trunk", &iris).unwrap()];
    let (image, truth) = patient_on(axial(2.0), 0.0);
    let result = segment_volume(
        &image,
        "CT",
        &tasks,
        &iris,
        &Default::default(),
        &mut |_, _| {},
    )
    .unwrap();
    let scores = [(1, KIDNEY), (2, AORTA)]
        .map(|(number, value)| dice(&result.labels.to_volume(), number, &truth, value).unwrap());
    eprintln!(
        "Dice of the reference in itself: kidney {:.2}, aorta {:.2}",
        scores[0], scores[1]
    );
    // A label of the right size put anywhere would score under 0.1.
    assert!(scores.iter().all(|&score| score > 0.5), "{scores:?}");
}
