//! The network: the same numbers as an independent PyTorch oracle, the laws it keeps, volumes of any size, bad files.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot arrange its situation fails"
)]

mod support;

use irisnode::iris::{
    EmbeddingError, InferenceError, Iris, IrisConfig, SlidingWindow, TaskEmbedding, WeightsError,
    foreground_pool, foreground_pool_naive,
};
use safetensors::tensor::{SafeTensors, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use tch::{Device, Kind, Tensor};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

/// Largest difference, relative to the larger of 1 and the expected values.
#[track_caller]
fn assert_close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(found.size(), expected.size(), "shape of {what}");
    let number = |x: Tensor| f64::try_from(x).unwrap();
    let size = number(expected.abs().max()).max(1.0);
    let difference = number((found - expected).abs().max()) / size;
    assert!(
        difference <= tolerance,
        "{what} differs by {difference:e} of {size}"
    );
}

/// A network in which no weight, scale, shift or token is trivially zero or one.
fn random_network(config: IrisConfig, seed: i64) -> Iris {
    tch::manual_seed(seed);
    let iris = Iris::new(config, Device::Cpu);
    tch::no_grad(|| {
        for (_, mut weight) in iris.variables().variables() {
            let spread = if weight.dim() == 1 { 0.3 } else { 0.02 };
            let moved = &weight + weight.randn_like() * spread;
            weight.copy_(&moved);
        }
    });
    iris
}

/// Random but smooth anatomy: neighbouring voxels are alike.
fn image(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, FLOAT).cumsum(-1, Kind::Float) * 0.3
}

/// Boxes of different places and sizes, one a class; the last is a few voxels small.
fn masks(batch: i64, classes: i64, size: [i64; 3]) -> Tensor {
    let masks = Tensor::zeros([batch, classes, size[0], size[1], size[2]], FLOAT);
    for b in 0..batch {
        for k in 0..classes {
            let mut one = masks.select(0, b).select(0, k);
            for (axis, &n) in size.iter().enumerate() {
                let length = if k + 1 == classes { 2 } else { n / 2 };
                let start = (k + b + 3 * axis as i64) % (n - length);
                one = one.narrow(axis as i64, start, length);
            }
            let _ = one.fill_(1.0);
        }
    }
    masks
}

fn save(iris: &Iris, folder: &Path) -> PathBuf {
    let path = folder.join("weights.safetensors");
    let provenance = BTreeMap::from([("trained_by".to_owned(), "nobody".to_owned())]);
    iris.save(&path, &provenance).unwrap();
    path
}

/// The oracle's answers for the same weights and inputs.
fn oracle(weights: &Path, inputs: &[(&str, Tensor)]) -> HashMap<String, Tensor> {
    let folder = tempfile::tempdir().unwrap();
    let given = folder.path().join("inputs.safetensors");
    let answers = folder.path().join("outputs.safetensors");
    let inputs: Vec<(&str, Tensor)> = inputs
        .iter()
        .map(|(name, tensor)| (*name, tensor.contiguous()))
        .collect();
    Tensor::write_safetensors(&inputs, &given).unwrap();
    let output = Command::new(support::python())
        .arg(support::root().join("tests/oracle/iris_oracle.py"))
        .args([weights, &given, &answers])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "the oracle failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Tensor::read_safetensors(&answers)
        .unwrap()
        .into_iter()
        .collect()
}

/// Every part of one network against the oracle.
fn agrees_part_by_part(weights: &Path, batch: i64, size: [i64; 3]) {
    let _guard = tch::no_grad_guard();
    let iris = Iris::load(weights, Device::Cpu).unwrap();
    let shape = [batch, 1, size[0], size[1], size[2]];
    let (reference, query) = (image(&shape), image(&shape));
    let masks = masks(batch, 3, size);
    let expected = oracle(
        weights,
        &[
            ("image", reference.shallow_clone()),
            ("masks", masks.shallow_clone()),
            ("query", query.shallow_clone()),
        ],
    );

    let stages = iris.encode(&reference);
    for (stage, features) in stages.iter().enumerate() {
        let name = format!("encoder.{stage}");
        assert_close(&name, features, &expected[&name], 1e-4);
    }
    let foreground = iris.foreground_branch(&stages, &masks);
    assert_close("foreground", &foreground, &expected["foreground"], 1e-4);
    let context = iris.context_branch(&stages[stages.len() - 1], &masks);
    assert_close("context", &context, &expected["context"], 1e-4);

    let embedding = iris.encode_task(&reference, &masks);
    let bottleneck = iris.encode(&query).pop().unwrap();
    let (features, classes) = iris.exchange(&bottleneck, &embedding);
    assert_close("features", &features, &expected["features"], 1e-4);
    assert_close("classes", &classes, &expected["classes"], 1e-4);
    let logits = iris.forward(&query, &embedding);
    assert_close("logits", &logits, &expected["logits"], 1e-4);
    assert!(
        f64::try_from(logits.std(true)).unwrap() > 0.05,
        "logits that are all alike prove nothing"
    );
}

#[test]
fn every_part_gives_the_oracles_numbers() {
    let folder = tempfile::tempdir().unwrap();
    for (config, size) in [
        (IrisConfig::tiny(), [8, 12, 20]),
        // Four stages, no shuffle, widths that do not coincide.
        (
            IrisConfig {
                channels: vec![3, 6, 12, 54],
                query_tokens: 5,
                heads: 6,
                decoder_blocks: 2,
                shuffle: 1,
                readout_channels: 7,
                ..IrisConfig::tiny()
            },
            [8, 16, 24],
        ),
        (
            IrisConfig {
                channels: vec![3, 6, 64],
                heads: 4,
                decoder_blocks: 3,
                shuffle: 4,
                ..IrisConfig::tiny()
            },
            [16, 8, 12],
        ),
    ] {
        assert_eq!(config.problem(), None);
        let weights = save(&random_network(config, 11), folder.path());
        agrees_part_by_part(&weights, 2, size);
    }
}

#[test]
fn the_shipped_weights_give_the_oracles_numbers() {
    tch::manual_seed(5);
    agrees_part_by_part(
        &support::root().join("weights/iris.safetensors"),
        1,
        [16, 24, 32],
    );
}

/// Sums over hundreds of thousands of voxels lose digits where they are added one by one: small volumes do not show it.
#[test]
fn a_volume_of_the_usual_size_gives_the_oracles_numbers() {
    let _guard = tch::no_grad_guard();
    let weights = support::root().join("weights/iris.safetensors");
    let iris = Iris::load(&weights, Device::Cpu).unwrap();
    let size = [64, 80, 80];
    tch::manual_seed(12);
    // On the scale of real input: values of the training's range, not a walk that leaves it.
    let scene = || image(&[1, 1, size[0], size[1], size[2]]).tanh() * 1.5;
    let (reference, query) = (scene(), scene());
    let masks = masks(1, 2, size);
    let expected = oracle(
        &weights,
        &[
            ("image", reference.shallow_clone()),
            ("masks", masks.shallow_clone()),
            ("query", query.shallow_clone()),
        ],
    );
    let embedding = iris.encode_task(&reference, &masks);
    let logits = iris.forward(&query, &embedding);
    let difference = f64::try_from((&logits - &expected["logits"]).abs().max()).unwrap();
    assert!(difference < 1e-3, "logits differ by {difference:e}");
}

#[test]
fn volumes_smaller_equal_and_larger_than_a_window_give_the_oracles_numbers() {
    let folder = tempfile::tempdir().unwrap();
    // Its training patch is 16³, so windows may shrink to that.
    let weights = save(&random_network(IrisConfig::tiny(), 12), folder.path());
    let iris = Iris::load(&weights, Device::Cpu).unwrap();
    for (volume, air, max_voxels, overlap, windows) in [
        ([5, 13, 18], 0..0, 1 << 20, 0.5, 1),
        ([3, 21, 17], 0..0, 1 << 20, 0.5, 1),
        ([16, 16, 16], 0..0, 16 * 16 * 16, 0.5, 1),
        ([19, 34, 25], 0..0, 16 * 16 * 16, 0.5, 2 * 4 * 3),
        ([9, 40, 41], 0..0, 12 * 24 * 24, 0.25, 2 * 2),
        // A long one is cut along its length alone.
        ([50, 28, 28], 0..0, 24 * 28 * 28, 0.5, 4),
        // Windows in which there is nothing but air, between two arms.
        ([16, 20, 64], 7..57, 16 * 16 * 16, 0.5, 2 * 7),
        // Air beside the patient, which the network is not shown: one window of 24 columns is left.
        ([16, 20, 64], 20..64, 1 << 20, 0.5, 1),
        ([16, 20, 64], 20..64, 16 * 16 * 16, 0.5, 2 * 2),
    ] {
        let scan = image(&volume);
        let _ = scan.narrow(2, air.start, air.end - air.start).fill_(-2.0);
        let masks = masks(1, 2, volume).squeeze_dim(0);
        let expected = oracle(
            &weights,
            &[
                ("volume", scan.shallow_clone()),
                ("volume_masks", masks.shallow_clone()),
                ("overlap", Tensor::from_slice(&[overlap])),
                ("max_voxels", Tensor::from_slice(&[max_voxels])),
            ],
        );
        let embedding = iris.embed_reference(&scan, &masks).unwrap();
        assert_close(
            "embedding",
            embedding.tensor(),
            &expected["volume_embedding"],
            1e-4,
        );
        let mut seen = Vec::new();
        let options = SlidingWindow {
            overlap,
            max_voxels,
        };
        let found = iris
            .segment(&scan, &embedding, &options, &mut |done, all| {
                seen.push((done, all));
            })
            .unwrap();
        assert_close(
            &format!("probabilities of {volume:?}"),
            &found,
            &expected["volume_probabilities"],
            1e-4,
        );
        let promised: Vec<_> = (0..=windows).map(|done| (done, windows)).collect();
        assert_eq!(seen, promised, "progress over {volume:?}");
    }
}

#[test]
fn one_window_is_one_forward_pass() {
    let iris = random_network(IrisConfig::tiny(), 13);
    let _guard = tch::no_grad_guard();
    let scan = image(&[16, 20, 24]);
    let masks = masks(1, 2, [16, 20, 24]).squeeze_dim(0);
    let embedding = iris.embed_reference(&scan, &masks).unwrap();
    let found = iris
        .segment(&scan, &embedding, &SlidingWindow::default(), &mut |_, _| {})
        .unwrap();
    let query = scan.unsqueeze(0).unsqueeze(0);
    let direct = iris
        .forward(&query, &embedding.tensor().unsqueeze(0))
        .sigmoid()
        .squeeze_dim(0);
    assert_close("probabilities", &found, &direct, 1e-6);
}

#[test]
fn pooling_with_the_adjoint_equals_enlarging_the_features() {
    tch::manual_seed(3);
    for (coarse, factor) in [([2, 3, 4], 8), ([5, 1, 2], 4), ([3, 3, 3], 1)] {
        let fine = coarse.map(|n| n * factor);
        let features = Tensor::randn([2, 6, coarse[0], coarse[1], coarse[2]], FLOAT);
        let mut masks = Tensor::rand([2, 4, fine[0], fine[1], fine[2]], FLOAT)
            .gt(0.7)
            .to_kind(Kind::Float);
        // A structure of a single voxel, and a class that is absent.
        let _ = masks.select(1, 1).zero_();
        let _ = masks.select(1, 2).zero_();
        let _ = masks.get(0).get(1).get(0).get(0).narrow(0, 0, 1).fill_(1.0);
        masks = masks.contiguous();
        assert_close(
            "pooled features",
            &foreground_pool(&features, &masks),
            &foreground_pool_naive(&features, &masks),
            1e-5,
        );
    }
}

#[test]
fn a_class_has_one_embedding_whatever_the_company() {
    let iris = random_network(IrisConfig::tiny(), 14);
    let _guard = tch::no_grad_guard();
    let size = [8, 16, 12];
    let reference = image(&[1, 1, 8, 16, 12]);
    let masks = masks(1, 4, size);
    let together = iris.encode_task(&reference, &masks);
    for class in 0..4 {
        let alone = iris.encode_task(&reference, &masks.narrow(1, class, 1));
        assert_close("embedding", &alone, &together.narrow(1, class, 1), 1e-5);
    }
}

/// What `K` classes in one pass share with `K` passes, and what they do not:
/// encoder and embeddings are equal (above); the order of classes is nothing;
/// but tokens of all classes attend to each other and change the same features
/// of the query, so a class's logits do depend on its company. With random
/// weights the dependence is plain, and this test would notice if it were lost.
#[test]
fn the_order_of_classes_does_not_matter_but_their_company_does() {
    let iris = random_network(IrisConfig::tiny(), 15);
    let _guard = tch::no_grad_guard();
    let size = [8, 16, 12];
    let shape = [1, 1, 8, 16, 12];
    let embedding = iris.encode_task(&image(&shape), &masks(1, 4, size));
    let query = image(&shape);
    let logits = iris.forward(&query, &embedding);

    let order = Tensor::from_slice(&[2i64, 0, 3, 1]);
    let shuffled = iris.forward(&query, &embedding.index_select(1, &order));
    assert_close(
        "logits in another order",
        &shuffled,
        &logits.index_select(1, &order),
        1e-4,
    );

    let alone = iris.forward(&query, &embedding.narrow(1, 0, 1));
    let difference = (alone - logits.narrow(1, 0, 1)).abs().max();
    assert!(f64::try_from(difference).unwrap() > 1e-3);
}

#[test]
fn a_reference_larger_than_a_window_is_the_mean_over_windows_with_foreground() {
    let iris = random_network(IrisConfig::tiny(), 16);
    let _guard = tch::no_grad_guard();
    // 32 · 260 · 260 voxels are more than a window takes: two windows of 32 · 252 · 260.
    let size = [32, 260, 260];
    let scan = image(&size);
    let masks = Tensor::zeros([2, 32, 260, 260], FLOAT);
    let corner = |k: i64, start: i64, length: i64| {
        (1..3).fold(masks.get(k), |x, axis| x.narrow(axis, start, length))
    };
    // The first class is seen whole by both windows, the second is cut in two unlike parts.
    let _ = corner(0, 100, 10).fill_(1.0);
    let _ = corner(1, 1, 258).fill_(1.0);
    let found = iris.embed_reference(&scan, &masks).unwrap();

    let mut sum = Tensor::zeros([2, 4, 16], FLOAT);
    let mut counts = Tensor::zeros([2, 1, 1], FLOAT);
    for y in [0, 8] {
        let cut = |t: &Tensor| t.narrow(-2, y, 252).unsqueeze(0);
        let mask = cut(&masks);
        let voxels = mask
            .flatten(2, -1)
            .sum_dim_intlist([-1i64].as_slice(), false, None)
            .reshape([2, 1, 1]);
        sum += iris
            .encode_task(&cut(&scan).unsqueeze(0), &mask)
            .squeeze_dim(0)
            * &voxels;
        counts += voxels;
    }
    assert_close("embedding", found.tensor(), &(sum / counts), 1e-4);
}

#[test]
fn what_does_not_fit_is_refused_with_a_sentence() {
    let iris = random_network(IrisConfig::tiny(), 17);
    let scan = image(&[8, 8, 8]);
    let some = masks(1, 2, [8, 8, 8]).squeeze_dim(0);
    let embedding = iris.embed_reference(&scan, &some).unwrap();
    let segment = |image: &Tensor, embedding: &TaskEmbedding| {
        iris.segment(image, embedding, &SlidingWindow::default(), &mut |_, _| {})
            .map(|_| ())
            .unwrap_err()
    };

    assert!(matches!(
        iris.embed_reference(&scan, &Tensor::cat(&[&some, &some.zeros_like()], 0)),
        Err(InferenceError::EmptyMask(2))
    ));
    assert!(matches!(
        iris.embed_reference(&scan, &some.narrow(1, 0, 4)),
        Err(InferenceError::Shape { .. })
    ));
    assert!(matches!(
        segment(&scan.unsqueeze(0), &embedding),
        InferenceError::Shape { .. }
    ));
    let foreign = TaskEmbedding::new(embedding.tensor(), "another network").unwrap();
    assert!(matches!(
        segment(&scan, &foreign),
        InferenceError::OtherWeights
    ));
    // The right hash, but not the right shape: a file that was tampered with.
    let narrow = TaskEmbedding::new(
        &embedding.tensor().narrow(2, 0, 8),
        embedding.weights_hash(),
    )
    .unwrap();
    assert_eq!(
        segment(&scan, &narrow).to_string(),
        "expected an embedding [K, m+1, C] of this network, found a tensor of shape [2, 4, 8]"
    );
}

#[test]
fn an_embedding_survives_being_stored() {
    let embedding = TaskEmbedding::new(&Tensor::randn([3, 9, 16], FLOAT), "abc").unwrap();
    let bytes = embedding.to_bytes().unwrap();
    let back = TaskEmbedding::from_bytes(&bytes).unwrap();
    assert_eq!(back.tensor(), embedding.tensor());
    assert_eq!(back.weights_hash(), "abc");
    assert_eq!(back.classes(), 3);
    assert!(bytes.len() < 3 * 9 * 16 * 4 + 512);

    for length in 0..bytes.len() {
        assert!(
            matches!(
                TaskEmbedding::from_bytes(&bytes[..length]),
                Err(EmbeddingError::Damaged(_))
            ),
            "{length} bytes of {}",
            bytes.len()
        );
    }
}

#[test]
fn the_context_ensemble_is_the_mean_over_references() {
    let embedding =
        |value: f64, hash: &str| TaskEmbedding::new(&Tensor::full([2, 4, 8], value, FLOAT), hash);
    let mean = TaskEmbedding::mean(&[
        embedding(1.0, "a").unwrap(),
        embedding(2.0, "a").unwrap(),
        embedding(6.0, "a").unwrap(),
    ])
    .unwrap();
    assert_close(
        "mean",
        mean.tensor(),
        &Tensor::full([2, 4, 8], 3.0, FLOAT),
        1e-6,
    );
    assert!(matches!(
        TaskEmbedding::mean(&[embedding(1.0, "a").unwrap(), embedding(1.0, "b").unwrap()]),
        Err(EmbeddingError::Mismatch)
    ));
    assert!(matches!(
        TaskEmbedding::mean(&[]),
        Err(EmbeddingError::Empty)
    ));
}

#[test]
fn weights_come_back_as_they_were_saved() {
    let folder = tempfile::tempdir().unwrap();
    let iris = random_network(IrisConfig::tiny(), 18);
    let path = folder.path().join("new folder/weights.safetensors");
    let hash = iris.save(&path, &BTreeMap::new()).unwrap();
    let back = Iris::load(&path, Device::Cpu).unwrap();
    assert_eq!(back.config(), iris.config());
    assert_eq!(back.weights_hash(), hash);
    let (was, is) = (iris.variables().variables(), back.variables().variables());
    assert_eq!(was.len(), is.len());
    for (name, weight) in was {
        assert_eq!(weight, is[&name], "{name}");
    }
}

#[test]
fn halved_weights_take_half_the_file_and_come_back_nearly_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let iris = random_network(IrisConfig::tiny(), 19);
    let (whole, half) = (folder.path().join("whole"), folder.path().join("half"));
    let provenance = BTreeMap::from([("trained_by".to_owned(), "nobody".to_owned())]);
    iris.save(&whole, &provenance).unwrap();
    let hash = iris.save_halved(&half, &provenance).unwrap();
    let size = |path: &Path| std::fs::metadata(path).unwrap().len() as f64;
    assert!(size(&half) < 0.6 * size(&whole), "{}", size(&half));

    let back = Iris::load(&half, Device::Cpu).unwrap();
    assert_eq!(back.weights_hash(), hash);
    let is = back.variables().variables();
    for (name, was) in iris.variables().variables() {
        assert_eq!(is[&name].kind(), Kind::Float, "{name}");
        assert!(is[&name].allclose(&was, 5e-4, 1e-7, false), "{name}");
    }
}

/// Saves `weights` after `change` to its tensors and metadata, and gives the error of loading it.
fn refusal(
    weights: &Path,
    change: impl Fn(&mut BTreeMap<String, (Vec<usize>, Vec<u8>)>, &mut HashMap<String, String>),
) -> String {
    let bytes = std::fs::read(weights).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut metadata = header.metadata().clone().unwrap();
    let mut tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)> = SafeTensors::deserialize(&bytes)
        .unwrap()
        .iter()
        .map(|(name, view)| {
            (
                name.to_owned(),
                (view.shape().to_vec(), view.data().to_vec()),
            )
        })
        .collect();
    change(&mut tensors, &mut metadata);
    let views = tensors.iter().map(|(name, (shape, data))| {
        let view = TensorView::new(safetensors::Dtype::F32, shape.clone(), data).unwrap();
        (name.as_str(), view)
    });
    let changed = weights.with_file_name("changed.safetensors");
    std::fs::write(
        &changed,
        safetensors::serialize(views, Some(metadata)).unwrap(),
    )
    .unwrap();
    let error = Iris::load(&changed, Device::Cpu).unwrap_err();
    assert!(matches!(error, WeightsError::NotIris { .. }), "{error}");
    error.to_string()
}

#[test]
fn a_file_that_is_no_network_is_refused_with_the_reason() {
    const WEIGHT: &str = "encoder.1.conv1.weight";
    let folder = tempfile::tempdir().unwrap();
    let weights = save(&random_network(IrisConfig::tiny(), 19), folder.path());

    let missing = Iris::load(&folder.path().join("none"), Device::Cpu).unwrap_err();
    assert!(
        missing
            .to_string()
            .starts_with("cannot access the weights file"),
        "{missing}"
    );

    let lacking = refusal(&weights, |tensors, _| {
        tensors.remove(WEIGHT);
    });
    assert!(
        lacking.ends_with(&format!("the weight `{WEIGHT}` is missing")),
        "{lacking}"
    );
    let reshaped = refusal(&weights, |tensors, _| {
        tensors.get_mut(WEIGHT).unwrap().0.reverse();
    });
    assert!(
        reshaped.contains(&format!("the weight `{WEIGHT}` is F32 [3, 3, 3, 4, 8]")),
        "{reshaped}"
    );
    let unknown = refusal(&weights, |tensors, _| {
        tensors.insert("encoder.9".into(), (vec![1], vec![0; 4]));
    });
    assert!(unknown.ends_with("unknown weight `encoder.9`"), "{unknown}");
    let diverged = refusal(&weights, |tensors, _| {
        tensors.get_mut(WEIGHT).unwrap().1[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    assert!(diverged.ends_with("no numbers"), "{diverged}");

    let other = refusal(&weights, |_, metadata| metadata.clear());
    assert!(other.ends_with("has no `iris_config`"), "{other}");
    let impossible = refusal(&weights, |_, metadata| {
        let config = &metadata["iris_config"].replace("\"heads\":2", "\"heads\":3");
        metadata.insert("iris_config".into(), config.clone());
    });
    assert!(
        impossible.ends_with("`heads` (3) must divide the bottleneck's 16 channels"),
        "{impossible}"
    );
    // Terabytes, if it were believed.
    let vast = refusal(&weights, |_, metadata| {
        let config =
            &metadata["iris_config"].replace("[4,8,16]", "[4096,4096,4096,4096,4096,4096]");
        let config = config.replace("[16,16,16]", "[32,32,32]");
        metadata.insert("iris_config".into(), config);
    });
    assert!(vast.contains("too small for the network"), "{vast}");
}

#[test]
fn a_truncated_or_foreign_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let weights = save(&random_network(IrisConfig::tiny(), 20), folder.path());
    let whole = std::fs::read(&weights).unwrap();
    let cuts = (0..64)
        .chain((64..whole.len()).step_by(997))
        .chain([whole.len() - 1]);
    let mut files: Vec<Vec<u8>> = cuts.map(|length| whole[..length].to_vec()).collect();
    files.push(b"not a network".repeat(100));
    files.push([&u64::MAX.to_le_bytes(), b"{}".as_slice()].concat());
    files.push([&whole[..], b"more"].concat());
    for bytes in files {
        std::fs::write(&weights, &bytes).unwrap();
        let error = Iris::load(&weights, Device::Cpu).unwrap_err();
        assert!(
            matches!(error, WeightsError::Damaged { .. }),
            "{} bytes: {error}",
            bytes.len()
        );
    }
}
