#[path = "../../src/dicomweb/multipart.rs"]
mod multipart;
pub use multipart::{Multipart, Piece};
