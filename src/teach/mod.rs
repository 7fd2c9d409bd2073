//! Teaching over DICOM: from labels that a person drew in a viewer and sent, to a task.
//!
//! Labels and the images they were drawn on make a [`Material`]. Each structure in it is held against the task library
//! ([`assign`]): it would be a task of its own, or a further reference of the task that knows it. Of a task that would
//! have two references or more it is measured how well each is found by the others ([`judge`]). All of it is a
//! [`Finding`], kept with the proposal in the archive until a person decides ([`approve`]).

mod approval;
mod assignment;
mod error;
mod finding;
mod images;
mod judging;
mod material;
mod meaning;
mod picture;

pub use approval::{Approved, approve};
pub use assignment::{Part, Structure, assign};
pub use error::TeachError;
pub use finding::{Finding, FoundSegment, LeftOut};
pub use images::{Images, find_images};
pub use judging::{MOST_FOLDS, folds, judge};
pub use material::{Material, material_of};
pub use meaning::Basis;
pub use picture::picture;
