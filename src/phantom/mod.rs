//! Procedural labelled volumes: test fixtures, training episodes, the demo without real data.
//!
//! A [`Scene`] is a kind of anatomy (a torso, or random shapes); a *subject* is
//! one draw from it: every structure moved, scaled, turned and bent on its own.
//! Rendering gives it CT-like intensities in Hounsfield units, or a random
//! intensity law per structure (domain randomisation), so that one network
//! learns from both.

mod atlas;
mod dicom;
mod episode_choices;
mod episodes;
mod fidelity;
mod field;
mod interior;
mod label_map;
mod lattice;
mod lesions;
mod points_at_once;
mod render;
mod scene;
mod shape;
mod shapes;
mod subject;
mod surroundings;
mod torso;

pub use atlas::Atlas;
pub use dicom::SeriesError;
pub use episodes::{MapGroup, PhantomEpisodes};
pub use lesions::Lesion;
pub use render::{Contrast, Phantom};
pub use scene::{Scene, Structure};
