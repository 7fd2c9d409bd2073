#[path = "../../src/dicomweb/multipart.rs"]
mod multipart;
#[path = "../../src/archive/part10.rs"]
mod part10;
pub use multipart::{Multipart, Piece};
pub use part10::{Beginning, beginning};
