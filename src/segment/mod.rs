//! Preprocessing, running Iris on a volume with several tasks by a reference strategy, and back to the source grid.

mod along_rows;
mod cells;
mod confidence;
mod context;
mod dice;
mod error;
mod extent;
mod layers;
mod parts;
mod place;
mod run;
mod similarity;
mod source_grid;
mod strategy;
mod strays;

pub use confidence::Confidence;
pub use dice::dice;
pub use error::SegmentError;
pub use run::{ResultSegment, SegmentOptions, Segmented, segment_input, segment_volume};
pub use source_grid::Probabilities;
pub use strategy::Strategy;
