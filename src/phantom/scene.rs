//! What a kind of subject consists of.

use super::shape::Shape;

/// A structure of a scene: its shapes and its usual density.
#[derive(Debug, Clone, PartialEq)]
pub struct Structure {
    /// TotalSegmentator's name where it has one (`liver`, `vertebrae_L1`), else our own.
    pub name: String,
    /// Solids that together make it up.
    pub shapes: Vec<Shape>,
    /// Mean CT number, HU.
    pub hu: f64,
    /// Standard deviation of that mean from subject to subject, HU.
    pub hu_spread: f64,
    /// How often a subject lacks it, 0 to 1.
    pub missing: f64,
    /// Whether it is an object one would ask for, rather than what fills the space between.
    pub target: bool,
    /// How far it wanders from subject to subject, mm (standard deviation).
    pub wander: f64,
}

/// Structures in painting order: a later one covers an earlier one.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// The structures; number `i` gets label `i + 1`.
    pub structures: Vec<Structure>,
}

impl Structure {
    /// An organ with its CT number and spread.
    pub(super) fn organ(name: &str, hu: f64, hu_spread: f64, shapes: Vec<Shape>) -> Self {
        Self {
            name: name.into(),
            shapes,
            hu,
            hu_spread,
            missing: 0.01,
            target: true,
            wander: 7.0,
        }
    }

    /// What fills the space between organs.
    pub(super) fn filler(name: &str, hu: f64, hu_spread: f64, shapes: Vec<Shape>) -> Self {
        Self {
            target: false,
            missing: 0.0,
            wander: 0.0,
            ..Self::organ(name, hu, hu_spread, shapes)
        }
    }

    pub(super) fn missing(self, missing: f64) -> Self {
        Self { missing, ..self }
    }

    pub(super) fn wander(self, wander: f64) -> Self {
        Self { wander, ..self }
    }
}
