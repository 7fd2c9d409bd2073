//! DICOM Segmentation objects (PS3.3 A.51), written and read; measurement reports on them (PS3.16 TID 1500), written; RT Structure Sets (PS3.3 A.19), read.

mod attribute;
mod color;
mod content_item;
mod contour_planes;
mod element;
mod error;
mod frames;
mod functional_groups;
mod labels;
mod layering;
mod modules;
mod onto;
mod polygon_fill;
mod read;
mod read_error;
mod report;
mod rtstruct;
mod rtstruct_error;
mod seg_form;
mod seg_pixels;
mod segment;
mod segment_sequence;
mod uid;
mod write;

pub use contour_planes::{FilledBetween, RoisOnGrid};
pub use error::EncodeError;
pub use labels::{DrawnOn, LABEL_CLASSES, LabelsError, LabelsOnGrid, drawn_on, labels_on};
pub use read::{SegObject, read_seg};
pub use read_error::ReadSegError;
pub use report::{ReportInstance, write_report};
pub use rtstruct::{Roi, RtStruct, read_rtstruct};
pub use rtstruct_error::ReadRtStructError;
pub use seg_form::{Fractions, SegForm, SegmentationType};
pub use segment::{Provenance, SegInstance, Segment, WrittenSegment};
pub use write::{write_seg, write_seg_as};
