//! The library on disk: what is kept, what changes a version, what is refused.

use irisnode::iris::Iris;
use irisnode::tasks::{EmbeddingState, Reference, Selection, TaskError};

use crate::patient::*;

#[test]
fn a_task_is_there_with_its_segments_and_private_references() {
    let place = workplace();
    let task = place
        .library
        .add("trunk", true, &kidney_and_aorta(), reference(2.0, 0.0))
        .unwrap();
    assert_eq!(place.library.list().unwrap(), vec![task.clone()]);
    let shown = place.library.show("trunk").unwrap();
    assert_eq!(shown.segments[0].description.label, "Kidney");
    assert_eq!(shown.segments[1].source_value, AORTA);
    let kidney_ml = shown.references[0].volumes_ml()[0];
    let ball_ml = 4.0 / 3.0 * std::f64::consts::PI * 1.6f64.powi(3);
    assert!(
        (kidney_ml - ball_ml).abs() < 1.0,
        "{kidney_ml} ml of a ball of {ball_ml} ml"
    );
    assert_eq!(place.files("references").len(), 2);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(place.library.folder().join("trunk"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "patients' images are for the owner only");
    }
    place.library.remove("trunk").unwrap();
    assert!(place.library.list().unwrap().is_empty());
    assert_eq!(
        std::fs::read_dir(place.library.folder()).unwrap().count(),
        0,
        "nothing is left behind"
    );
}

#[test]
fn the_version_follows_the_content_and_not_the_name() {
    let place = workplace();
    let add = |name: &str, shift: f64| {
        let selections = kidney_and_aorta();
        place
            .library
            .add(name, true, &selections, reference(4.0, shift))
            .unwrap()
            .version()
    };
    assert_eq!(add("one", 0.0), add("same", 0.0));
    assert_ne!(add("other", 4.0), add("another", 0.0));
    let before = place.library.show("one").unwrap().version();
    let after = place
        .library
        .add_reference("one", &kidney_and_aorta()[..1], reference(4.0, 8.0))
        .unwrap()
        .version();
    assert_ne!(before, after);
}

#[test]
fn an_embedding_is_computed_once_kept_and_made_anew_for_other_weights() {
    let place = workplace();
    let iris = place.network(1);
    place
        .library
        .add("trunk", true, &kidney_and_aorta(), reference(4.0, 0.0))
        .unwrap();
    let states = |iris: &Iris| {
        place
            .library
            .embedding_states("trunk", iris.weights_hash())
            .unwrap()
    };
    assert_eq!(states(&iris), [EmbeddingState::Missing]);

    let first = place.library.load("trunk", &iris).unwrap();
    assert_eq!(first.embedding.classes(), 2);
    assert_eq!(states(&iris), [EmbeddingState::Ready]);
    // One of the segments, and one of the whole body for image-level retrieval.
    let kept = place.files("embeddings");
    assert_eq!(kept.len(), 2);
    let written = std::fs::metadata(&kept[0]).unwrap().modified().unwrap();

    // With its images gone, only the kept embedding can serve.
    let images = place.library.folder().join("trunk/references");
    let away = place.folder.path().join("away");
    std::fs::rename(&images, &away).unwrap();
    let again = place.library.load("trunk", &iris).unwrap();
    assert_eq!(
        difference(first.embedding.tensor(), again.embedding.tensor()),
        0.0
    );
    assert_eq!(
        std::fs::metadata(&kept[0]).unwrap().modified().unwrap(),
        written
    );
    std::fs::rename(&away, &images).unwrap();

    let other = place.network(2);
    assert_eq!(states(&other), [EmbeddingState::Missing]);
    let anew = place.library.load("trunk", &other).unwrap();
    assert!(difference(first.embedding.tensor(), anew.embedding.tensor()) > 1e-3);
    assert_eq!(place.files("embeddings").len(), 4);

    // A damaged file is made again, not trusted.
    for kept in &kept {
        std::fs::write(kept, b"not an embedding").unwrap();
    }
    let repaired = place.library.load("trunk", &iris).unwrap();
    assert!(difference(first.embedding.tensor(), repaired.embedding.tensor()) < 1e-5);
}

#[test]
fn several_references_average_segment_by_segment() {
    let place = workplace();
    let iris = place.network(1);
    let all = kidney_and_aorta();
    place
        .library
        .add("one", true, &all, reference(4.0, 0.0))
        .unwrap();
    place
        .library
        .add("two", true, &all, reference(4.0, 12.0))
        .unwrap();
    place
        .library
        .add("both", true, &all, reference(4.0, 0.0))
        .unwrap();
    // The second reference shows the kidney only.
    place
        .library
        .add_reference("both", &all[..1], reference(4.0, 12.0))
        .unwrap();
    let load = |name: &str| {
        place
            .library
            .load(name, &iris)
            .unwrap()
            .embedding
            .tensor()
            .copy()
    };
    let (one, two, both) = (load("one"), load("two"), load("both"));
    let kidney = (one.get(0) + two.get(0)) / 2.0;
    // Alone, the kidney's tokens do not see the aorta's: only the rows of classes taught together are equal.
    assert!(
        difference(&both.get(1), &one.get(1)) < 1e-5,
        "the aorta has one reference"
    );
    let moved = difference(&both.get(0), &one.get(0));
    assert!(moved > 1e-4, "the second reference counts");
    assert!(
        difference(&both.get(0), &kidney) < moved + 1e-4,
        "and lies between the two"
    );
}

fn refusal(result: Result<impl std::fmt::Debug, TaskError>) -> String {
    result.expect_err("it is refused").to_string()
}

#[test]
fn what_cannot_be_taught_is_refused_with_a_sentence_and_leaves_nothing() {
    let place = workplace();
    let library = &place.library;
    let all = kidney_and_aorta();

    let mut empty = reference(4.0, 0.0);
    empty.labels.layers[0].fill(0);
    let text = refusal(library.add("trunk", true, &all, empty));
    assert!(text.contains("the label is empty"), "{text}");

    let absent = [Selection {
        value: 3,
        description: described("Liver"),
    }];
    let text = refusal(library.add("trunk", true, &absent, reference(4.0, 0.0)));
    assert!(
        text.contains("value 3 (wanted as `Liver`)") && text.contains("7, 52"),
        "{text}"
    );

    let mut elsewhere = reference(4.0, 0.0);
    elsewhere.labels.geometry.origin[2] += 500.0;
    let text = refusal(library.add("trunk", true, &all, elsewhere));
    assert!(
        text.contains("do not overlap") && text.contains("460 to 540"),
        "{text}"
    );

    let mut overlapping = reference(4.0, 0.0);
    let lesion: Vec<u16> = overlapping.labels.layers[0]
        .iter()
        .map(|&l| if l == KIDNEY { 9 } else { 0 })
        .collect();
    overlapping.labels.layers.push(lesion);
    let both = [
        all[0].clone(),
        Selection {
            value: 9,
            description: described("Lesion"),
        },
    ];
    let text = refusal(library.add("trunk", true, &both, overlapping.clone()));
    assert!(text.contains("`Kidney` and `Lesion` share"), "{text}");

    let text = refusal(library.add(
        "trunk",
        true,
        &[all[0].clone(), all[0].clone()],
        reference(4.0, 0.0),
    ));
    assert!(text.contains("named twice"), "{text}");
    let text = refusal(library.add("../trunk", true, &all, reference(4.0, 0.0)));
    assert!(text.contains("cannot be the name of a task"), "{text}");
    let left = std::fs::read_dir(library.folder()).map_or(0, Iterator::count);
    assert_eq!(left, 0, "nothing is left behind");

    library.add("trunk", false, &both, overlapping).unwrap();
    let text = refusal(library.add("trunk", true, &all, reference(4.0, 0.0)));
    assert!(text.contains("there is a task `trunk` already"), "{text}");
    let text = refusal(library.show("trnk"));
    assert!(
        text.contains("no task `trnk`") && text.contains("there are trunk"),
        "{text}"
    );
    let text = refusal(library.add_reference("trunk", &all, reference(4.0, 4.0)));
    assert!(
        text.contains("has no segment `Aorta`") && text.contains("Kidney, Lesion"),
        "{text}"
    );
}

#[test]
fn a_label_on_another_grid_is_brought_to_the_images() {
    let place = workplace();
    let fine = reference(2.0, 0.0);
    let coarse = patient_on(axial(4.0), 0.0).1;
    let task = place
        .library
        .add(
            "trunk",
            true,
            &kidney_and_aorta(),
            Reference {
                labels: coarse,
                ..fine
            },
        )
        .unwrap();
    let ml = task.references[0].volumes_ml()[0];
    assert!((ml - 17.2).abs() < 2.0, "{ml} ml");
    assert_eq!(task.references[0].size, [60, 50, 40]);
}
