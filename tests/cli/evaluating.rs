//! `irisnode evaluate`: the network beside what needs no network.

use crate::support::{root, shared_data};
use crate::{Desk, fixture};
use serde_json::Value;

#[test]
fn a_drawn_body_gives_every_method_its_figures() {
    let desk = Desk::new();
    let answer = desk.run(
        "evaluate --phantoms 1 --extent 300,220,60 --structure liver --structure aorta --references 2 --json figures.json --pictures examples.png",
        &[("--weights", &root().join("weights/iris.safetensors"))],
    );
    let said = &answer.worked().stdout;
    for word in [
        "sha256",
        "Liver",
        "Aorta",
        "one-shot",
        "registered",
        "HD95 mm",
        "NSD within 2 mm, finer than voxels of 4 mm",
        "references of torso 0",
        "ensemble > one-shot",
        "object-level > image-level retrieval",
        "undecided",
        "peak MiB",
    ] {
        assert!(said.contains(word), "no {word} in {said}");
    }
    let wide = said.lines().filter(|line| line.chars().count() > 120);
    assert_eq!(wide.count(), 0, "wider than a terminal:\n{said}");

    let figures: Value =
        serde_json::from_slice(&std::fs::read(desk.path("figures.json")).unwrap()).unwrap();
    assert_eq!(figures["weights"].as_str().unwrap().len(), 64);
    let case = &figures["phantoms"]["cases"][0];
    assert_eq!(case["references"].as_array().unwrap().len(), 2);
    let liver = &figures["phantoms"]["summary"]["structures"][0];
    assert_eq!(liver["structure"], "Liver");
    // Livers lie in much the same place, and look alike, in whomever: what needs no network sees some of it.
    for method in ["copied", "threshold", "registered"] {
        let measures = &liver["methods"][method];
        let dice = measures["dice"]["mean"].as_f64().unwrap();
        assert!((0.3..1.0).contains(&dice), "{method} {dice}");
        let far = measures["hd95_mm"]["mean"].as_f64().unwrap();
        assert!((5.0..150.0).contains(&far), "{method} {far} mm");
    }
    let sure = case["segments"][0]["methods"]["one-shot"]["confidence"].as_f64();
    assert!(
        sure.is_some_and(|sure| (0.0..=1.0).contains(&sure)),
        "{sure:?}"
    );
    // References that are encoded anew are the same references.
    let of_liver = &case["segments"][0]["methods"];
    let dice = |method: &str| of_liver[method]["dice"].as_f64().unwrap();
    assert!(dice("ensemble") > 0.5, "{of_liver}");
    assert!((dice("re-encoded") - dice("ensemble")).abs() < 1e-6);
    assert!(case["costs"]["re-encoded"]["seconds"].as_f64().unwrap() > 0.0);

    let picture = image::open(desk.path("examples.png")).unwrap();
    assert!(
        picture.width() > 900 && picture.height() > 300,
        "{picture:?}"
    );
}

#[test]
fn only_the_methods_asked_for_are_measured_and_the_first_is_shown_in_detail() {
    let desk = Desk::new();
    let answer = desk.run(
        "evaluate --phantoms 2 --extent 300,220,60 --structure liver --references 1 --method copied --method threshold --tolerance 10 --json figures.json --weights w.safetensors",
        &[],
    );
    let said = &answer.worked().stdout;
    let detail = said.lines().find(|line| line.contains("HD95 mm"));
    assert!(
        detail.is_some_and(|line| line.starts_with("copied ")),
        "{said}"
    );
    assert!(said.contains("NSD within 10 mm; "), "{said}");
    assert!(
        !said.contains("one-shot") && !said.contains("relation"),
        "{said}"
    );
    let figures: Value =
        serde_json::from_slice(&std::fs::read(desk.path("figures.json")).unwrap()).unwrap();
    let methods = figures["phantoms"]["summary"]["all"]["methods"]
        .as_object()
        .unwrap();
    assert_eq!(methods.keys().collect::<Vec<_>>(), ["copied", "threshold"]);
    desk.run(
        "evaluate --phantoms 1 --method guess --weights w.safetensors",
        &[],
    )
    .failed_saying(&["invalid value 'guess'", "one-shot", "registered"]);
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

    // A second reference may lack a segment.
    let several = format!(
        "[[pair]]\nname = \"two\"\nquery = {{ image = {2:?}, label = {3:?} }}\n[[pair.reference]]\nimage = {0:?}\nlabel = {1:?}\nsegments = [\"1=spleen\", \"2=liver\"]\n[[pair.reference]]\nimage = {2:?}\nlabel = {3:?}\nsegments = [\"2=liver\"]\n",
        fixture("reference/image.nii.gz"),
        fixture("reference/labels.nii.gz"),
        fixture("query/series"),
        fixture("query/labels.nii.gz"),
    );
    let several = desk.write("several.toml", &several);
    let answer = desk.run(
        "evaluate --weights w.safetensors --method one-shot --method ensemble --json several.json",
        &[("--pairs", &several)],
    );
    answer.worked();
    let figures: Value =
        serde_json::from_slice(&std::fs::read(desk.path("several.json")).unwrap()).unwrap();
    let case = &figures["pairs"]["cases"][0];
    assert_eq!(case["references"].as_array().unwrap().len(), 2);
    let shown: Vec<u64> = [0, 1]
        .map(|n| case["segments"][n]["shown_in"].as_u64().unwrap())
        .into();
    assert_eq!(shown, [1, 2]);

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
    let answer = desk.run(
        "evaluate --weights w.safetensors --method one-shot --method registered",
        &[("--pairs", &pairs)],
    );
    let said = &answer.worked().stdout;
    assert!(!said.contains("not in its query"), "{said}");
    for structure in ["spleen", "liver", "stomach", "aorta", "vertebrae_T12"] {
        assert!(said.contains(structure), "{said}");
    }
}
