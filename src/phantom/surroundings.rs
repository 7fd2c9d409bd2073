//! What a real scan shows beside the anatomy: arms, the table, gas in the gut, organs of more than one grey.

use super::interior::GUT;
use super::scene::{Scene, Structure};
use super::shape::Shape;
use rand::{Rng, RngExt};

impl Scene {
    /// Adds, by chance, arms at the body's sides, the table below it, gas in hollow organs, and contents, vessels and
    /// walls to structures.
    pub(super) fn as_scanned(&mut self, rng: &mut impl Rng) {
        self.uneven = rng.random_bool(0.8);
        if rng.random_bool(0.4) {
            for side in [-1.0, 1.0] {
                self.surroundings.extend(arm(side, rng));
            }
        }
        if rng.random_bool(0.6) {
            self.surroundings.extend(table(rng));
        }
        if rng.random_bool(0.6) {
            self.hollow = (1u16..)
                .zip(&self.structures)
                .filter(|(_, structure)| GUT.contains(&structure.name.as_str()))
                .map(|(number, _)| number)
                .collect();
        }
    }
}

/// Skin and fat, muscle, bone; from the outside in, since a later structure covers an earlier one.
fn arm(side: f64, rng: &mut impl Rng) -> [Structure; 3] {
    let mut end = |z| {
        let out = rng.random_range(195.0..245.0);
        [side * out, rng.random_range(-40.0..60.0), z]
    };
    let course = [end(-300.0), end(0.0), end(300.0)];
    let girth = rng.random_range(32.0..52.0);
    let tube = |radius| vec![Shape::tube(&course, radius)];
    [
        Structure::filler("arm_fat", -100.0, 10.0, tube(girth)),
        Structure::filler("arm_muscle", 55.0, 10.0, tube(girth * 0.8)),
        Structure::filler("arm_bone", 600.0, 200.0, tube(rng.random_range(8.0..14.0))),
    ]
}

/// A shell of light core between two layers.
fn table(rng: &mut impl Rng) -> [Structure; 2] {
    let depth = rng.random_range(125.0..190.0);
    let half = rng.random_range(180.0..260.0);
    let slab = |thickness: f64| {
        vec![Shape::Superellipsoid {
            center: [0.0, depth, 0.0],
            radii: [half, thickness, 1000.0],
            axes: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            exponent: 4.0,
        }]
    };
    let thickness = rng.random_range(8.0..22.0);
    [
        Structure::filler("table_shell", 50.0, 150.0, slab(thickness)),
        Structure::filler("table_core", -850.0, 60.0, slab(thickness - 4.0)),
    ]
}
