//! How good the network is by one example, beside what needs no network at all.
//!
//! A [`Case`] is a reference and a query of another subject whose labels are known. [`evaluate_case`] teaches the
//! reference as a task and segments the query by the very code that the node runs, then measures Dice per segment
//! for the network and for two trivial baselines ([`Baselines`]); [`summarise`] gives means and bootstrap intervals.

mod baseline;
mod body;
mod bootstrap;
mod case;
mod distance;
mod phantoms;
mod summary;
mod surface;

pub use baseline::{Baselines, ENLARGED_BY, ENLARGED_LEAST_MM, STANDARD_DEVIATIONS};
pub use body::BodyBox;
pub use bootstrap::{Estimate, estimate};
pub use case::{Case, CaseScore, EvaluateError, SegmentScore, evaluate_case};
pub use phantoms::{PhantomCases, UNSEEN};
pub use summary::{StructureSummary, Summary, summarise};
pub use surface::{SurfaceMeasures, surface_measures};
