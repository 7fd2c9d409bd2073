//! Times passes of the network, one for each line asked: `benches/run.py` runs it beside its peers.
//!
//! ```text
//! network WEIGHTS FOLDER D,H,W THREADS [DEVICE]
//! ```
//!
//! Writes FOLDER/inputs.safetensors (`query [1, 1, D, H, W]`, `embedding [20, m+1, C]`), prints a line when it is
//! ready, then answers each line of its input with a line of JSON:
//!
//! | line | answer |
//! |---|---|
//! | `pass K` | seconds of one forward pass of the query with the embedding's first K classes |
//! | `logits K FILE` | writes that pass's logits `[1, K, D, H, W]` as safetensors |
//! | `warm` | seconds to segment the query by the five-class embedding at hand |
//! | `encode R` | seconds to encode R references, average their embeddings, and segment the query by the mean |
//! | `class by class R` | seconds to do that for each of five classes alone, as a network does that answers one class a pass |
//! | `volume D,H,W K` | seconds to segment a volume of that size by K classes, and the most memory that took, MiB beyond what was held before |

#![allow(
    clippy::expect_used,
    reason = "a benchmark that cannot arrange its situation ends"
)]

use irisnode::iris::{Iris, SlidingWindow, TaskEmbedding, choose_device};
use irisnode::phantom::{Contrast, Phantom, Scene};
use irisnode::preprocess::network_input;
use irisnode::volume::Geometry;
use std::io::BufRead;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

/// Organs that every reference shows.
const ORGANS: usize = 16;
/// Most classes of a pass: beyond the organs of one reference come those of the next.
const CLASSES: i64 = 20;
/// Classes of a usual task.
const USUAL_CLASSES: i64 = 5;
/// Subjects on record as references; the query is another.
const REFERENCES: u64 = 4;
const QUERY_SEED: u64 = 1;
const FIRST_REFERENCE_SEED: u64 = 10;
/// Middle of the volume above the middle of vertebra L2, mm: where the abdominal organs are.
const HEIGHT: f64 = 45.0;

/// A query and references on the network's grid.
struct Material {
    /// `[D, H, W]`.
    query: Tensor,
    /// Images `[D, H, W]` and masks `[16, D, H, W]`.
    references: Vec<(Tensor, Tensor)>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (arguments, device) = match arguments.as_slice() {
        [first @ .., device] if first.len() == 4 => (first, device.as_str()),
        all => (all, "cpu"),
    };
    let [weights, folder, size, threads] = arguments else {
        eprintln!("network WEIGHTS FOLDER D,H,W THREADS; `make bench` runs it beside its peers");
        return;
    };
    tch::set_num_threads(threads.parse().expect("a number of threads"));
    let device = choose_device(device).expect("a device");
    let iris = Iris::load(Path::new(weights), device).expect("weights");
    let size: Vec<usize> = size
        .split(',')
        .map(|n| n.parse().expect("a size"))
        .collect();
    let material = Material::draw(&iris, [size[2], size[1], size[0]]);
    let _no_gradients = tch::no_grad_guard();
    let all = many(&iris, &material);
    let usual = encoded(&iris, &material, 1, 0..USUAL_CLASSES);
    let query = material.query.unsqueeze(0).unsqueeze(0);
    Tensor::write_safetensors(
        &[("query", &query), ("embedding", all.tensor())],
        Path::new(folder).join("inputs.safetensors"),
    )
    .expect("the inputs are written");
    println!("{{\"weights\":\"{}\"}}", iris.weights_hash());

    let query = query.to_device(device);
    let pass = |classes: &str| {
        let classes = classes.parse().expect("a number of classes");
        let tokens = all.tensor().narrow(0, 0, classes).unsqueeze(0);
        let tokens = tokens.to_device(device);
        let start = Instant::now();
        let logits = iris.forward(&query, &tokens);
        if let Device::Cuda(index) = device {
            tch::Cuda::synchronize(index as i64);
        }
        (start.elapsed(), logits.to_device(Device::Cpu))
    };
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let words: Vec<&str> = line.split(' ').collect();
        let took = match words.as_slice() {
            ["pass", classes] => pass(classes).0,
            ["logits", classes, file] => {
                let (took, logits) = pass(classes);
                Tensor::write_safetensors(&[("logits", &logits)], file).expect("logits");
                took
            }
            ["warm"] => {
                let start = Instant::now();
                drop(segment(&iris, &material.query, &usual));
                start.elapsed()
            }
            ["encode", references] | ["class", "by", "class", references] => {
                let references = references.parse().expect("a number of references");
                let together = if words.len() == 2 { USUAL_CLASSES } else { 1 };
                let start = Instant::now();
                for first in (0..USUAL_CLASSES).step_by(together as usize) {
                    let classes = first..first + together;
                    let embedding = encoded(&iris, &material, references, classes);
                    drop(segment(&iris, &material.query, &embedding));
                }
                start.elapsed()
            }
            ["volume", size, classes] => {
                let size: Vec<i64> = size
                    .split(',')
                    .map(|n| n.parse().expect("a size"))
                    .collect();
                let classes = classes.parse().expect("a number of classes");
                let tokens = all.tensor().narrow(0, 0, classes);
                let embedding =
                    TaskEmbedding::new(&tokens, iris.weights_hash()).expect("an embedding");
                let volume = Tensor::randn(size.as_slice(), (Kind::Float, Device::Cpu));
                let before = memory("VmRSS");
                // Forgets the peak so far (proc(5)).
                std::fs::write("/proc/self/clear_refs", "5").expect("the peak is reset");
                let start = Instant::now();
                drop(segment(&iris, &volume, &embedding));
                let took = start.elapsed().as_secs_f64();
                let peak = memory("VmHWM") - before;
                println!("{{\"seconds\":{took},\"peak_mib\":{peak}}}");
                continue;
            }
            _ => panic!("not understood: {line}"),
        };
        println!("{{\"seconds\":{}}}", took.as_secs_f64());
    }
}

/// The mean embedding of the first references, by some of their classes.
fn encoded(
    iris: &Iris,
    material: &Material,
    references: usize,
    classes: Range<i64>,
) -> TaskEmbedding {
    let all: Vec<TaskEmbedding> = material.references[..references]
        .iter()
        .map(|(image, masks)| {
            let masks = masks.narrow(0, classes.start, classes.end - classes.start);
            iris.embed_reference(image, &masks).expect("an embedding")
        })
        .collect();
    TaskEmbedding::mean(&all).expect("a mean embedding")
}

/// An embedding of [`CLASSES`]: the organs of the first reference, then some of the second.
fn many(iris: &Iris, material: &Material) -> TaskEmbedding {
    let of = |reference: usize, classes: i64| {
        let (image, masks) = &material.references[reference];
        iris.embed_reference(image, &masks.narrow(0, 0, classes))
            .expect("an embedding")
    };
    let organs = ORGANS as i64;
    TaskEmbedding::concat(&[&of(0, organs), &of(1, CLASSES - organs)]).expect("one network's")
}

/// A line of /proc/self/status that is in kB, in MiB.
fn memory(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .expect("a line of that name");
    let kib = line.trim().trim_end_matches(" kB");
    kib.parse::<f64>().expect("a number") / 1024.0
}

fn segment(iris: &Iris, volume: &Tensor, embedding: &TaskEmbedding) -> Tensor {
    iris.segment(volume, embedding, &SlidingWindow::default(), &mut |_, _| {})
        .expect("a segmentation")
}

impl Material {
    /// Draws subjects on a grid of `size` (columns, rows, slices) at the network's spacing.
    fn draw(iris: &Iris, size: [usize; 3]) -> Self {
        let spacing = iris.config().spacing_mm;
        let origin = std::array::from_fn(|a| {
            let middle = if a == 2 { HEIGHT } else { 0.0 };
            middle - (size[a] as f64 - 1.0) / 2.0 * spacing[a]
        });
        let geometry = Geometry::axial(size, spacing, origin);
        let scene = Scene::torso();
        let draw = |seed| scene.subject(seed, &geometry, Contrast::Ct);
        let references: Vec<Phantom> = (0..REFERENCES)
            .map(|n| draw(FIRST_REFERENCE_SEED + n))
            .collect();
        let classes: Vec<u16> = (1u16..)
            .zip(&scene.structures)
            .filter(|(number, structure)| {
                structure.target && references.iter().all(|r| r.labels.voxel_count(*number) > 0)
            })
            .map(|(number, _)| number)
            .take(ORGANS)
            .collect();
        assert_eq!(classes.len(), ORGANS, "too small a grid to hold 16 organs");
        let image = |phantom: &Phantom| {
            let input = network_input(&phantom.volume, "CT", spacing).expect("an input");
            assert_eq!(input.geometry.size, size, "the grid is the network's");
            input.image
        };
        Self {
            query: image(&draw(QUERY_SEED)),
            references: references
                .iter()
                .map(|phantom| (image(phantom), masks(phantom, &classes)))
                .collect(),
        }
    }
}

/// `[K, D, H, W]`, 1 inside.
fn masks(phantom: &Phantom, classes: &[u16]) -> Tensor {
    let [columns, rows, slices] = phantom.labels.geometry.size.map(|n| n as i64);
    let all: Vec<Tensor> = classes
        .iter()
        .map(|&class| {
            Tensor::from_slice(&phantom.labels.mask(class))
                .to_kind(Kind::Float)
                .reshape([slices, rows, columns])
        })
        .collect();
    Tensor::stack(&all, 0)
}
