//! Rules over DICOM attributes, and the explanation of why each matched or did not.
//!
//! [`decide`] is for the node: what it returns holds names from the
//! configuration only, so all of it may be logged. [`explain`] is for a person
//! at a terminal: it holds the values seen, which may identify a patient, and
//! gives them out through [`Seen::reveal`] alone.

mod decide;
mod destination;
mod explain;
mod matching;
mod seen;
mod series_context;
mod verdict;

pub use decide::{Decisions, decide};
pub use destination::{UnknownOrigin, destinations};
pub use explain::{Explanation, Reason, RuleExplanation, explain};
pub use seen::Seen;
pub use series_context::SeriesContext;
pub use verdict::{KnownTitles, Verdict};
