//! DIMSE-C messages (PS3.7): command sets, and the reassembly of P-DATA fragments into messages.

mod command;
mod reassembly;

pub use command::{Command, CommandError, Status, response};
pub use reassembly::{Fragment, Reassembly, ReassemblyError};
