//! DIMSE messages (PS3.7) and the upper layer that carries them (PS3.8): command sets, the reassembly of P-DATA
//! fragments into messages, PDUs over a byte stream; and what is said of storage commitment in both directions.

mod command;
mod commitment;
mod prompt;
mod reassembly;
mod upper_layer;

pub use command::{Command, CommandError, Status, read_command_set, response};
pub use commitment::{
    ALL_COMMITTED, Asked, COMMITMENT_INSTANCE, CommitmentReport, Committed, FAILURES_EXIST,
    LARGEST_COMMITMENT, REQUEST_COMMITMENT, check_commitment, read_report, read_request,
};
pub use prompt::Prompt;
pub use reassembly::{Fragment, Reassembly, ReassemblyError};
pub use upper_layer::{ByteStream, MAX_PDU_LENGTH, UpperLayer, UpperLayerError};

/// Identifies irisnode in associations (PS3.7 annex D.3.3.2) and in files (PS3.10 section 7.1): a UUID under 2.25
/// (PS3.5 annex B.2).
pub const IMPLEMENTATION_CLASS_UID: &str = "2.25.190146791043182537444806132342625375407";
/// Names the version, in both places; 16 characters at most.
pub const IMPLEMENTATION_VERSION_NAME: &str = concat!("IRISNODE_", env!("CARGO_PKG_VERSION"));
/// The one Application Context Name of DICOM (PS3.7 annex A.2.1).
pub const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";
