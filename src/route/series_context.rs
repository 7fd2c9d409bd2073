//! What rules may look at.

use dicom_object::InMemDicomObject;
use std::fmt;

/// A series as rules see it: the attributes of one of its instances, and the association it came by.
#[derive(Clone, Copy)]
pub struct SeriesContext<'s> {
    /// Data set of an instance; pixel data is not needed.
    pub attributes: &'s InMemDicomObject,
    /// AE title of the sender, empty when not known.
    pub calling_ae: &'s str,
    /// AE title it called, empty when not known.
    pub called_ae: &'s str,
}

/// Attributes stay out: a context may end up in a log.
impl fmt::Debug for SeriesContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeriesContext")
            .field("calling_ae", &self.calling_ae)
            .field("called_ae", &self.called_ae)
            .finish_non_exhaustive()
    }
}
