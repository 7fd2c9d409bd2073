//! Cases of bodies that no training run has seen.

use super::case::{Case, CaseReference};
use crate::phantom::{Contrast, Phantom, Scene};
use crate::tasks::{Reference, Selection};
use crate::terminology::SegmentDescription;
use crate::volume::{Geometry, LabelVolume};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Subjects for evaluation are numbered from here.
///
/// Training draws its subjects' seeds from all 64-bit numbers, so that a run of a million subjects meets one of a
/// hundred here once in 10¹¹ runs; fixtures and people use small numbers.
pub const UNSEEN: u64 = 1 << 40;
/// Further references of case `n` are subjects from `UNSEEN + FURTHER + 256 n` on.
const FURTHER: u64 = 1 << 32;
/// A structure must have this much in the reference and in the query, ml.
const LEAST_ML: f64 = 3.0;

/// Whole torsos as CT sees them: references and query are different subjects, scanned at different heights.
#[derive(Debug, Clone, PartialEq)]
pub struct PhantomCases {
    /// Left-right, front-back and foot-head length of each scan, mm.
    pub extent_mm: [f64; 3],
    /// Spacing of the scans, mm; the network's own.
    pub spacing_mm: [f64; 3],
    /// Structures to ask for, by the scene's names; all that reference and query show when empty.
    pub structures: Vec<String>,
    /// References of a case, 1 to 256. The first is the same whatever their number; the others show what they show.
    pub references: u64,
}

impl PhantomCases {
    /// Length of a usual abdominal scan, mm.
    pub const EXTENT_MM: [f64; 3] = [380.0, 280.0, 200.0];

    /// Case number `index`; the same number gives the same case. None when nothing asked for is in both scans.
    pub fn case(&self, index: u64) -> Option<Case> {
        let scene = Scene::torso();
        let mut rng = ChaCha8Rng::seed_from_u64(UNSEEN + index);
        let mut scan = |subject: u64| {
            let height = rng.random_range(10.0..60.0);
            scene.subject(UNSEEN + subject, &self.grid(height), Contrast::Ct)
        };
        let (reference, query) = (scan(2 * index), scan(2 * index + 1));
        let further = (1..self.references).map(|n| scan(FURTHER + 256 * index + n));
        let further: Vec<Phantom> = further.collect();
        let enough = |labels: &LabelVolume, number| labels.volume_ml(number) >= LEAST_ML;
        let chosen: Vec<(u16, &str)> = (1u16..)
            .zip(&scene.structures)
            .filter(|(number, structure)| {
                let asked = if self.structures.is_empty() {
                    structure.target
                } else {
                    self.structures.contains(&structure.name)
                };
                asked && enough(&reference.labels, *number) && enough(&query.labels, *number)
            })
            .map(|(number, structure)| (number, structure.name.as_str()))
            .collect();
        if chosen.is_empty() {
            return None;
        }
        let shown = |phantom: Phantom| CaseReference {
            selections: chosen
                .iter()
                .filter(|(number, _)| enough(&phantom.labels, *number))
                .map(|(number, name)| Selection {
                    value: *number,
                    description: SegmentDescription::or_generic(name),
                })
                .collect(),
            reference: Reference {
                image: phantom.volume,
                modality: Contrast::Ct.modality().into(),
                labels: phantom.labels,
            },
        };
        let mut known = query.labels;
        known.renumber(|label| {
            let at = chosen.iter().position(|(number, _)| *number == label);
            at.map_or(0, |at| at as u16 + 1)
        });
        let all = std::iter::once(reference).chain(further).map(shown);
        Some(Case {
            name: format!("torso {index}"),
            // One that shows nothing of what is asked for teaches nothing.
            references: all.filter(|one| !one.selections.is_empty()).collect(),
            query: query.volume,
            modality: Contrast::Ct.modality().into(),
            known,
        })
    }

    /// A scan whose middle lies at a height of the scene, mm.
    fn grid(&self, height: f64) -> Geometry {
        let size = std::array::from_fn(|axis| {
            ((self.extent_mm[axis] / self.spacing_mm[axis]).round() as usize).max(1)
        });
        let origin = std::array::from_fn(|axis| {
            let middle = if axis == 2 { height } else { 0.0 };
            middle - (size[axis] as f64 - 1.0) / 2.0 * self.spacing_mm[axis]
        });
        Geometry::axial(size, self.spacing_mm, origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_references_change_neither_the_first_nor_the_query() {
        let cases = |references| PhantomCases {
            extent_mm: [300.0, 220.0, 80.0],
            spacing_mm: [10.0; 3],
            structures: Vec::new(),
            references,
        };
        let (one, three) = (cases(1).case(3).unwrap(), cases(3).case(3).unwrap());
        assert_eq!((one.references.len(), three.references.len()), (1, 3));
        assert_eq!(one.query, three.query);
        assert_eq!(one.known, three.known);
        let images = three.references.iter().map(|r| &r.reference.image);
        let images: Vec<_> = images.collect();
        assert_eq!(images[0], &one.references[0].reference.image);
        assert!(images[0] != images[1] && images[1] != images[2]);
        // Every name of a further reference is one of the case's.
        let known: Vec<_> = three.segments().iter().map(|s| s.value).collect();
        for further in &three.references[1..] {
            assert!(further.selections.iter().all(|s| known.contains(&s.value)));
        }
    }
}
