//! What a kind of subject consists of.

use super::atlas::Atlas;
use super::lesions::Lesion;
use super::render::Phantom;
use super::shape::Shape;
use std::sync::Arc;

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
    /// A label map that gives the structures' places instead of their shapes.
    pub atlas: Option<Arc<Atlas>>,
    /// What lies outside the body; number `i` gets the label after the last structure's plus `i`.
    pub surroundings: Vec<Structure>,
    /// Numbers of structures that may hold gas in their upper (anterior) part.
    pub hollow: Vec<u16>,
    /// Whether structures are uneven inside, as those of a scan are.
    pub uneven: bool,
    /// What grows in structures; see [`Lesion`].
    pub lesions: Vec<Lesion>,
}

impl Scene {
    /// The segment number of a structure.
    pub fn number(&self, name: &str) -> Option<u16> {
        let at = self.structures.iter().position(|s| s.name == name)?;
        u16::try_from(at + 1).ok()
    }

    /// Gives all structures whose name starts with `prefix` the number of the first of them.
    pub(super) fn merge(&self, prefix: &str, phantoms: &mut [&mut Phantom]) {
        // By label; 0 is the background.
        let is_one = std::iter::once(false).chain(
            self.structures
                .iter()
                .map(|structure| structure.name.starts_with(prefix)),
        );
        let is_one: Vec<bool> = is_one.collect();
        let Some(first) = is_one.iter().position(|&is_one| is_one) else {
            return;
        };
        for label in phantoms
            .iter_mut()
            .flat_map(|p| p.labels.layers.iter_mut().flatten())
        {
            if is_one.get(usize::from(*label)) == Some(&true) {
                *label = first as u16;
            }
        }
    }
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
