//! From a volume to the network's input: one grid, one intensity scale; the same for training,
//! references and queries.

mod input;
mod intensity;
mod percentile;

pub use input::{
    LoneInput, NetworkInput, PreprocessError, SlicewiseInput, VERSION, for_network, network_input,
};
pub use intensity::normalise;
