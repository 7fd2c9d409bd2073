#[path = "../../src/archive/columns.rs"]
mod columns;
#[path = "../../src/archive/header.rs"]
mod header;
#[path = "../../src/archive/part10.rs"]
mod part10;
pub use header::read_header;
pub use part10::{Beginning, beginning};
