//! Teaching tasks by example and segmenting by them: the library on disk, embeddings kept and made anew, results
//! on the source grid whatever its orientation.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use irisnode::iris::{Iris, IrisConfig};
use irisnode::segment::{SegmentOptions, dice, segment_volume};
use irisnode::tasks::{EmbeddingState, Reference, Selection, TaskError, TaskLibrary};
use irisnode::terminology::{Code, SegmentDescription};
use irisnode::volume::{Geometry, LabelVolume, Volume};
use tch::Device;

const KIDNEY: u16 = 7;
const AORTA: u16 = 52;

/// A patient of 120 x 100 x 80 mm: soft tissue with a bright ball on the left (a "kidney") and a tube from foot
/// to head (an "aorta"), sampled on any grid.
fn patient_on(geometry: Geometry, shift: f64) -> (Volume, LabelVolume) {
    let mut voxels = vec![-1000.0; geometry.len()];
    let mut labels = vec![0; geometry.len()];
    for k in 0..geometry.size[2] {
        for j in 0..geometry.size[1] {
            for i in 0..geometry.size[0] {
                let [x, y, z] = geometry.to_patient([i as f64, j as f64, k as f64]);
                let x = x - shift;
                let at = geometry.index(i, j, k);
                let body = (x / 58.0).powi(2) + (y / 48.0).powi(2) <= 1.0;
                if body && z.abs() <= 40.0 {
                    voxels[at] = 40.0;
                }
                if (x - 28.0).powi(2) + y.powi(2) + z.powi(2) <= 16.0f64.powi(2) {
                    (voxels[at], labels[at]) = (180.0, KIDNEY);
                }
                if x.powi(2) + (y - 22.0).powi(2) <= 64.0 && z.abs() <= 40.0 {
                    (voxels[at], labels[at]) = (120.0, AORTA);
                }
            }
        }
    }
    let image = Volume {
        geometry: geometry.clone(),
        voxels,
    };
    (image, LabelVolume::exclusive(geometry, labels))
}

fn axial(spacing: f64) -> Geometry {
    let size = [120.0, 100.0, 80.0].map(|mm: f64| (mm / spacing).round() as usize);
    let origin = [120.0, 100.0, 80.0].map(|mm| -mm / 2.0 + spacing / 2.0);
    Geometry::axial(size, [spacing; 3], origin)
}

fn reference(spacing: f64, shift: f64) -> Reference {
    let (image, labels) = patient_on(axial(spacing), shift);
    Reference {
        image,
        modality: "CT".into(),
        labels,
    }
}

fn described(label: &str) -> SegmentDescription {
    SegmentDescription {
        label: label.into(),
        category: Code::new("123037004", "SCT", "Anatomical Structure"),
        property_type: Code::new("64033007", "SCT", label),
        property_type_modifier: None,
        anatomic_region: None,
        anatomic_region_modifier: None,
        color: [200, 80, 60],
    }
}

fn kidney_and_aorta() -> Vec<Selection> {
    vec![
        Selection {
            value: KIDNEY,
            description: described("Kidney"),
        },
        Selection {
            value: AORTA,
            description: described("Aorta"),
        },
    ]
}

struct Workplace {
    folder: tempfile::TempDir,
    library: TaskLibrary,
}

fn workplace() -> Workplace {
    let folder = tempfile::tempdir().unwrap();
    let library = TaskLibrary::open(folder.path().join("tasks")).unwrap();
    Workplace { folder, library }
}

impl Workplace {
    /// A small network with weights of its own, from a file, as a node has it.
    fn network(&self, seed: i64) -> Iris {
        tch::manual_seed(seed);
        let path = self
            .folder
            .path()
            .join(format!("weights-{seed}.safetensors"));
        Iris::new(IrisConfig::tiny(), Device::Cpu)
            .save(&path, &BTreeMap::new())
            .unwrap();
        Iris::load(&path, Device::Cpu).unwrap()
    }

    fn files(&self, part: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = walkdir::WalkDir::new(self.library.folder())
            .into_iter()
            .map(|entry| entry.unwrap().into_path())
            .filter(|path| path.is_file() && path.to_string_lossy().contains(part))
            .collect();
        files.sort();
        files
    }
}

/// Weights that were trained, when the checkout has them.
fn trained_network() -> Option<Iris> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/iris.safetensors");
    if !path.is_file() {
        eprintln!("left out: no weights/iris.safetensors in this checkout");
        return None;
    }
    Some(Iris::load(&path, Device::Cpu).unwrap())
}

fn difference(a: &tch::Tensor, b: &tch::Tensor) -> f64 {
    f64::try_from((a - b).abs().max()).unwrap()
}

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
    let kept = place.files("embeddings");
    assert_eq!(kept.len(), 1);
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
    assert_eq!(place.files("embeddings").len(), 2);

    // A damaged file is made again, not trusted.
    std::fs::write(&kept[0], b"not an embedding").unwrap();
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
        assert_eq!(result.labels.geometry, geometry, "{name}");
        assert_eq!(result.segments.len(), 2);
        for segment in &result.segments {
            assert_eq!(segment.voxels, result.labels.voxel_count(segment.number));
        }
        let here: Vec<u16> = in_patient_order(&result.labels, &axial(4.0));
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
    f64::try_from(greatest.median()).unwrap() as f32
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
        .map(|(number, value)| dice(&result.labels, number, &truth, value).unwrap());
    eprintln!(
        "Dice of the reference in itself: kidney {:.2}, aorta {:.2}",
        scores[0], scores[1]
    );
    // A label of the right size put anywhere would score under 0.1.
    assert!(scores.iter().all(|&score| score > 0.5), "{scores:?}");
}

fn irisnode() -> assert_cmd::Command {
    let mut command = assert_cmd::Command::cargo_bin("irisnode").unwrap();
    for variable in ["IRISNODE_CONFIG", "IRISNODE_TASKS", "IRISNODE_WEIGHTS"] {
        command.env_remove(variable);
    }
    command
}

/// Image and label of a patient as NIfTI files.
fn nifti_pair(folder: &Path, name: &str, shift: f64) -> [PathBuf; 2] {
    let (image, labels) = patient_on(axial(4.0), shift);
    let files = ["image", "labels"].map(|part| folder.join(format!("{name}-{part}.nii.gz")));
    image.write_nifti(&files[0]).unwrap();
    labels.write_nifti(&files[1]).unwrap();
    files
}

#[test]
fn a_person_adds_a_task_and_segments_by_it_from_the_command_line() {
    let place = workplace();
    let folder = place.folder.path();
    place.network(6);
    let weights = folder.join("weights-6.safetensors");
    let [image, label] = nifti_pair(folder, "a", 0.0);
    let [query, truth] = nifti_pair(folder, "b", 6.0);
    let library = [
        "--tasks-dir".into(),
        place.library.folder().to_owned(),
        "--weights".into(),
        weights,
    ];

    let shown = irisnode()
        .args([
            "task",
            "add",
            "trunk",
            "--segment",
            "7=left kidney",
            "--segment",
            "52=aorta",
        ])
        .args([Path::new("--image"), &image, Path::new("--label"), &label])
        .args(&library)
        .assert()
        .success();
    let text = String::from_utf8(shown.get_output().stdout.clone()).unwrap();
    assert!(text.contains("the task is ready"), "{text}");

    let shown = irisnode()
        .args(["task", "show", "trunk", "--json"])
        .args(&library)
        .assert()
        .success();
    let task: serde_json::Value = serde_json::from_slice(&shown.get_output().stdout).unwrap();
    assert_eq!(task["references"][0]["embedding_ready"], true);
    assert_eq!(task["segments"][1]["source_value"], 52);

    let out = folder.join("out");
    // Weights are random: a low threshold makes sure that there is something to draw.
    let shown = irisnode()
        .arg("segment")
        .arg(&query)
        .args(["--task", "trunk", "--threshold", "0.01"])
        .args([Path::new("--out"), &out, Path::new("--labels"), &truth])
        .args(&library)
        .assert()
        .success();
    let text = String::from_utf8(shown.get_output().stdout.clone()).unwrap();
    assert!(
        text.starts_with("segment") && text.contains("Dice") && text.lines().count() == 3,
        "{text}"
    );
    let labels = LabelVolume::read_nifti(&out.join("segmentation.nii.gz")).unwrap();
    assert!(labels.geometry.is_close(&axial(4.0), 1e-3));
    let picture = image::open(out.join("segmentation.png")).unwrap();
    assert!(picture.width() > 1000 && picture.height() > 500);

    let shown = irisnode()
        .args([
            Path::new("overlay"),
            &query,
            &truth,
            Path::new("--labels"),
            &truth,
        ])
        .args(["--segment", "7=Kidney", "--known", "7=kidney", "--json"])
        .assert()
        .success();
    let measures: serde_json::Value = serde_json::from_slice(&shown.get_output().stdout).unwrap();
    assert_eq!(measures[0]["dice"], 1.0);
}

#[test]
fn the_command_line_says_what_is_wrong_and_what_to_do() {
    let place = workplace();
    let [image, label] = nifti_pair(place.folder.path(), "a", 0.0);
    let said = |arguments: &[&str]| {
        let failed = irisnode()
            .args(arguments)
            .args([Path::new("--tasks-dir"), place.library.folder()])
            .assert()
            .failure();
        // Sentences are wrapped to the terminal.
        let text = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
        text.split_whitespace()
            .filter(|&word| word != "│")
            .collect::<Vec<_>>()
            .join(" ")
    };
    let [image, label] = [image.to_str().unwrap(), label.to_str().unwrap()];
    let text = said(&["task", "add", "trunk", "--image", image, "--label", label]);
    assert!(
        text.contains("does not say what its values mean") && text.contains("--segment 1=spleen"),
        "{text}"
    );
    let text = said(&[
        "task",
        "add",
        "trunk",
        "--image",
        image,
        "--label",
        label,
        "--segment",
        "3=liver",
    ]);
    assert!(
        text.contains("no voxel of the label has the value 3") && text.contains("it has 7, 52"),
        "{text}"
    );
    let text = said(&[
        "task",
        "add",
        "trunk",
        "--image",
        "nowhere",
        "--label",
        label,
        "--segment",
        "3=liver",
    ]);
    assert!(text.contains("nowhere does not exist"), "{text}");
    let text = said(&["task", "show", "trunk"]);
    assert!(text.contains("there is no task `trunk`"), "{text}");
    let text = said(&["segment", image, "--task", "trunk", "--out", "out"]);
    assert!(text.contains("there is no task `trunk`"), "{text}");
}
