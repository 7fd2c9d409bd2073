//! How good the network is by example, beside what is simpler.
//!
//! A [`Case`] is one or more references and a query of another subject whose labels are known. [`evaluate_case`]
//! teaches the references as a task and finds the query's segments by each [`Method`]: the network by the very code
//! that the node runs, the network without one of its ideas, and what needs no network ([`Baselines`]). It measures
//! Dice, surface distances ([`surface_measures`]), time and memory; [`summarise`] gives means, bootstrap intervals,
//! and what they say of the paper's relations.

mod ablation;
mod affine;
mod answer;
mod baseline;
mod body;
mod bootstrap;
mod case;
mod cost;
mod distance;
mod examples;
mod method;
mod phantoms;
mod relation;
mod summary;
mod surface;

pub use baseline::{Baselines, ENLARGED_BY, ENLARGED_LEAST_MM, STANDARD_DEVIATIONS};
pub use body::BodyBox;
pub use bootstrap::{Estimate, estimate};
pub use case::{
    Case, CaseReference, CaseScore, EvaluateError, EvaluateOptions, Measures, SegmentScore,
    evaluate_case, found_by,
};
pub use cost::Cost;
pub use examples::{Example, examples};
pub use method::{Method, RELATIONS};
pub use phantoms::{PhantomCases, UNSEEN};
pub use relation::{Measured, Relation, Verdict};
pub use summary::{CostSummary, MethodSummary, StructureSummary, Summary, summarise};
pub use surface::{SurfaceMeasures, surface_measures};
