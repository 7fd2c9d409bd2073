//! DIMSE associations: Verification and Storage SCP.
