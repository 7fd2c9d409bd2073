//! `irisnode evaluate`: the network beside what needs no network.

use crate::support::{root, shared_data};
use crate::{Desk, fixture};
use serde_json::Value;

#[test]
fn a_drawn_body_gives_the_network_and_both_baselines() {
    let desk = Desk::new();
    let answer = desk.run(
        "evaluate --phantoms 1 --extent 300,220,60 --structure liver --structure aorta --weights w.safetensors --json figures.json",
        &[],
    );
    let said = &answer.worked().stdout;
    for word in [
        "sha256",
        "Liver",
        "Aorta",
        "network",
        "copied",
        "threshold",
        "reference of torso 0",
    ] {
        assert!(said.contains(word), "no {word} in {said}");
    }
    let figures: Value =
        serde_json::from_slice(&std::fs::read(desk.path("figures.json")).unwrap()).unwrap();
    assert_eq!(figures["weights"].as_str().unwrap().len(), 64);
    let liver = &figures["phantoms"]["summary"]["structures"][0];
    assert_eq!(liver["structure"], "Liver");
    // Livers lie in much the same place, and look alike, in whomever: both baselines see some of it.
    for way in ["copied", "threshold"] {
        let dice = liver[way]["mean"].as_f64().unwrap();
        assert!((0.3..1.0).contains(&dice), "{way} {dice}");
    }
}

#[test]
fn pairs_of_a_file_may_be_nifti_or_dicom() {
    let desk = Desk::new();
    let text = format!(
        "[[pair]]\nname = \"drawn\"\nreference = {{ image = {0:?}, label = {1:?}, segments = [\"1=spleen\", \"2=liver\"] }}\nquery = {{ image = {2:?}, label = {3:?} }}\n",
        fixture("reference/image.nii.gz"),
        fixture("reference/labels.nii.gz"),
        fixture("query/series"),
        fixture("query/labels.nii.gz"),
    );
    let pairs = desk.write("pairs.toml", &text);
    let answer = desk.run("evaluate --weights w.safetensors", &[("--pairs", &pairs)]);
    let said = &answer.worked().stdout;
    assert!(
        said.contains("spleen") && said.contains("reference of drawn"),
        "{said}"
    );

    let wrong = desk.write("wrong.toml", &text.replace("label =", "lable ="));
    desk.run("evaluate --weights w.safetensors", &[("--pairs", &wrong)])
        .failed_saying(&["is no list of pairs", "lable"]);
    let absent = desk.write(
        "absent.toml",
        &text.replace("image.nii.gz", "nothing.nii.gz"),
    );
    desk.run("evaluate --weights w.safetensors", &[("--pairs", &absent)])
        .failed_saying(&["pair `drawn`", "nothing.nii.gz does not exist"]);
}

#[test]
fn the_shipped_pair_can_be_read_and_judged() {
    if shared_data().is_none() {
        return;
    }
    let desk = Desk::new();
    let pairs = root().join("weights/evaluate.toml");
    let answer = desk.run("evaluate --weights w.safetensors", &[("--pairs", &pairs)]);
    let said = &answer.worked().stdout;
    assert!(!said.contains("not in its query"), "{said}");
    for structure in ["spleen", "liver", "stomach", "aorta", "vertebrae_T12"] {
        assert!(said.contains(structure), "{said}");
    }
}
