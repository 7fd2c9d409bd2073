#[path = "../../src/receive/negotiation.rs"]
mod negotiation;
#[path = "../../src/receive/policy.rs"]
mod policy;
#[path = "../../src/receive/statement.rs"]
mod statement;
pub use negotiation::{answer, rejection};
pub use policy::{Caller, Callers, Origin};
