//! DICOM Segmentation objects (PS3.3 A.51), written and read.

mod attribute;
mod color;
mod element;
mod error;
mod frames;
mod functional_groups;
mod modules;
mod onto;
mod read;
mod read_error;
mod segment;
mod segment_sequence;
mod uid;
mod write;

pub use error::EncodeError;
pub use read::{SegObject, read_seg};
pub use read_error::ReadSegError;
pub use segment::{Provenance, SegInstance, Segment, WrittenSegment};
pub use write::write_seg;
