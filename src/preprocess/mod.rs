//! From a volume to the network's input: one grid, one intensity scale; the same for training,
//! references and queries.

mod intensity;

pub use intensity::normalise;
