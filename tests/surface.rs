//! Surface distances, held against MONAI's on random masks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot arrange its situation fails"
)]

mod support;

use irisnode::evaluate::surface_measures;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// Two masks on one grid: columns, rows, slices; spacing and tolerance in mm.
struct Pair {
    size: [usize; 3],
    spacing: [f64; 3],
    tolerance: f64,
    one: Vec<bool>,
    other: Vec<bool>,
}

/// A few balls, which may lie across the border of the grid; no ball, nothing.
fn blobs(size: [usize; 3], balls: usize, rng: &mut impl Rng) -> Vec<bool> {
    let balls: Vec<([f64; 3], f64)> = (0..balls)
        .map(|_| {
            let middle = size.map(|n| rng.random_range(0.0..n as f64));
            (middle, rng.random_range(0.8..6.0))
        })
        .collect();
    (0..size.iter().product())
        .map(|n| {
            let at = [n % size[0], n / size[0] % size[1], n / (size[0] * size[1])];
            balls.iter().any(|(middle, radius)| {
                let squares = (0..3).map(|a| (at[a] as f64 - middle[a]).powi(2));
                squares.sum::<f64>() < radius * radius
            })
        })
        .collect()
}

fn pairs() -> Vec<Pair> {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut pairs: Vec<Pair> = (0..60)
        .map(|_| {
            let size: [usize; 3] = std::array::from_fn(|_| rng.random_range(1..24));
            let (a, b) = (rng.random_range(0..4), rng.random_range(0..4));
            Pair {
                size,
                spacing: std::array::from_fn(|_| rng.random_range(0.4..6.0)),
                tolerance: rng.random_range(0.0..8.0),
                one: blobs(size, a, &mut rng),
                other: blobs(size, b, &mut rng),
            }
        })
        .collect();
    let size = [9, 7, 5];
    for (one, other) in [(0.0, 1.0), (1.0, 1.0), (0.0, 0.0), (0.5, 1.0), (0.02, 0.02)] {
        let mut noise = |share: f64| (0..315).map(|_| rng.random_bool(share)).collect();
        pairs.push(Pair {
            size,
            spacing: [0.9765625, 0.9765625, 5.0],
            tolerance: 2.0,
            one: noise(one),
            other: noise(other),
        });
    }
    pairs
}

#[test]
fn surface_distances_are_those_of_monai() {
    let pairs = pairs();
    let folder = tempfile::tempdir().unwrap();
    let (given, found) = (folder.path().join("given"), folder.path().join("found"));
    let mut tensors = Vec::new();
    for (n, pair) in pairs.iter().enumerate() {
        let [columns, rows, slices] = pair.size.map(|n| n as i64);
        let mask = |mask: &[bool]| {
            Tensor::from_slice(mask)
                .reshape([slices, rows, columns])
                .to_kind(Kind::Uint8)
        };
        let mut spacing = pair.spacing;
        spacing.reverse();
        tensors.push((format!("one.{n}"), mask(&pair.one)));
        tensors.push((format!("other.{n}"), mask(&pair.other)));
        tensors.push((format!("spacing.{n}"), Tensor::from_slice(&spacing)));
        tensors.push((format!("tolerance.{n}"), Tensor::from(pair.tolerance)));
    }
    Tensor::write_safetensors(&tensors, &given).unwrap();
    let status = std::process::Command::new(support::python())
        .arg(support::root().join("tests/oracle/surface_oracle.py"))
        .args([&given, &found])
        .status()
        .unwrap();
    assert!(status.success());
    let expected: BTreeMap<String, Tensor> = Tensor::read_safetensors(&found)
        .unwrap()
        .into_iter()
        .collect();

    let mut measured = 0;
    for (n, pair) in pairs.iter().enumerate() {
        let values = Vec::<f64>::try_from(&expected[&format!("measures.{n}")]).unwrap();
        let ours = surface_measures(
            &pair.one,
            &pair.other,
            pair.size,
            pair.spacing,
            pair.tolerance,
        );
        // Without any surface MONAI says NaN; with one, NSD 0 and no finite HD95.
        let Some(ours) = ours else {
            assert!(values[0].is_nan(), "case {n}: {values:?}");
            continue;
        };
        assert!(
            (ours.nsd - values[0]).abs() < 1e-6,
            "case {n}: {ours:?}, MONAI {values:?}"
        );
        match ours.hd95_mm {
            Some(mm) => {
                measured += 1;
                assert!(
                    (mm - values[1]).abs() < 1e-4 * mm.max(1.0),
                    "case {n}: {ours:?}, MONAI {values:?}"
                );
            }
            None => assert!(!values[1].is_finite(), "case {n}: MONAI {values:?}"),
        }
    }
    assert!(measured > 30, "only {measured} pairs have two surfaces");
}
