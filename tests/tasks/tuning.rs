//! In-context tuning: the embedding moves, everything else stays.

use irisnode::iris::TuneOptions;
use irisnode::tasks::EmbeddingState;

use crate::patient::*;

fn few_steps() -> TuneOptions {
    TuneOptions {
        steps: 12,
        rate: 0.05,
        ..TuneOptions::default()
    }
}

/// A library with the task `trunk` of one reference.
fn taught() -> Workplace {
    let place = workplace();
    place
        .library
        .add("trunk", true, &kidney_and_aorta(), reference(4.0, 0.0))
        .unwrap();
    place
}

#[test]
fn tuning_lowers_the_loss_on_the_references_and_changes_what_is_loaded() {
    let place = taught();
    let Some(iris) = trained_network() else {
        return;
    };
    let before = place.library.load("trunk", &iris).unwrap();
    let mut losses = Vec::new();
    let tuned = place
        .library
        .tune("trunk", &iris, &few_steps(), &mut |done, all, loss| {
            assert_eq!((done, all), (losses.len() as u64 + 1, 12));
            losses.push(loss);
        })
        .unwrap();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    assert!(
        mean(&losses[8..]) < mean(&losses[..4]),
        "the loss falls: {losses:?}"
    );
    assert_ne!(
        tuned.version, before.version,
        "its results are other results"
    );
    let loaded = place.library.load("trunk", &iris).unwrap();
    assert_eq!(loaded.version, tuned.version);
    assert!(difference(loaded.embedding.tensor(), tuned.embedding.tensor()) < 1e-6);
    assert!(difference(loaded.embedding.tensor(), before.embedding.tensor()) > 1e-3);

    assert!(place.library.untune("trunk", iris.weights_hash()).unwrap());
    let again = place.library.load("trunk", &iris).unwrap();
    assert_eq!(again.version, before.version);
    assert!(difference(again.embedding.tensor(), before.embedding.tensor()) < 1e-6);
    assert!(
        !place.library.untune("trunk", iris.weights_hash()).unwrap(),
        "there is nothing left to undo"
    );
}

#[test]
fn a_further_reference_or_other_weights_put_a_tuned_embedding_out_of_use() {
    let place = taught();
    let iris = place.network(1);
    let options = TuneOptions {
        steps: 2,
        ..few_steps()
    };
    let tuned = |hash: &str| place.library.is_tuned("trunk", hash).unwrap();
    place
        .library
        .tune("trunk", &iris, &options, &mut |_, _, _| {})
        .unwrap();
    assert!(tuned(iris.weights_hash()));
    assert!(!tuned(place.network(2).weights_hash()));

    let task = place
        .library
        .add_reference("trunk", &kidney_and_aorta(), reference(4.0, 6.0))
        .unwrap();
    assert!(!tuned(iris.weights_hash()));
    let loaded = place.library.load("trunk", &iris).unwrap();
    assert_eq!(loaded.version, task.version());
    let states = place
        .library
        .embedding_states("trunk", iris.weights_hash())
        .unwrap();
    assert_eq!(states, [EmbeddingState::Ready, EmbeddingState::Ready]);
}

#[test]
fn the_same_seed_tunes_to_the_same_embedding() {
    let place = taught();
    let iris = place.network(1);
    let options = TuneOptions {
        steps: 4,
        ..few_steps()
    };
    let tune = || {
        place
            .library
            .tune("trunk", &iris, &options, &mut |_, _, _| {})
            .unwrap()
    };
    let (one, other) = (tune(), tune());
    assert!(difference(one.embedding.tensor(), other.embedding.tensor()) < 1e-5);
}
