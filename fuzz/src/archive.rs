#[path = "../../src/archive/columns.rs"]
mod columns;
#[path = "../../src/archive/header.rs"]
mod header;
pub use header::read_header;
