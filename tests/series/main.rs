//! Reading series: every sort that scanners send, voxel by voxel and in the patient's coordinates, held against how
//! it was drawn and against dcm2niix.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot arrange its situation fails"
)]

mod dcm2niix;
mod lossy;
mod read_ahead;
mod real;
mod road;
#[path = "../support/mod.rs"]
mod support;
mod volumes;

use irisnode::assemble::{Series, VolumeChoice, read_volume};
use irisnode::node::{ReadAhead, SlicesAhead, read_input};
use irisnode::preprocess::network_input;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use support::{python, root};

/// Voxels of a network, mm.
const NETWORK_MM: [f64; 3] = [4.0; 3];

/// What `draw_series.py` draws.
static DRAWN: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("series-drawn");
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir_all(&folder).unwrap();
    script("draw_series.py", &[&folder]).expect("series are drawn");
    folder
});

/// Runs a script of this folder: what it prints, or what it complains of.
fn script(name: &str, arguments: &[&Path]) -> Result<String, String> {
    let done = Command::new(python())
        .arg(root().join("tests/series").join(name))
        .args(arguments)
        .output()
        .expect("python starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() {
        Ok(text(&done.stdout))
    } else {
        Err(text(&done.stderr))
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A drawn series, by a choice such as `fullest` or `EchoTime=4.6`.
fn read(name: &str, choice: &str) -> Result<Series, String> {
    read_in_both_ways(&files(&DRAWN.join(name)), choice)
}

/// What a node reads of some files while others still arrive.
fn read_ahead(files: &[PathBuf]) -> SlicesAhead {
    let ahead = ReadAhead::new(NETWORK_MM);
    ahead.announce(files);
    for file in files {
        ahead.read(file);
    }
    ahead.take(files)
}

/// A series as a volume. Straight onto the network's grid, as a node reads it, it is the same, or refused as it is here;
/// and so it is, bit for bit, where slices were read ahead.
fn read_in_both_ways(files: &[PathBuf], choice: &str) -> Result<Series, String> {
    let choice: VolumeChoice = choice.parse().unwrap();
    let series = read_volume(files, &choice).map_err(|error| error.to_string());
    let straight =
        |ahead| read_input(files, &choice, NETWORK_MM, ahead).map_err(|error| error.to_string());
    let ahead = straight(read_ahead(files));
    let straight = straight(SlicesAhead::default());
    match (&straight, &ahead) {
        (Ok(straight), Ok(ahead)) => assert_eq!(straight.volume, ahead.volume),
        (straight, ahead) => assert_eq!(straight.as_ref().err(), ahead.as_ref().err()),
    }
    match (&series, straight) {
        (Ok(series), Ok(straight)) => {
            assert_eq!(straight.series.geometry, series.volume.geometry);
            assert_eq!(straight.series.source.slices, series.source.slices);
            assert_eq!(straight.series.notes, series.notes);
            let meant = network_input(&series.volume, &series.source.modality(), NETWORK_MM);
            let (meant, found) = (meant.unwrap(), straight.volume);
            assert_eq!(found.geometry, meant.geometry);
            let meant: Vec<f32> = meant.image.flatten(0, -1).try_into().unwrap();
            assert_eq!(found.voxels.len(), meant.len());
            for (at, (found, meant)) in found.voxels.iter().zip(&meant).enumerate() {
                assert!((found - meant).abs() < 1e-4, "{found} for {meant} at {at}");
            }
        }
        (Err(reason), Err(straight)) => assert_eq!(*reason, straight),
        (series, straight) => panic!("{:?} {:?}", series.is_ok(), straight.is_ok()),
    }
    series
}

/// A volume as it was drawn: affine (LPS, mm; rows of the matrix) and voxels.
struct Meant {
    affine: [[f64; 4]; 4],
    voxels: Vec<f32>,
}

fn meant(name: &str) -> Vec<Meant> {
    let text = std::fs::read(DRAWN.join(format!("{name}.json"))).unwrap();
    let affines: Vec<[[f64; 4]; 4]> = serde_json::from_slice(&text).unwrap();
    let volumes = affines.into_iter().enumerate().map(|(at, affine)| {
        let bytes = std::fs::read(DRAWN.join(format!("{name}.{at}.raw"))).unwrap();
        let voxels = bytes.chunks_exact(4);
        Meant {
            affine,
            voxels: voxels
                .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
                .collect(),
        }
    });
    volumes.collect()
}

/// The series is the volume as it was drawn: each voxel at its place (within 0.0001 mm) with its value times `factor`.
fn assert_is(name: &str, series: &Series, meant: &Meant, factor: f64) {
    let grid = &series.volume.geometry;
    let [columns, rows, slices] = grid.size;
    assert_eq!(grid.len(), meant.voxels.len(), "{name}");
    let place = |i: usize, j: usize, k: usize| -> [f64; 3] {
        let at = [i as f64, j as f64, k as f64, 1.0];
        std::array::from_fn(|axis| (0..4).map(|n| meant.affine[axis][n] * at[n]).sum())
    };
    for k in 0..slices {
        for j in 0..rows {
            for i in 0..columns {
                let at = grid.to_index(place(i, j, k));
                let here = at.map(|x| x.round() as usize);
                let centre = grid.to_patient(here.map(|n| n as f64));
                let meant_at = place(i, j, k);
                let apart: f64 = (0..3)
                    .map(|axis| (centre[axis] - meant_at[axis]).powi(2))
                    .sum();
                assert!(apart.sqrt() < 1e-4, "{name}: {apart} at {i}, {j}, {k}");
                let value = meant.voxels[i + columns * (j + rows * k)] as f64 * factor;
                let found = f64::from(series.volume.voxels[grid.index(here[0], here[1], here[2])]);
                assert!(
                    (found - value).abs() <= 1e-6 * value.abs().max(1.0),
                    "{name}: {found} is not {value} at {i}, {j}, {k}"
                );
            }
        }
    }
}
