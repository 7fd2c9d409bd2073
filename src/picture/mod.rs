//! A picture of slices with the segments drawn over them, for people to look at.

mod color;
mod curve;
mod examples;
mod panel;
mod plane;
mod sheet;
mod slice;
mod text;
mod window;

pub use curve::{Curve, curves};
pub use examples::{ExampleRow, ExampleSheet, ExampleView};
pub use plane::Plane;
pub use sheet::{Drawn, Sheet};
pub use slice::Slices;
pub use window::Window;
