//! From a volume to the network's input: one grid, one intensity scale; the same for training,
//! references and queries.

mod input;
mod intensity;

pub use input::{NetworkInput, PreprocessError, SeriesInput, VERSION, network_input, read_input};
pub use intensity::normalise;
