//! DIMSE-C messages (PS3.7): command sets, and the reassembly of P-DATA fragments into messages.
